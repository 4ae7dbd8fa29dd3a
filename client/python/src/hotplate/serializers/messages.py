"""Protobuf messages."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from google.protobuf import message as _message

from hotplate.errors import CodecError
from hotplate.serializers.base import ByValue, Encoded, Place, essence

__all__ = ["Protobuf"]

_KIND = "application/x-protobuf"


class Protobuf(ByValue):
    """`application/x-protobuf; type=full.name`: messages of one type. Reads no other type."""

    def __init__(self, message: type[_message.Message]) -> None:
        """`message` is the generated class."""
        self._message = message
        self._name = message.DESCRIPTOR.full_name
        self.content_type = f"{_KIND}; type={self._name}"

    def _settings(self) -> Hashable:
        return self._name

    def reads(self, content_type: str) -> bool:
        """Messages of this type."""
        return essence(content_type) == _KIND and type_of(content_type) in ("", self._name)

    def encode(self, value: Any, place: Place) -> Encoded:
        """The message's bytes, the same for the same message."""
        if not isinstance(value, self._message):
            raise CodecError(f"values are messages of {self._name}, not {type(value).__name__}")
        return Encoded(value.SerializeToString(deterministic=True), self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The message."""
        try:
            return self._message.FromString(data)
        except _message.DecodeError:
            raise CodecError(f"the stored value is no {self._name}") from None


def type_of(content_type: str) -> str:
    """The message type that a content type names; empty where it names none."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "type":
            return value.strip().strip('"')
    return ""
