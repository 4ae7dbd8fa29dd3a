"""Arguments that differ have different keys, equal ones the same, and what has no faithful form is refused."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import itertools
import pathlib
import uuid
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy
import pyarrow
import pytest

from hotplate import InvalidArgumentError, Key
from hotplate._core import canonical
from hotplate._core.arguments import form_of


@dataclasses.dataclass
class Circle:
    r: float


@dataclasses.dataclass
class Square:
    r: float


class Sizes(NamedTuple):
    r: float


class Colour(enum.Enum):
    RED = "red"


class Shade(enum.StrEnum):
    RED = "red"


class Versioned:
    def __init__(self, version: int) -> None:
        self.version = version

    def __hotplate_key__(self) -> int:
        return self.version


class Other(Versioned):
    pass


class Name(str):
    __slots__ = ()


_TIME = datetime.datetime(2026, 10, 25, 2, 30)
_BERLIN = ZoneInfo("Europe/Berlin")

#: No two of these are the same.
DIFFERENT: list[Any] = [
    None,
    True,
    1,
    1.0,
    1.5,
    "1",
    -1,
    0,
    0.0,
    -0.0,
    float("nan"),
    float("inf"),
    2**60,
    2**60 + 1,
    float(2**60),
    complex(1, 0),
    "é",
    "e\u0301",
    "",
    b"x",
    bytearray(b"x"),
    memoryview(b"x"),
    "x",
    [1, 2],
    (1, 2),
    {1, 2},
    frozenset((1, 2)),
    [[1], 2],
    range(2),
    [],
    (),
    {},
    {1: "a"},
    {"1": "a"},
    {1: "a", "1": "b"},
    {"1": "b"},
    collections.OrderedDict(a=1, b=2),
    collections.OrderedDict(b=2, a=1),
    {"a": 1, "b": 2},
    {"~": "set", "items": [1, 2]},
    {"sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"},
    {"é": 1},
    {"e\u0301": 1},
    Circle(2.0),
    Circle(2.5),
    Square(2.0),
    Sizes(2.0),
    {"r": 2.0},
    Colour.RED,
    Shade.RED,
    "red",
    "RED",
    Name("red"),
    Versioned(1),
    Versioned(2),
    Other(1),
    Key("x"),
    uuid.UUID(int=1),
    str(uuid.UUID(int=1)),
    decimal.Decimal("1.0"),
    decimal.Decimal("1.00"),
    datetime.date(2026, 10, 25),
    _TIME,
    _TIME.replace(fold=1),
    _TIME.replace(tzinfo=_BERLIN),
    _TIME.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    datetime.timedelta(1),
    pathlib.PurePosixPath("x"),
    pathlib.PureWindowsPath("x"),
    numpy.arange(2),
    numpy.arange(2, dtype="f4"),
    numpy.arange(2).reshape(2, 1),
    numpy.int64(1),
    numpy.float64(1),
    pyarrow.table({"a": [1]}),
    pyarrow.table({"b": [1]}),
]


def _text(value: Any) -> str:
    return canonical.dumps(form_of("a", value))


def test_arguments_that_differ_have_different_keys() -> None:
    for one, other in itertools.combinations(DIFFERENT, 2):
        assert _text(one) != _text(other), (one, other)
        assert _text([one]) != _text([other]), (one, other)


def test_equal_arguments_have_the_same_key() -> None:
    shaped = numpy.asfortranarray(numpy.arange(6).reshape(2, 3))
    for one, other in (
        ({"a": 1, "b": (2, {3, 4})}, {"b": (2, {4, 3}), "a": 1}),
        ({1: 2, "3": 4}, {"3": 4, 1: 2}),
        (shaped, numpy.ascontiguousarray(shaped)),
        (Circle(0.5), Circle(0.5)),
        (pyarrow.table({"a": [1, 2]}), pyarrow.concat_tables([pyarrow.table({"a": [1]}), pyarrow.table({"a": [2]})])),
    ):
        assert _text(one) == _text(other)


class Plain:
    pass


class Bag(dict):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Plain(),
        Plain,
        Versioned,
        len,
        lambda: 1,
        Bag(a=1),
        collections.defaultdict(int),
        numpy.ma.masked_array([1.0, 2.0], mask=[False, True]),
        numpy.zeros(2, dtype=[("a", "i4"), ("b", "f4")]),
        numpy.array([object()]),
        pyarrow.RecordBatchReader.from_batches(pyarrow.schema([]), []),
        iter([1]),
    ],
)
def test_what_has_no_faithful_form_is_refused(value: Any) -> None:
    for nested in (value, [value], {"a": (value,)}, {"a": Circle(value)}):
        with pytest.raises(InvalidArgumentError, match=r"`model`.*ignore=") as caught:
            form_of("model", nested)
        assert caught.value.field == "key"


def test_endless_and_broken_arguments_are_refused_without_telling_them() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidArgumentError, match="deeper"):
        form_of("a", endless)
    for broken in ("secret \ud800", {"secret \ud800": 1}, [("secret \ud800",)]):
        with pytest.raises(InvalidArgumentError) as caught:
            Key("k").params({"a": form_of("a", broken)})
        assert "secret" not in str(caught.value)


def test_what_a_dataclass_was_given_besides_its_fields_counts() -> None:
    one, other = Circle(1.5), Circle(1.5)
    assert _text(one) == _text(other)
    other.colour = "red"  # type: ignore[attr-defined]
    assert _text(one) != _text(other)
