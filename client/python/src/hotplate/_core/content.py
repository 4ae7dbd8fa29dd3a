"""Bytes that stand for the content of arrays and frames, so that equal data gives equal keys. Writes no values."""

from __future__ import annotations

import io
import json
from typing import Any

from hotplate.errors import InvalidArgumentError


def content_bytes(data: Any) -> bytes:
    """The bytes to hash for data; raises `InvalidArgumentError` for what has no such bytes."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, str):
        raise InvalidArgumentError("the content of text is its bytes: pass text.encode(), or use Key.text", field="key")
    if hasattr(data, "__arrow_c_stream__") or type(data).__module__.partition(".")[0] == "pandas":
        return _frame(data)
    if hasattr(data, "__array_interface__"):
        return _array(data)
    raise InvalidArgumentError(
        f"content of type {type(data).__name__} has no bytes to hash: pass bytes, a numpy array or a frame", field="key"
    )


def _array(data: Any) -> bytes:
    import numpy

    array = numpy.asarray(data)
    if array.dtype.hasobject:
        raise InvalidArgumentError("an array of Python objects has no content to hash", field="key")
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
    is_pandas = type(data).__module__.partition(".")[0] == "pandas"
    table = pyarrow.Table.from_pandas(data) if is_pandas else pyarrow.table(data)
    sink = io.BytesIO()
    # One chunk for each column: how rows were gathered is no part of the content.
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()
