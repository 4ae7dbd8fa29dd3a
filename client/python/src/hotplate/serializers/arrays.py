"""Arrays: numpy's own file format, and safetensors for several with names."""

from __future__ import annotations

import io
import math
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
        if isinstance(value, self._numpy.ma.MaskedArray):
            raise CodecError("a masked array would be stored without its mask: store data and mask")
        if value.dtype.names is not None:
            self._check_fields(value.dtype)
        sink = io.BytesIO()
        try:
            self._numpy.save(sink, value, allow_pickle=False)
        except ValueError:
            raise CodecError("an array of Python objects cannot be stored as .npy") from None
        return Encoded(sink.getvalue(), self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The array."""
        try:
            return self._read(data)
        except Exception:
            # Whatever these bytes make numpy say: they may come from anyone.
            raise CodecError("the stored value is no .npy array") from None

    def _check_fields(self, dtype: Any) -> None:
        """Refuses fields that only the third version of the format can name, which is not read here."""
        try:
            repr(self._numpy.lib.format.dtype_to_descr(dtype)).encode("latin-1")
        except UnicodeEncodeError:
            raise CodecError("the names of an array's fields are latin-1, as .npy has them: rename them") from None

    def _read(self, data: bytes) -> Any:
        numpy = self._numpy
        source = io.BytesIO(data)
        versions = {(1, 0): numpy.lib.format.read_array_header_1_0, (2, 0): numpy.lib.format.read_array_header_2_0}
        shape, is_fortran, dtype = versions[numpy.lib.format.read_magic(source)](source)
        start = source.tell()
        count = math.prod(shape)
        # Before anything is made of it: a header may claim any size.
        if dtype.hasobject or min(shape, default=0) < 0 or count * dtype.itemsize != len(data) - start:
            raise ValueError("the header does not fit what follows")
        if not count:
            return numpy.empty(shape, dtype, order="F" if is_fortran else "C")
        # A copy: arrays that are read may be changed by who reads them.
        flat = numpy.frombuffer(data, dtype, count, start).copy()
        return flat.reshape(shape, order="F" if is_fortran else "C")


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
        if isinstance(value, dict) and any(hasattr(one, "mask") for one in value.values()):
            raise CodecError("a masked array would be stored without its mask: store data and mask")
        try:
            return Encoded(self._library.save(value), self.content_type)
        except (AttributeError, TypeError, KeyError, ValueError, self._failure):
            raise CodecError("values are dicts of numpy arrays by name") from None

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The arrays by name."""
        try:
            return self._library.load(data)
        except Exception:
            # Whatever these bytes make the library say: they may come from anyone.
            raise CodecError("the stored value is no safetensors") from None
