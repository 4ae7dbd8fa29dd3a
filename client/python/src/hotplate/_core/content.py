"""Bytes that stand for the content of arrays and frames, so that equal data gives equal keys. Writes no values."""

from __future__ import annotations

import io
import json
from typing import Any

from hotplate.errors import InvalidArgumentError


def content_bytes(data: Any, *, exact: bool = False) -> bytes:
    """The bytes to hash for data; raises `InvalidArgumentError` for what has no such bytes.

    With `exact` also for what has more to it than these bytes say, as objects of unknown classes may.
    """
    if isinstance(data, memoryview):
        head = json.dumps([data.format, list(data.shape or ())]).encode() if exact else b""
        return head + bytes(data)
    if isinstance(data, (bytes, bytearray)):
        if exact and type(data) not in (bytes, bytearray):
            raise _unknown(data)
        return bytes(data)
    if isinstance(data, str):
        raise InvalidArgumentError("the content of text is its bytes: pass text.encode(), or use Key.text", field="key")
    if hasattr(data, "__arrow_c_stream__") or _library(data) == "pandas":
        return _frame(data)
    if hasattr(data, "__array_interface__"):
        if exact and _library(data) != "numpy":
            raise _unknown(data)
        return _array(data)
    raise _unknown(data)


def _unknown(data: Any) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"content of type {type(data).__name__} has no bytes to hash: pass bytes, a numpy array or a frame", field="key"
    )


def _library(data: Any) -> str:
    return type(data).__module__.partition(".")[0]


def _is_pandas_frame(kind: type) -> bool:
    return kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"


def _array(data: Any) -> bytes:
    import numpy

    if isinstance(data, numpy.ma.MaskedArray):
        raise InvalidArgumentError("a masked array is more than its numbers: pass numbers and mask", field="key")
    array = numpy.asarray(data)
    if array.dtype.hasobject:
        raise InvalidArgumentError("an array of Python objects has no content to hash", field="key")
    if array.dtype.names is not None:
        # What is between the fields is anything, and the dtype's text does not name them.
        raise InvalidArgumentError("an array of records has no content to hash: pass its columns", field="key")
    head = json.dumps([array.dtype.str, list(array.shape)]).encode()
    return head + numpy.ascontiguousarray(array).tobytes()


def _frame(data: Any) -> bytes:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise InvalidArgumentError(
            "to hash a frame, install pyarrow: pip install 'hotplate[arrow]'", field="key"
        ) from None
    if isinstance(data, pyarrow.RecordBatchReader):
        raise InvalidArgumentError("a stream of frames is used up by reading it: pass a table", field="key")
    try:
        # With its index, which the stream of a frame leaves out.
        is_pandas = any(_is_pandas_frame(kind) for kind in type(data).__mro__)
        table = pyarrow.Table.from_pandas(data) if is_pandas else pyarrow.table(data)
    except (TypeError, ValueError, AttributeError, pyarrow.ArrowException):
        raise InvalidArgumentError(f"Arrow holds no {type(data).__name__} like this one", field="key") from None
    sink = io.BytesIO()
    # One chunk for each column: how rows were gathered is no part of the content.
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()
