"""joblib's `Memory`, and with it scikit-learn's `memory=`, in hotplate: results that all processes share.

joblib pickles results, and reading a pickle runs whatever its writer put there. So each is signed with a key that the
cache does not know, and checked before it is loaded; without a key nothing works. joblib asks before it computes, and
stores afterwards: two processes that miss at once both compute. Where that matters use `get_or_compute` instead.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from hotplate._sync.namespace import Namespace
from hotplate.adapters import _process
from hotplate.adapters._extra import needed
from hotplate.adapters._files import Reading, Writing, below, items, key_of, last_name
from hotplate.adapters._signing import KeySource, SignedBytes, SigningKey, key_bytes
from hotplate.errors import CodecError, ConfigurationError
from hotplate.results import Hit
from hotplate.ttl import TtlLike

try:
    import joblib
    from joblib._store_backends import CacheItemInfo, StoreBackendBase, StoreBackendMixin
except ImportError as _cause:
    raise needed("joblib", "joblib") from _cause

__all__ = ["HotplateStoreBackend", "SigningKey", "memory"]

_log = logging.getLogger("hotplate")

_CODE: Final = "func_code.py"
_FILES: Final = frozenset((_CODE, "output.pkl", "metadata.json"))
_OPTIONS: Final = frozenset(("url", "namespace", "hmac_key", "ttl", "tags", "compress", "mmap_mode"))


def memory(
    location: str,
    *,
    hmac_key: KeySource,
    url: str | None = None,
    namespace: str | None = None,
    ttl: TtlLike | None = None,
    tags: Iterable[str] = (),
    compress: bool | int = False,
    verbose: int = 0,
) -> joblib.Memory:
    """A `joblib.Memory` that keeps its results in hotplate, such as `memory("features/v7", hmac_key=path)`.

    - `location`: what all keys begin with; at most 300 bytes. Put the release of your code into it: joblib notices
      changed functions, but not what they call, nor an older release that still runs elsewhere.
    - `hmac_key`: the path of a file with at least 32 random bytes, or `SigningKey(bytes)`, which cannot be sent to
      other processes (`n_jobs`).
    - `url`: the server, as `hotplate.Client` takes it; None: as the environment says. A process has one client for it.
    - `namespace`, `ttl`, `tags`: where results go, how long they stay, groups they belong to.
    - `compress`, `verbose`: as joblib has them.
    """
    options = {"url": url, "namespace": namespace, "hmac_key": hmac_key, "ttl": ttl, "tags": tuple(tags)}
    return joblib.Memory(location, backend="hotplate", compress=compress, verbose=verbose, backend_options=options)


class HotplateStoreBackend(StoreBackendBase, StoreBackendMixin):  # type: ignore[misc]
    """The backend `hotplate` of `joblib.Memory`; `memory` makes one that uses it.

    Results of a function are dropped together when its code changed, as joblib does, and also when its code is no
    longer there: nobody can tell then what made them.
    """

    def configure(self, location: str, verbose: int = 0, backend_options: dict[str, Any] | None = None) -> None:
        """Called by joblib. Raises `ConfigurationError` without a key, and for options that have no meaning here."""
        options = dict(backend_options or {})
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise ConfigurationError(f"joblib's backend hotplate knows no option `{unknown[0]}`")
        if options.get("mmap_mode") is not None:
            raise ConfigurationError("mmap_mode needs files: leave it out")
        key_bytes(options.get("hmac_key"))
        if len(str(key_of(location)).encode()) > 300:
            raise ConfigurationError("the location is too long: use at most 300 bytes")
        self.location = location
        self.verbose = verbose
        self.compress = options.pop("compress", False)
        self._options = options
        self._kept: Namespace | None = None

    @property
    def _space(self) -> Namespace:
        if self._kept is None:
            serializer = SignedBytes(key_bytes(self._options["hmac_key"]))
            client = _process.client(self._options.get("url"))
            self._kept = client.namespace(self._options.get("namespace"), serializer=serializer)
        return self._kept

    @property
    def _written(self) -> dict[str, Any]:
        ttl = self._options.get("ttl")
        written: dict[str, Any] = {"kind": "joblib", "tags": list(self._options.get("tags", ()))}
        return written if ttl is None else {**written, "ttl": ttl}

    def _open_item(self, f: str, mode: str) -> Reading | Writing:
        if mode == "wb":
            return Writing(lambda content: self._put(f, content))
        try:
            found = self._space.get(key_of(f))
        except CodecError as error:
            _log.warning("a result in the cache is not used: %s", error)
            found = None
        if not isinstance(found, Hit):
            raise FileNotFoundError(f"{last_name(f)} is not in the cache")
        if last_name(f) == _CODE and found.fresh_for < found.age:
            # It is read as long as its results are wanted, and has to stay as long as they do.
            self._put(f, found.value)
        return Reading(found.value)

    def _put(self, path: str, content: bytes) -> None:
        done = self._space.put(key_of(path), content, **self._written)
        if done.outcome == "not_admitted":
            _log.warning("%s is not stored: %s", last_name(path), done.reason)

    def _item_exists(self, location: str) -> bool:
        # There are no folders: each is there, and may be empty.
        return last_name(location) not in _FILES or self._space.exists(key_of(location))

    def _concurrency_safe_write(self, to_write: Any, filename: str, write_func: Any) -> None:
        # A put is there as a whole or not at all: nothing has to be moved into its place.
        write_func(to_write, filename)

    def _move_item(self, src: str, dst: str) -> None:
        with self._open_item(src, "rb") as content:
            self._put(dst, content.getvalue())
        self._space.remove(key_of(src), reason="moved by joblib")

    def store_cached_func_code(self, call_id: list[str], func_code: str | None = None) -> None:
        """Stores the code of a function. Results that other code made, or unknown code, go first."""
        if func_code is None:
            return
        try:
            known = self.get_cached_func_code(call_id)
        except OSError:
            known = None
        if known != func_code:
            self.clear_path(call_id)
        super().store_cached_func_code(call_id, func_code)

    def create_location(self, location: str) -> None:
        """Does nothing: there are no folders."""

    def clear_location(self, location: str) -> None:
        """Drops everything below."""
        self._space.invalidate(key_of(location), prefix=below(location), reason="cleared by joblib")

    def get_items(self) -> list[CacheItemInfo]:
        """What is there, for `Memory.reduce_size`."""
        return [CacheItemInfo(*item) for item in items(self._space.entries(prefix=below(self.location)))]

    def __deepcopy__(self, memo: dict[int, Any]) -> HotplateStoreBackend:
        # scikit-learn copies what is in a pipeline; connections and the key stay one.
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}


joblib.register_store_backend("hotplate", HotplateStoreBackend)
