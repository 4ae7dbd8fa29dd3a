"""Arrays: numpy's own file format, and safetensors for several with names."""

from __future__ import annotations

import io
from typing import Any

from hotplate.errors import CodecError
from hotplate.serializers.base import ByValue, Encoded, Place, essence, missing

__all__ = ["Npy", "SafeTensors"]


class Npy(ByValue):
    """`application/x-npy`: one numpy array, never with Python objects inside. Needs the extra `numpy`."""

    content_type = "application/x-npy"

    def __init__(self) -> None:
        """Raises `ConfigurationError` without the package."""
        try:
            import numpy
        except ImportError:
            raise missing("numpy", "numpy") from None
        self._numpy: Any = numpy

    def reads(self, content_type: str) -> bool:
        """Arrays only."""
        return essence(content_type) == self.content_type

    def encode(self, value: Any, place: Place) -> Encoded:
        """The array with its dtype and shape."""
        if not isinstance(value, self._numpy.ndarray):
            raise CodecError(f"values are numpy arrays, not {type(value).__name__}")
        sink = io.BytesIO()
        try:
            self._numpy.save(sink, value, allow_pickle=False)
        except ValueError:
            raise CodecError("an array of Python objects cannot be stored as .npy") from None
        return Encoded(sink.getvalue(), self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The array."""
        try:
            return self._numpy.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError):
            raise CodecError("the stored value is no .npy array") from None


class SafeTensors(ByValue):
    """`application/x-safetensors`: numpy arrays by name. Needs the extra `safetensors`."""

    content_type = "application/x-safetensors"

    def __init__(self) -> None:
        """Raises `ConfigurationError` without the package."""
        try:
            import safetensors
            import safetensors.numpy
        except ImportError:
            raise missing("safetensors and numpy", "safetensors") from None
        self._library: Any = safetensors.numpy
        self._failure: type[Exception] = safetensors.SafetensorError

    def reads(self, content_type: str) -> bool:
        """Tensors only."""
        return essence(content_type) == self.content_type

    def encode(self, value: Any, place: Place) -> Encoded:
        """The arrays of a dict."""
        try:
            return Encoded(self._library.save(value), self.content_type)
        except (AttributeError, TypeError, KeyError, ValueError, self._failure):
            raise CodecError("values are dicts of numpy arrays by name") from None

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The arrays by name."""
        try:
            return self._library.load(data)
        except (ValueError, TypeError, KeyError, self._failure):
            raise CodecError("the stored value is no safetensors") from None
