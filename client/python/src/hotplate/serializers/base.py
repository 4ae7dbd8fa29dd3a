"""What a serializer is, and the checks before one reads."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from hotplate.errors import CodecError, ConfigurationError

__all__ = ["ByValue", "Encoded", "Place", "Serializer", "decode_checked", "essence", "missing"]


class Place(NamedTuple):
    """Where a value lies: what a signature binds it to."""

    namespace: str
    key: str


class Encoded(NamedTuple):
    """A value as bytes."""

    data: bytes
    content_type: str
    """The media type that says how to read them."""
    labels: Mapping[str, str] | None = None
    """Facts to store beside it."""


@runtime_checkable
class Serializer(Protocol):
    """A way to write values. Reading checks the content type first: bytes of another kind are an error, never a guess.

    One serializer is used by many threads at once. Computations are shared among callers whose serializers are equal:
    one that is made for each call should say when it equals another.

    Where a value may be read as something else than what was written, a method `as_read(value, place)` gives what a
    reader gets: `get_or_compute` returns that also to who computed it.
    """

    @property
    def content_type(self) -> str:
        """The media type of what it writes."""
        ...

    def reads(self, content_type: str) -> bool:
        """Whether it reads values of this media type."""
        ...

    def encode(self, value: Any, place: Place) -> Encoded:
        """The value as bytes. Raises `CodecError` when it has no such form."""
        ...

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The value that the bytes hold. Raises `CodecError` when they hold none."""
        ...


class ByValue:
    """A serializer without state of its own: two with the same settings are the same.

    Computations are shared among those who read them by the same serializer.
    """

    def _settings(self) -> Hashable:
        return None

    def __eq__(self, other: object) -> bool:
        """Whether it reads and writes the same."""
        return type(self) is type(other) and isinstance(other, ByValue) and self._settings() == other._settings()

    def __hash__(self) -> int:
        """Equal ones have equal hashes."""
        return hash((type(self), self._settings()))


def essence(content_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def decode_checked(serializer: Serializer, data: bytes, content_type: str, encoding: str, place: Place) -> Any:
    """Checks what a stored value says of itself, then reads it."""
    if not serializer.reads(content_type):
        named = content_type or "no content type"
        raise CodecError(f"the stored value has {named}, not {serializer.content_type}")
    if encoding:
        raise CodecError(f"the stored value is encoded with `{encoding}`, which is not read here")
    return serializer.decode(data, content_type, place)


def missing(library: str, extra: str) -> ConfigurationError:
    """What is said where a library is not installed."""
    return ConfigurationError(f"this needs {library}: pip install 'hotplate[{extra}]'")
