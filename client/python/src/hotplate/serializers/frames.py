"""Data frames as Arrow IPC streams, which many languages read."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Hashable
from typing import Any, Literal

from hotplate.errors import CodecError
from hotplate.serializers.base import ByValue, Encoded, Place, essence, missing

__all__ = ["Arrow"]


class Arrow(ByValue):
    """`application/vnd.apache.arrow.stream`: Arrow tables, pandas and polars frames. Needs the extra `arrow`."""

    content_type = "application/vnd.apache.arrow.stream"

    def __init__(self, read_as: Literal["table", "pandas", "polars"] = "table") -> None:
        """`read_as` is what values are read as, whatever they were written from."""
        try:
            import pyarrow
            import pyarrow.ipc
        except ImportError:
            raise missing("pyarrow", "arrow") from None
        if read_as != "table" and importlib.util.find_spec(read_as) is None:
            raise missing(read_as, read_as)
        self._arrow: Any = pyarrow
        self._read_as = read_as

    def _settings(self) -> Hashable:
        return self._read_as

    def reads(self, content_type: str) -> bool:
        """Arrow streams only."""
        return essence(content_type) == self.content_type

    def encode(self, value: Any, place: Place) -> Encoded:
        """The frame's columns."""
        arrow = self._arrow
        try:
            table = arrow.Table.from_pandas(value) if _library(value) == "pandas" else arrow.table(value)
        except (TypeError, ValueError, arrow.ArrowException):
            raise CodecError(f"a value of type {type(value).__name__} is no frame that Arrow holds") from None
        sink = io.BytesIO()
        with arrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return Encoded(sink.getvalue(), self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The frame, as it was asked for."""
        try:
            with self._arrow.ipc.open_stream(data) as reader:
                table = reader.read_all()
            # Offsets are taken as they come: without this a wrong one would show other memory of this process.
            table.validate(full=True)
            # Nor are the names of columns looked at by that: one that is no text fails when it is first used.
            _check_names(table.schema)
            return self._as_asked(table)
        except Exception:
            # Whatever these bytes make the library say: they may come from anyone.
            raise CodecError("the stored value is no Arrow stream") from None

    def as_read(self, value: Any, place: Place) -> Any:
        """What a reader gets of a value that is written: whatever it was written from, what is read."""
        known = {"table": "pyarrow", "pandas": "pandas", "polars": "polars"}
        if _library(value) == known[self._read_as]:
            return value
        encoded = self.encode(value, place)
        return self.decode(encoded.data, encoded.content_type, place)

    def _as_asked(self, table: Any) -> Any:
        if self._read_as == "pandas":
            return table.to_pandas()
        if self._read_as == "polars":
            import polars  # type: ignore[import-not-found, unused-ignore]

            return polars.from_arrow(table)
        return table


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _check_names(fields: Any) -> None:
    """Goes through the names of all columns, and of what is in them. Raises `ValueError` for one that is no text."""
    for field in fields:
        field.name.encode()
        kind = field.type
        _check_names([kind.field(number) for number in range(kind.num_fields)])
