"""Values become bytes and back, and nothing is read that was not written here."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy
import pyarrow
import pytest

from hotplate import CodecError, ConfigurationError
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
