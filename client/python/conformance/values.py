"""Values, keys and options as the protocol writes them, and back. Calls no client."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from hotplate import Key, serializers
from hotplate.keys import AnyKey
from hotplate.serializers import Serializer

#: Bytes longer than this are answered as their hash.
_BYTES_SHOWN: Final = 4_096


class Fault(Exception):
    """Something that must not be: the driver is too old, or wrong."""


def codec(name: str | None) -> Serializer:
    """The serializer by its name in the protocol."""
    made = {
        "json": serializers.Json,
        "raw": serializers.Raw,
        "msgpack": serializers.MessagePack,
        "text": serializers.Text,
    }
    if (name or "json") not in made:
        raise Fault(f"a codec `{name}`")
    serializer: Serializer = made[name or "json"]()
    return serializer


def value_of(written: Any) -> Any:
    """A value from what a request says."""
    if isinstance(written, list):
        return [value_of(item) for item in written]
    if not isinstance(written, dict):
        return written
    if set(written) == {"$bytes"}:
        return base64.b64decode(written["$bytes"])
    if set(written) == {"$fill"}:
        return fill(**written["$fill"])
    return {name: value_of(item) for name, item in written.items()}


def told(value: Any) -> Any:
    """A value as an answer says it."""
    if isinstance(value, bytes):
        if len(value) > _BYTES_SHOWN:
            return {"$sha256": hashlib.sha256(value).hexdigest(), "bytes": len(value)}
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items()}
    return value


def fill(bytes: int, seed: int) -> bytes:
    """The bytes that the protocol's `$fill` stands for."""
    # Of 251 bytes each block is the one before, plus seven.
    first = [place * 31 % 256 for place in range(251)]
    made = bytearray()
    block = 0
    while len(made) < bytes:
        # In a block the place goes on: 251 * 31 for each.
        shift = (block * 251 * 31 + block * 7 + seed) % 256
        made += builtins_bytes((one + shift) % 256 for one in first)
        block += 1
    return builtins_bytes(made[:bytes])


builtins_bytes = bytes


def key_of(written: Any) -> AnyKey:
    """A key: text, or the calls of the builder."""
    if isinstance(written, str):
        return written
    if not isinstance(written, dict) or set(written) != {"calls"}:
        raise Fault("a key that is neither text nor calls")
    return built(written["calls"])


def built(calls: list[list[Any]]) -> Key:
    """A key by the calls of the builder."""
    key = Key()
    for name, *arguments in calls:
        if name == "segments":
            key = Key(*arguments[0])
        elif name == "content":
            key = key.content(bytes.fromhex(arguments[0]))
        elif name in ("id", "param", "params", "unordered", "text"):
            key = getattr(key, name)(*arguments)
        else:
            raise Fault(f"a call `{name}` of the key builder")
    return key


_READ: Final = {
    "accept_stale": "accept_stale",
    "max_age_ms": "max_age",
    "peek": "peek",
    "slowest_tier": "slowest_tier",
    "without_near_cache": "near",
}
_WRITE: Final = {
    "ttl": "ttl",
    "stale_for_ms": "stale_for",
    "idle_ms": "idle",
    "jitter": "jitter",
    "refresh_ahead": "refresh_ahead",
    "refresh_ahead_xfetch": "refresh_ahead_xfetch",
    "kind": "kind",
    "tags": "tags",
    "depends_on": "depends_on",
    "labels": "labels",
    "cost_ms": "cost",
    "if_absent": "if_absent",
    "if_present": "if_present",
    "if_etag": "if_etag",
}
_COMPUTE: Final = {
    **_WRITE,
    "mode": "cache",
    "stale_if_error": "stale_if_error",
    "stale_while_revalidate": "stale_while_revalidate",
    "max_age_ms": "max_age",
    "wait_ms": "wait",
    "per_process": "per_process",
    "remember_failure": "remember_failure",
    "hold_off_ms": "hold_off",
}


def read_options(written: dict[str, Any] | None) -> dict[str, Any]:
    """Options of a read, as the client takes them."""
    return _options(written, _READ)


def write_options(written: dict[str, Any] | None) -> dict[str, Any]:
    """Options of a write."""
    return _options(written, _WRITE)


def compute_options(written: dict[str, Any] | None) -> dict[str, Any]:
    """Options of `get_or_compute`."""
    return _options(written, _COMPUTE)


def _options(written: dict[str, Any] | None, known: dict[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in (written or {}).items():
        if name not in known:
            raise Fault(f"an option `{name}`")
        if value is None:
            continue
        own = known[name]
        made[own] = not value if own == "near" else value / 1000 if name.endswith("_ms") else value
    return made
