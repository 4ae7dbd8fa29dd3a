"""What the fake refuses: the bounds of a real server, with its reasons and fields. Stores nothing."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from hotplate._core.near.glob import Glob
from hotplate.errors import FailedPreconditionError, InvalidArgumentError
from hotplate.keys import KEY_BYTES_MAX
from hotplate.ttl import TTL, of_wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

#: Lifetime where nothing is said, the longest and the shortest, in seconds.
TTL_DEFAULT: Final = 1_800.0
_TTL_MAX: Final = 30 * 86_400.0
_TTL_MIN: Final = 0.001
_SPREAD_MAX: Final = 3_600.0
_SELECTORS_MAX: Final = 128
_TAGS_MAX: Final = 64
_DEPENDS_MAX: Final = 64
_ALL_TAGS_MAX: Final = 16
_NAME_BYTES_MAX: Final = 128
_GLOB_BYTES_MAX: Final = 256
_WILDCARDS_MAX: Final = 8
_REASON_BYTES_MAX: Final = 256
_MESSAGE_BYTES_MAX: Final = 1_024
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_./-]{1,64}")
_NEGATIVE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_CLASSES: Final = {one.value: float(one.default_seconds) for one in TTL}


def place(request: Any) -> tuple[str, str]:
    """Namespace and key of a call on one key."""
    name = namespace(request.namespace)
    key(request.key, "key")
    return name, request.key


def namespace(name: str) -> str:
    """The namespace's name."""
    if name and not _NAMESPACE.fullmatch(name):
        raise _bad("namespace", "a namespace is 1 to 64 letters, digits, '-', '_', '.' or '/'", "BAD_NAMESPACE")
    return name or "default"


def key(text: str, field: str) -> None:
    """A key, wherever one is named."""
    if not 1 <= _size(text) <= KEY_BYTES_MAX:
        raise _bad(field, f"a key has 1 to {KEY_BYTES_MAX} bytes, this one has {_size(text)}", "BAD_KEY")
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise _bad(field, "a key has no control characters", "BAD_KEY")


def described(put: pb.PutRequest) -> None:
    """What an entry is stored with."""
    if _size(put.kind) > _NAME_BYTES_MAX:
        raise _bad("kind", f"kind has at most {_NAME_BYTES_MAX} bytes")
    if len(set(put.tags)) > _TAGS_MAX:
        raise _bad("tags", f"an entry has at most {_TAGS_MAX} tags")
    for tag in put.tags:
        _name(tag, "tags", "a tag")
    if len(set(put.depends_on)) > _DEPENDS_MAX:
        raise _bad("depends_on", f"an entry depends on at most {_DEPENDS_MAX} others")
    for name in put.depends_on:
        _dependency(name, "depends_on")
    if put.WhichOneof("payload") == "negative":
        if not _NEGATIVE.fullmatch(put.negative.reason):
            raise _bad("negative.reason", "a negative result's reason is 1 to 64 letters in UPPER_SNAKE_CASE")
        if _size(put.negative.message) > _MESSAGE_BYTES_MAX:
            raise _bad("negative.message", f"negative.message has at most {_MESSAGE_BYTES_MAX} bytes")
    if put.precondition.WhichOneof("condition") == "etag" and not put.precondition.etag:
        raise _bad("precondition.etag", "an etag is never empty")


def lives(expiration: types.Expiration) -> tuple[float, float, float, float]:
    """How long an entry is fresh, stale after that, idle, and how long before its end it is due to be renewed."""
    fresh = TTL_DEFAULT
    if expiration.WhichOneof("lifetime") == "ttl":
        fresh = _duration(expiration, "ttl")
    elif expiration.ttl_class:
        if expiration.ttl_class not in _CLASSES:
            raise _bad_life("ttl_class", f"there is no TTL class `{expiration.ttl_class}`")
        fresh = _CLASSES[expiration.ttl_class]
    stale = _duration(expiration, "stale_for") if expiration.HasField("stale_for") else 0.0
    idle = _duration(expiration, "idle_ttl") if expiration.HasField("idle_ttl") else math.inf
    if not 0 <= expiration.jitter <= 0.5:
        raise _bad_life("jitter", "jitter is a share of the TTL from 0 to 0.5")
    ahead = expiration.refresh_ahead
    if not 0 <= ahead.fraction <= 0.9:
        raise _bad_life("refresh_ahead.fraction", "a fraction of the TTL is from 0 to 0.9")
    if ahead.WhichOneof("when") == "xfetch_beta" and not 0.001 <= ahead.xfetch_beta <= 100:
        raise _bad_life("refresh_ahead.xfetch_beta", "the factor of XFetch is from 0.001 to 100")
    return fresh, stale, idle, ahead.fraction * fresh


def selectors(chosen: Iterable[types.Selector]) -> None:
    """What an invalidation or a listing names."""
    given = list(chosen)
    if len(given) > _SELECTORS_MAX:
        raise _bad("selectors", f"a call has at most {_SELECTORS_MAX} selectors")
    for number, selector in enumerate(given):
        kind = selector.WhichOneof("selector")
        field = f"selectors[{number}].{kind}"
        match kind:
            case "key":
                key(selector.key, field)
            case "prefix" if not 1 <= _size(selector.prefix) <= KEY_BYTES_MAX:
                raise _bad(field, f"a prefix has 1 to {KEY_BYTES_MAX} bytes")
            case "glob":
                _glob(selector.glob, field)
            case "tag":
                _name(selector.tag, field, "a tag")
            case "dependents_of":
                _dependency(selector.dependents_of, field)
            case "kind":
                _name(selector.kind, field, "a kind")
            case "all_tags" if not 1 <= len(set(selector.all_tags.tags)) <= _ALL_TAGS_MAX:
                raise _bad(field, f"all_tags names 1 to {_ALL_TAGS_MAX} tags")


def invalidation(request: pb.InvalidateRequest) -> None:
    """What an invalidation says besides."""
    selectors(request.selectors)
    if _size(request.reason) > _REASON_BYTES_MAX:
        raise _bad("reason", f"reason has at most {_REASON_BYTES_MAX} bytes")
    if request.HasField("spread_over") and not 0 < of_wire(request.spread_over) <= _SPREAD_MAX:
        raise _bad("spread_over", "what is marked becomes stale within more than nothing and at most 3600 s")
    if request.mode == pb.INVALIDATE_MODE_REFRESH:
        raise FailedPreconditionError("the fake has no origins", reason="NO_ORIGIN", field="refresh.origin")


def _glob(text: str, field: str) -> None:
    if not 1 <= _size(text) <= _GLOB_BYTES_MAX:
        raise _bad(field, f"a glob has 1 to {_GLOB_BYTES_MAX} bytes", "BAD_GLOB")
    if Glob.parse(text) is None:
        raise _bad(field, "a set in a glob ends with `]`, and what is escaped follows its `\\`", "BAD_GLOB")
    plain = re.sub(r"\\.", "", text)
    if len(re.findall(r"[*?]|\[[^\]]*\]", plain)) > _WILDCARDS_MAX:
        raise _bad(field, f"a glob has at most {_WILDCARDS_MAX} wildcards", "BAD_GLOB")


def _duration(expiration: types.Expiration, name: str) -> float:
    value = of_wire(getattr(expiration, name))
    if not _TTL_MIN <= value <= _TTL_MAX:
        raise _bad_life(name, f"expiration.{name} is from 1ms to {_TTL_MAX:.0f}s")
    return value


def _dependency(name: str, field: str) -> None:
    if name.startswith("tag:"):
        _name(name.removeprefix("tag:"), field, "a tag")
    else:
        key(name, field)


def _name(text: str, field: str, what: str) -> None:
    if not 1 <= _size(text) <= _NAME_BYTES_MAX:
        raise _bad(field, f"{what} has 1 to {_NAME_BYTES_MAX} bytes, this one has {_size(text)}")


def _size(text: str) -> int:
    return len(text.encode())


def _bad(field: str, message: str, reason: str = "BAD_ARGUMENT") -> InvalidArgumentError:
    return InvalidArgumentError(message, reason=reason, field=field)


def _bad_life(name: str, message: str) -> InvalidArgumentError:
    return _bad(f"expiration.{name}", message, "TTL_OUT_OF_BOUNDS")
