"""MessagePack: compact, readable by many languages."""

from __future__ import annotations

from typing import Any

from hotplate.errors import CodecError
from hotplate.serializers.base import ByValue, Encoded, Place, essence, missing

__all__ = ["MessagePack"]


class MessagePack(ByValue):
    """`application/msgpack`. Needs the extra `msgpack`."""

    content_type = "application/msgpack"

    def __init__(self) -> None:
        """Raises `ConfigurationError` without the package."""
        try:
            import msgpack
        except ImportError:
            raise missing("msgpack", "msgpack") from None
        self._msgpack: Any = msgpack

    def reads(self, content_type: str) -> bool:
        """MessagePack only."""
        return essence(content_type) == self.content_type

    def encode(self, value: Any, place: Place) -> Encoded:
        """The value as MessagePack."""
        try:
            return Encoded(self._msgpack.packb(value, use_bin_type=True), self.content_type)
        except (TypeError, ValueError, OverflowError):
            raise CodecError(f"a value of type {type(value).__name__} has no MessagePack form") from None

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The value; bytes left over mean that these were never written as one."""
        try:
            return self._msgpack.unpackb(data, raw=False, strict_map_key=False)
        except Exception:
            # Whatever these bytes make the library say: they may come from anyone.
            raise CodecError("the stored value is no MessagePack") from None

    def as_read(self, value: Any, place: Place) -> Any:
        """What a reader gets of a value that is written: a list for a tuple."""
        if type(value) in (str, bytes, int, float, bool, type(None)):
            return value
        encoded = self.encode(value, place)
        return self.decode(encoded.data, encoded.content_type, place)
