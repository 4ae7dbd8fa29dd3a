"""Arguments of functions in a form that canonical JSON writes: what differs in Python differs here. Calls nothing.

JSON alone would make one of a set, a tuple and a list, of two classes with the same fields, of 1 and 1.0. Whatever is
no plain JSON therefore says what it is. What has state that cannot be seen is refused, not guessed at.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import inspect
import ipaddress
import math
import pathlib
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from hotplate._core import canonical
from hotplate._core.content import content_bytes
from hotplate.errors import InvalidArgumentError
from hotplate.keys import Key

#: How deep an argument is looked into.
_DEPTH_MAX: Final = 64
#: The name that says what an object of JSON stands for.
_MARK: Final = "~"


def _moment(value: datetime.datetime | datetime.time) -> str:
    # The offset is part of the text; which zone it is, and which of two equal times, is not.
    zone = value.tzinfo
    named = "" if zone is None else f"{_class_of(zone)}:{getattr(zone, 'key', value.tzname())}"
    return f"{value.isoformat()}/{value.fold}/{named}"


#: Classes whose values are what their text says. Their subclasses may be more.
_TEXTS: Final[Mapping[type, Callable[[Any], str]]] = {
    complex: repr,
    datetime.date: datetime.date.isoformat,
    datetime.datetime: _moment,
    datetime.time: _moment,
    datetime.timedelta: repr,
    decimal.Decimal: str,
    fractions.Fraction: str,
    ipaddress.IPv4Address: str,
    ipaddress.IPv4Network: str,
    ipaddress.IPv6Address: str,
    ipaddress.IPv6Network: str,
    pathlib.PosixPath: str,
    pathlib.PurePosixPath: str,
    pathlib.PureWindowsPath: str,
    pathlib.WindowsPath: str,
    range: repr,
    type(...): repr,
    uuid.UUID: str,
}


def form_of(name: str, value: Any) -> Any:
    """An argument as canonical JSON has it.

    Raises `InvalidArgumentError` for what has no such form. The error names the argument and its class, not its value.
    """
    return _Form(name).of(value, 0)


class _Form:
    """Looks into one argument."""

    def __init__(self, name: str) -> None:
        self._name = name

    def of(self, value: Any, depth: int) -> Any:
        """The form of a value within the argument."""
        if depth > _DEPTH_MAX:
            raise InvalidArgumentError(f"the argument `{self._name}` is nested deeper than {_DEPTH_MAX}", field="key")
        depth += 1
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            # Beyond that canonical JSON has no integers.
            return value if abs(value) <= canonical.INTEGER_MAX else _marked("int", text=str(value))
        if kind is float:
            # Canonical JSON writes 1.0 as 1 and has neither -0.0 nor NaN.
            return value if math.isfinite(value) and not value.is_integer() else _marked("float", text=repr(value))
        if kind is str:
            return self._text(value)
        own = _own_key(value)
        if own is not None:
            return _marked("object", cls=_class_of(value), key=self.of(own(), depth))
        if isinstance(value, Key):
            return _marked("key", text=str(value))
        if isinstance(value, enum.Enum):
            return _marked("enum", cls=_class_of(value), member=str(value.name), value=self.of(value.value, depth))
        return self._gathered(kind, value, depth)

    def _gathered(self, kind: type, value: Any, depth: int) -> Any:
        """What holds others."""
        if kind is list:
            return [self.of(one, depth) for one in value]
        if kind is tuple:
            return _marked("tuple", items=[self.of(one, depth) for one in value])
        if kind is dict:
            return self._dict(value, depth)
        if kind is OrderedDict:
            return _marked("ordered", items=[[self.of(one, depth), self.of(of, depth)] for one, of in value.items()])
        if kind in (set, frozenset):
            return _marked(kind.__name__, items=_ordered(self.of(one, depth) for one in value))
        if isinstance(value, tuple) and hasattr(kind, "_fields") and not getattr(value, "__dict__", None):
            return _marked("tuple", cls=_class_of(value), items=[self.of(one, depth) for one in value])
        if dataclasses.is_dataclass(kind):
            return _marked("dataclass", cls=_class_of(value), fields=self._dict(_state(value), depth))
        if _is_model(kind):
            return _marked("model", cls=_class_of(value), **self._model(value, depth))
        text = _TEXTS.get(kind) or (str if _is_address(kind) else _plain_text(value))
        if text is not None:
            return _marked("text", cls=_class_of(value), text=self._text(text(value)))
        return self._content(value)

    def _text(self, value: str) -> Any:
        # Canonical JSON makes one of all texts that look the same.
        if canonical.nfc(value) == value:
            return value
        try:
            return _marked("utf8", sha256=hashlib.sha256(value.encode()).hexdigest())
        except UnicodeEncodeError:
            raise InvalidArgumentError(
                f"the argument `{self._name}` holds half of a surrogate pair", field="key"
            ) from None

    def _dict(self, value: Mapping[Any, Any], depth: int) -> Any:
        if all(type(name) is str and name != _MARK and canonical.nfc(name) == name for name in value):
            return {name: self.of(of, depth) for name, of in value.items()}
        return _marked("dict", items=_ordered([self.of(name, depth), self.of(of, depth)] for name, of in value.items()))

    def _model(self, value: Any, depth: int) -> dict[str, Any]:
        kind = type(value)
        parts = {
            "fields": {name: getattr(value, name) for name in kind.model_fields},
            "extra": value.__pydantic_extra__ or {},
            "private": value.__pydantic_private__ or {},
        }
        return {part: self._dict(of, depth) for part, of in parts.items() if of}

    def _content(self, value: Any) -> Any:
        try:
            return _marked(
                "content", cls=_class_of(value), sha256=hashlib.sha256(content_bytes(value, exact=True)).hexdigest()
            )
        except InvalidArgumentError as cause:
            raise InvalidArgumentError(
                f"the argument `{self._name}` is or holds a {type(value).__name__}, of which no key can be made"
                f" ({cause.message}): name it in ignore=, give key=, or give its class a method __hotplate_key__",
                field="key",
            ) from None


def _marked(what: str, *, cls: str | None = None, **parts: Any) -> dict[str, Any]:
    return {_MARK: what, **({} if cls is None else {"class": cls}), **parts}


def _ordered(forms: Iterable[Any]) -> list[Any]:
    return sorted(forms, key=canonical.dumps)


def _class_of(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _own_key(value: Any) -> Callable[[], Any] | None:
    """The value's own `__hotplate_key__`. A class has one when that is a classmethod."""
    own = getattr(value, "__hotplate_key__", None)
    if own is None or (isinstance(value, type) and not inspect.ismethod(own)):
        return None
    found: Callable[[], Any] = own
    return found


def _state(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, and what else was set on it; what it remembers of itself is no state."""
    found = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    for name, more in getattr(value, "__dict__", {}).items():
        if not isinstance(getattr(type(value), name, None), functools.cached_property):
            found.setdefault(name, more)
    return found


def _is_model(kind: type) -> bool:
    return hasattr(kind, "model_fields") and hasattr(kind, "__pydantic_private__")


def _plain_text(value: Any) -> Callable[[Any], str] | None:
    """How a text or number of a class of its own is written, when it has nothing else to it."""
    if getattr(value, "__dict__", None):
        return None
    writers: tuple[tuple[type, Callable[[Any], str]], ...] = (
        (str, str.__str__),
        (int, int.__repr__),
        (float, float.__repr__),
    )
    return next((writer for base, writer in writers if isinstance(value, base)), None)


def _is_address(kind: type) -> bool:
    """Whether it is one of pydantic's addresses, which are their text."""
    return kind.__module__ in ("pydantic.networks", "pydantic_core._pydantic_core") and "Url" in kind.__name__
