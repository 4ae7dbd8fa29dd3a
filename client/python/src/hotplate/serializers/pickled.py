"""Python's own formats, which run code when they are read: only by choice, and only with a key.

Whoever can write to a cache could otherwise run code in every process that reads it. The HMAC proves that the bytes
were written under the same key, for this namespace and this entry, and is checked before anything is loaded.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import pickle
from typing import Any, Final

from hotplate.errors import CodecError, ConfigurationError
from hotplate.serializers.base import Encoded, Place, essence, missing

__all__ = ["Joblib", "Pickle"]

#: Bytes of a key at least.
KEY_BYTES_MIN: Final = 32
_MAGIC: Final = b"HPS1"
_MAC_BYTES: Final = 32


class _Signed:
    """What both have in common: `HPS1`, the HMAC-SHA256, the content."""

    content_type = ""

    def __init__(self, hmac_key: bytes) -> None:
        if not isinstance(hmac_key, (bytes, bytearray)) or len(hmac_key) < KEY_BYTES_MIN:
            raise ConfigurationError(
                f"{type(self).__name__} needs hmac_key, at least {KEY_BYTES_MIN} random bytes that only your processes"
                " know: secrets.token_bytes(32). Without it whoever writes to the cache could run code here"
            )
        self.__key = bytes(hmac_key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(hmac_key=redacted)"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(f"{type(self).__name__} holds a key and is not pickled itself")

    def reads(self, content_type: str) -> bool:
        """Its own kind only."""
        return essence(content_type) == self.content_type

    def encode(self, value: Any, place: Place) -> Encoded:
        """The signed content."""
        try:
            content = self._dump(value)
        except Exception:
            raise CodecError(f"a value of type {type(value).__name__} cannot be pickled") from None
        return Encoded(_MAGIC + self.__mac(place, content) + content, self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The value, once its signature was checked."""
        start = len(_MAGIC) + _MAC_BYTES
        content = data[start:]
        proof = data[len(_MAGIC) : start]
        if data[: len(_MAGIC)] != _MAGIC or not hmac.compare_digest(proof, self.__mac(place, content)):
            raise CodecError("the stored value was not written here: its signature does not match, and it was not read")
        try:
            return self._load(content)
        except Exception:
            raise CodecError("the stored value was written by other versions of the code, and cannot be read") from None

    def __mac(self, place: Place, content: bytes) -> bytes:
        # Each part with its length, or one could be cut from the other.
        mac = hmac.new(self.__key, digestmod=hashlib.sha256)
        for part in (self.content_type.encode(), place.namespace.encode(), place.key.encode(), content):
            mac.update(len(part).to_bytes(8, "big"))
            mac.update(part)
        return mac.digest()

    def _dump(self, value: Any) -> bytes:
        raise NotImplementedError

    def _load(self, content: bytes) -> Any:
        raise NotImplementedError


class Pickle(_Signed):
    """`application/x-python-pickle`: any Python object that can be pickled, signed with `hmac_key`.

    All processes that share the entries need the same key, and the same versions of the code whose objects they are.
    """

    content_type = "application/x-python-pickle"

    def _dump(self, value: Any) -> bytes:
        return pickle.dumps(value, protocol=5)

    def _load(self, content: bytes) -> Any:
        return pickle.loads(content)  # noqa: S301 - the signature was checked


class Joblib(_Signed):
    """`application/x-joblib`: the same by joblib, which is better for large arrays inside. Needs the extra `joblib`."""

    content_type = "application/x-joblib"

    def __init__(self, hmac_key: bytes) -> None:
        """Raises `ConfigurationError` without the package, or without a key."""
        super().__init__(hmac_key)
        try:
            import joblib
        except ImportError:
            raise missing("joblib", "joblib") from None
        self._joblib: Any = joblib

    def _dump(self, value: Any) -> bytes:
        sink = io.BytesIO()
        self._joblib.dump(value, sink)
        return sink.getvalue()

    def _load(self, content: bytes) -> Any:
        return self._joblib.load(io.BytesIO(content))
