"""Chooses a serializer by the value on writing, and by the content type on reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf import message as _message

from hotplate.errors import CodecError
from hotplate.serializers.arrays import Npy
from hotplate.serializers.base import Encoded, Place, Serializer, essence
from hotplate.serializers.frames import Arrow
from hotplate.serializers.json import Json
from hotplate.serializers.messages import Protobuf, type_of
from hotplate.serializers.plain import Raw, Text

__all__ = ["Auto"]


class Auto:
    """Bytes as they are, text as text, messages as protobuf, numpy arrays as .npy, frames as Arrow, the rest as JSON.

    Reads by content type whatever one of these writes. Never pickles. Protobuf messages are read as their type when the
    program has imported it.
    """

    content_type = "application/json"

    def __init__(self, *others: Serializer) -> None:
        """`others` read content types that are not known here, and are asked first."""
        self._others: Sequence[Serializer] = others

    def reads(self, content_type: str) -> bool:
        """Everything: what nothing else reads is refused by name."""
        return True

    def encode(self, value: Any, place: Place) -> Encoded:
        """The value in the form for its type; a number of numpy as the number it is."""
        value = _plain(value)
        return self._for_value(value).encode(value, place)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The value by its content type."""
        for other in self._others:
            if other.reads(content_type):
                return other.decode(data, content_type, place)
        return _for_type(content_type).decode(data, content_type, place)

    def as_read(self, value: Any, place: Place) -> Any:
        """What a reader gets of a value that is written."""
        value = _plain(value)
        writer = self._for_value(value)
        return writer.as_read(value, place) if isinstance(writer, (Json, Raw, Arrow)) else value

    def _for_value(self, value: Any) -> Serializer:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return Raw()
        if isinstance(value, str):
            return Text()
        if isinstance(value, _message.Message):
            return Protobuf(type(value))
        if hasattr(value, "__array_interface__") and hasattr(value, "tobytes"):
            return Npy()
        is_pandas = type(value).__module__.partition(".")[0] == "pandas"
        if hasattr(value, "__arrow_c_stream__") or is_pandas:
            return Arrow()
        return Json()


def _plain(value: Any) -> Any:
    """A scalar of numpy as Python's own; anything else as it is."""
    is_scalar = hasattr(value, "__array_interface__") and hasattr(value, "item") and getattr(value, "shape", None) == ()
    return value.item() if is_scalar and hasattr(value, "dtype") and not hasattr(value, "__setitem__") else value


def _for_type(content_type: str) -> Serializer:
    kind = essence(content_type)
    if kind == "application/octet-stream" or kind.startswith(("image/", "audio/", "video/")):
        return Raw()
    if kind.startswith("text/"):
        return Text()
    if kind == "application/x-protobuf":
        return Protobuf(_known(type_of(content_type)))
    if kind == Npy.content_type:
        return Npy()
    if kind == Arrow.content_type:
        return Arrow()
    json = Json()
    if json.reads(content_type):
        return json
    raise CodecError(f"nothing here reads {content_type or 'a value without content type'}")


def _known(name: str) -> type[_message.Message]:
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        raise CodecError(f"the message type `{name}` is not known to this program: import its module") from None
    return message_factory.GetMessageClass(descriptor)
