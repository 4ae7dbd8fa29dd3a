"""dogpile.cache's backend `dogpile.cache.hotplate`: regions that all processes share, for Flask, SQLAlchemy and others.

Values are JSON, unless `hmac_key` is given: then they are pickled as dogpile does it, signed, and checked before they
are loaded. Expiration, creation times and who creates are dogpile's own.
"""

from __future__ import annotations

import json
import logging
import pickle
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from hotplate.adapters import _process
from hotplate.adapters._extra import needed
from hotplate.adapters._mutex import LeaseMutex
from hotplate.adapters._signing import SignedBytes, SigningKey, key_bytes
from hotplate.errors import CodecError, HotplateError
from hotplate.keys import Key
from hotplate.results import Hit, Lookup
from hotplate.serializers import base as codecs
from hotplate.serializers.plain import Raw

try:
    from dogpile.cache.api import (
        NO_VALUE,
        BytesBackend,
        CacheMutex,
        CantDeserializeException,
        Deserializer,
        SerializedReturnType,
        Serializer,
    )
    from dogpile.cache.backends import register_backend
    from dogpile.util import NameRegistry
except ImportError as _cause:
    raise needed("dogpile.cache", "dogpile") from _cause

__all__ = ["HotplateBackend", "SigningKey", "register"]

_log = logging.getLogger("hotplate")

_KNOWN: Final = frozenset(("url", "namespace", "prefix", "ttl", "tags", "hmac_key", "distributed_lock"))
#: Selectors of one invalidation.
_SELECTORS_MAX: Final = 128


class HotplateBackend(BytesBackend):
    """Made by dogpile: `make_region().configure("dogpile.cache.hotplate", arguments={"url": …})`.

    Arguments, all optional:

    - `url`: the server, as `hotplate.Client` takes it; without it, as the environment says. One client of a process is
      shared.
    - `namespace`, `prefix`: where values go, and what keys begin with; `dogpile` without it.
    - `ttl`, `tags`: how long the server keeps them, which should be longer than the region's expiration; their groups.
    - `hmac_key`: the path of a file with at least 32 random bytes, or `SigningKey(bytes)`: values are signed pickles.
    - `distributed_lock`: True: one creator for each key of all processes, not of each process.

    What else is given is not used, and logged, as with dogpile's own backends.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        for name in sorted(set(arguments) - _KNOWN):
            _log.warning("dogpile's backend hotplate knows no argument `%s`", name)
        form: codecs.Serializer = Raw()
        self.serializer: Serializer = _to_json
        self.deserializer: Deserializer = _of_json
        if arguments.get("hmac_key") is not None:
            form = SignedBytes(key_bytes(arguments["hmac_key"]))
            self.serializer, self.deserializer = pickle.dumps, _of_pickle
        client = _process.client(arguments.get("url"))
        self._space = client.namespace(arguments.get("namespace"), serializer=form)
        self._prefix = Key(arguments.get("prefix", "dogpile"))
        self._options: dict[str, Any] = {"kind": "dogpile", "tags": list(arguments.get("tags", ()))}
        if arguments.get("ttl") is not None:
            self._options["ttl"] = arguments["ttl"]
        self._is_shared = bool(arguments.get("distributed_lock", False))
        self._locals = NameRegistry(lambda _key: threading.Lock())

    def has_lock_timeout(self) -> bool:
        """Whether a lock can be lost: a lease lapses when its process stands still for longer than it lasts."""
        return self._is_shared

    def get_mutex(self, key: str) -> CacheMutex | None:
        """The lock of a key; None: dogpile uses one of its own, of this process."""
        if not self._is_shared:
            return None
        # The lock that all mutexes of a key share lives as long as one of them does.
        return cast("CacheMutex", LeaseMutex(self._space, f"{self._key(key)}:lock", self._locals.get(key)))

    def get_serialized(self, key: str) -> SerializedReturnType:
        """One value."""
        try:
            return _content(self._space.get(self._key(key)))
        except CodecError as error:
            return _content(error)

    def get_serialized_multi(self, keys: Iterable[str]) -> Sequence[SerializedReturnType]:
        """Several values, in the order of their keys."""
        wanted = [self._key(key) for key in keys]
        found = self._space.get_many(wanted) if wanted else {}
        return [_content(found[key]) for key in wanted]

    def set_serialized(self, key: str, value: bytes) -> None:
        """Stores one value."""
        self._space.put(self._key(key), value, **self._options)

    def set_serialized_multi(self, mapping: Mapping[str, bytes]) -> None:
        """Stores several values."""
        done = self._space.put_many({self._key(key): value for key, value in mapping.items()}, **self._options)
        for outcome in done.values():
            if isinstance(outcome, HotplateError):
                raise outcome

    def delete(self, key: str) -> None:
        """Drops one value."""
        self.delete_multi([key])

    def delete_multi(self, keys: Iterable[str]) -> None:
        """Drops several values."""
        named = [self._key(key) for key in keys]
        for some in range(0, len(named), _SELECTORS_MAX):
            self._space.invalidate(keys=named[some : some + _SELECTORS_MAX], reason="deleted by dogpile")

    def _key(self, key: str) -> str:
        return str(self._prefix.text(key))


def register() -> None:
    """Makes `dogpile.cache.hotplate` known to dogpile. Importing this module does so."""
    register_backend("dogpile.cache.hotplate", __name__, "HotplateBackend")  # type: ignore[no-untyped-call]


def _content(found: Lookup[bytes] | HotplateError) -> SerializedReturnType:
    if isinstance(found, CodecError):
        _log.warning("a stored value cannot be read and counts as a miss: %s", found)
    elif isinstance(found, HotplateError):
        raise found
    return found.value if isinstance(found, Hit) else NO_VALUE


def _to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _of_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise CantDeserializeException from None


def _of_pickle(data: bytes) -> Any:
    try:
        return pickle.loads(data)  # noqa: S301 - the signature was checked
    except Exception:
        raise CantDeserializeException from None


register()
