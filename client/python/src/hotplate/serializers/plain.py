"""Bytes and text as they are."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from hotplate.errors import CodecError
from hotplate.serializers.base import ByValue, Encoded, Place, essence

__all__ = ["Raw", "Text"]


class Raw(ByValue):
    """Bytes as they are, written as `application/octet-stream` or another content type. Reads every one."""

    def __init__(self, content_type: str = "application/octet-stream") -> None:
        """`content_type` is that of what is written, such as `image/png`."""
        self.content_type = content_type

    def _settings(self) -> Hashable:
        return self.content_type

    def reads(self, content_type: str) -> bool:
        """Everything."""
        return True

    def encode(self, value: Any, place: Place) -> Encoded:
        """Bytes, or the UTF-8 of text."""
        if isinstance(value, str):
            return Encoded(_utf8(value), self.content_type)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return Encoded(bytes(value), self.content_type)
        raise CodecError(f"raw values are bytes, not {type(value).__name__}: choose another serializer")

    def decode(self, data: bytes, content_type: str, place: Place) -> bytes:
        """The bytes."""
        return data

    def as_read(self, value: Any, place: Place) -> bytes:
        """What a reader gets of a value that is written: bytes, also of text."""
        return value if type(value) is bytes else self.encode(value, place).data


class Text(ByValue):
    """`text/plain` in UTF-8. Reads every text type."""

    content_type = "text/plain"

    def reads(self, content_type: str) -> bool:
        """Whatever is text."""
        return essence(content_type).startswith("text/")

    def encode(self, value: Any, place: Place) -> Encoded:
        """The UTF-8 of text."""
        if not isinstance(value, str):
            raise CodecError(f"text values are str, not {type(value).__name__}: choose another serializer")
        return Encoded(_utf8(value), self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> str:
        """The text."""
        try:
            return data.decode()
        except UnicodeDecodeError:
            # The cause's own text quotes the value.
            raise CodecError("the stored value is not UTF-8") from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # The cause's own text quotes the value.
        raise CodecError("the text holds half of a surrogate pair") from None
