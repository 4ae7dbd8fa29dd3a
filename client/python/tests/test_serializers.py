"""Values become bytes and back, and nothing is read that was not written here."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy
import pyarrow
import pytest

from hotplate import Client, CodecError, ConfigurationError
from hotplate import serializers as ser
from hotplate.results import NearStats
from hotplate.v1 import types_pb2

PLACE = ser.Place("ml", "k")
KEY = bytes(range(32))


@dataclasses.dataclass
class Metrics:
    """A value with a shape."""

    auc: float
    name: str


def _back(serializer: ser.Serializer, value: Any) -> Any:
    encoded = serializer.encode(value, PLACE)
    return ser.decode_checked(serializer, encoded.data, encoded.content_type, "", PLACE)


@pytest.mark.parametrize(
    ("serializer", "value"),
    [
        (ser.Json(), {"a": [1, 2.5, None, "é"]}),
        (ser.Json(Metrics), Metrics(0.9, "x")),
        (ser.MessagePack(), {"a": [1, b"bytes"]}),
        (ser.Raw(), b"\x00\xff"),
        (ser.Text(), "täxt"),
        (ser.Protobuf(types_pb2.Negative), types_pb2.Negative(reason="R")),
        (ser.Pickle(KEY), {1, 2, 3}),
        (ser.Joblib(KEY), {1, 2, 3}),
        (ser.Auto(), b"bytes"),
        (ser.Auto(), "text"),
        (ser.Auto(), {"json": 1}),
        (ser.Auto(), types_pb2.Negative(reason="R")),
    ],
)
def test_a_value_comes_back(serializer: ser.Serializer, value: Any) -> None:
    assert _back(serializer, value) == value


def test_arrays_and_frames_come_back() -> None:
    array = numpy.arange(6, dtype="f4").reshape(2, 3)
    for serializer in (ser.Npy(), ser.Auto()):
        assert numpy.array_equal(_back(serializer, array), array)
    assert numpy.array_equal(_back(ser.SafeTensors(), {"w": array})["w"], array)
    table = pyarrow.table({"a": [1, 2], "b": ["x", "y"]})
    assert _back(ser.Arrow(), table) == table == _back(ser.Auto(), table)


def test_what_cannot_be_written_is_refused_without_telling_it() -> None:
    for serializer, value in (
        (ser.Json(), {"secret": object()}),
        (ser.Json(), float("nan")),
        (ser.Npy(), numpy.array([object()])),
        (ser.Text(), b"bytes"),
        (ser.Raw(), 5),
        (ser.MessagePack(), object()),
    ):
        with pytest.raises(CodecError) as caught:
            serializer.encode(value, PLACE)
        assert "secret" not in str(caught.value)


def test_another_content_type_and_an_encoding_are_refused() -> None:
    with pytest.raises(CodecError, match="text/plain, not application/json"):
        ser.decode_checked(ser.Json(), b"1", "text/plain", "", PLACE)
    with pytest.raises(CodecError, match="gzip"):
        ser.decode_checked(ser.Json(), b"1", "application/json", "gzip", PLACE)
    assert ser.decode_checked(ser.Json(), b"1", "application/problem+json; charset=utf-8", "", PLACE) == 1
    with pytest.raises(CodecError, match="another shape"):
        ser.Json(Metrics).decode(b'{"auc":1,"other":2}', "application/json", PLACE)
    with pytest.raises(CodecError, match="no JSON"):
        ser.Json().decode(b"[NaN]", "application/json", PLACE)
    with pytest.raises(CodecError):
        ser.MessagePack().decode(b"\x01\x02", "application/msgpack", PLACE)


def test_nothing_is_unpickled_that_was_not_signed_for_this_place() -> None:
    pickled = ser.Pickle(KEY)
    data = pickled.encode(NearStats(), PLACE).data
    assert pickled.decode(data, pickled.content_type, PLACE) == NearStats()
    other_key = ser.Pickle(bytes(32))
    for reader, place, bytes_ in (
        (pickled, ser.Place("ml", "other"), data),
        (pickled, ser.Place("other", "k"), data),
        (other_key, PLACE, data),
        (pickled, PLACE, data[:-1] + bytes([data[-1] ^ 1])),
        (pickled, PLACE, data[36:]),
        (pickled, PLACE, b""),
    ):
        with pytest.raises(CodecError, match="signature"):
            reader.decode(bytes_, pickled.content_type, place)
    with pytest.raises(ConfigurationError, match="hmac_key"):
        ser.Pickle(b"short")
    assert "redacted" in repr(pickled)


def test_hostile_bytes_are_a_codec_error_and_nothing_else() -> None:
    def npy(header: str, rest: bytes = b"") -> bytes:
        return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + rest

    zipped = io.BytesIO()
    numpy.savez(zipped, a=numpy.zeros(1))
    for data in (
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }\n", b"x" * 8),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }\n", b"x" * 8),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"x" * 8),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", b"x" * 9),
        npy("(" * 9_000),
        b"\x93NUMPY\x03\x00\x01\x00\x00\x00{",
        zipped.getvalue(),
        b"",
    ):
        with pytest.raises(CodecError):
            ser.Npy().decode(data, ser.Npy.content_type, PLACE)
    for text in (b"[1e999]", b"[-1e999]", b"[" + b"9" * 400 + b".0]", b'{"a":' * 90_000, b"\xff", b"[1,]"):
        with pytest.raises(CodecError):
            ser.Json().decode(text, "application/json", PLACE)
    assert ser.Json().decode(b'["1e999", 1e-999, 1e0307]', "application/json", PLACE) == ["1e999", 0, 1e307]


def test_a_changed_arrow_stream_shows_no_other_memory() -> None:
    table = pyarrow.table({"t": ["one", "two", "three"], "l": [[1], [2, 3], []]})
    data = ser.Arrow().encode(table, PLACE).data
    for place in range(0, len(data), 3):
        for flip in (0x01, 0x80):
            changed = bytearray(data)
            changed[place] ^= flip
            try:
                read = ser.Arrow().decode(bytes(changed), ser.Arrow.content_type, PLACE)
            except CodecError:
                continue
            assert sum(len(str(one)) for one in read.to_pylist()) < 10 * len(data)


def test_masks_are_not_lost_and_scalars_are_numbers() -> None:
    masked = numpy.ma.masked_array([1.0, 2.0], mask=[False, True])
    for serializer, value in ((ser.Npy(), masked), (ser.Auto(), masked), (ser.SafeTensors(), {"a": masked})):
        with pytest.raises(CodecError, match="mask"):
            serializer.encode(value, PLACE)
    for scalar, plain in ((numpy.float64(1.5), 1.5), (numpy.int64(3), 3), (numpy.bool_(True), True)):
        assert _back(ser.Auto(), scalar) == plain
    for array in (
        numpy.zeros((0, 3)),
        numpy.array(5),
        numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
        numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]),
        numpy.array(["x", "yz"]),
    ):
        read = _back(ser.Npy(), array)
        assert numpy.array_equal(read, array)
        assert (read.dtype, read.shape, read.flags.writeable) == (array.dtype, array.shape, True)
        assert read.flags.f_contiguous == array.flags.f_contiguous


def test_names_that_json_would_change_are_refused() -> None:
    for value in ({1: "a"}, {"x": [{None: 1}]}, {1: "a", "1": "b"}, (({2.5: 1},),)):
        with pytest.raises(CodecError, match="names"):
            ser.Json().encode(value, PLACE)
    assert _back(ser.Json(), {"a": (1, 2)}) == {"a": [1, 2]}
    with pytest.raises(CodecError, match="surrogate"):
        ser.Raw().encode("secret \ud800", PLACE)


def test_frames_are_read_as_what_is_installed() -> None:
    with pytest.raises(ConfigurationError, match=r"hotplate\[polars\]"):
        ser.Arrow("polars")


def test_what_is_computed_is_what_a_hit_gives(client: Client) -> None:
    for serializer, value in (
        (ser.Json(), Metrics(0.9, "x")),
        (ser.Json(Metrics), Metrics(0.9, "x")),
        (ser.Json(), (1, {"a": (2, 3)})),
        (ser.Json(tuple), (1, 2)),
        (ser.MessagePack(), (1, b"x")),
        (ser.Auto(), (1, 2)),
        (ser.Auto(), numpy.float32(1.5)),
        (ser.Raw(), "text"),
        (ser.Text(), "text"),
        (ser.Pickle(KEY), (1, {2})),
    ):
        space = client.namespace(serializer=serializer)
        key = f"{type(serializer).__name__}{value!r}"
        bypassed: Any = space.get_or_compute(key, lambda made=value: made, cache="bypass")  # type: ignore[misc]
        computed: Any = space.get_or_compute(key, lambda made=value: made)  # type: ignore[misc]
        found: Any = space.get_or_compute(key, lambda: None, cache="only")
        assert bypassed == computed == found
        assert type(bypassed) is type(computed) is type(found)


def test_why_a_computed_value_is_not_stored_is_told(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.namespace().get_or_compute("k", lambda: {1: "secret"}) == {1: "secret"}
    assert "the names of a dict are text" in caplog.text
    assert "secret" not in caplog.text
