"""JSON: readable by people and every language."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Hashable
from typing import Any, Final

from hotplate.errors import CodecError
from hotplate.serializers.base import ByValue, Encoded, Place, essence

__all__ = ["Json"]

#: What is read as it was written.
_SCALARS: Final = frozenset((str, int, bool, type(None)))
#: What has no names.
_PLAIN: Final = _SCALARS | {float}
#: What a number beyond the largest float looks like, or a text with such a number in it.
_HUGE: Final = re.compile(rb"[eE]\+?\d{3}|\d{309}")


class Json(ByValue):
    """`application/json`, the default.

    Writes what `json` writes, and dataclasses and pydantic models. Reads plain dicts and lists, whatever was written:
    tuples are lists, dataclasses and models are dicts. With `model` the value is read as that: a pydantic model is
    validated, a dataclass is made of its fields (one level; nested ones stay dicts), any other callable is called with
    it (`Json(tuple)`). Refused are NaN and infinities, which other languages cannot read, and dicts with names that are
    no text, which would be other names when read. Integers beyond 2^53 are written, and are not exact in JavaScript.
    """

    content_type = "application/json"

    def __init__(self, model: Any = None) -> None:
        """`model` is what values are read as."""
        self._model = model
        self._fields = {field.name for field in dataclasses.fields(model)} if dataclasses.is_dataclass(model) else None

    def _settings(self) -> Hashable:
        return id(self._model)

    def reads(self, content_type: str) -> bool:
        """JSON, and media types that are JSON (`…+json`)."""
        kind = essence(content_type)
        return kind == "application/json" or kind.endswith("+json")

    def encode(self, value: Any, place: Place) -> Encoded:
        """Compact JSON in UTF-8."""
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
            _check_names(value)
            return Encoded(text.encode(), self.content_type)
        except (TypeError, ValueError, RecursionError) as cause:
            # Only the type: the value itself may be secret.
            named = f": {cause}" if isinstance(cause, TypeError) else ""
            raise CodecError(f"the value has no JSON form{named}") from None

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The value, as `model` where there is one."""
        try:
            value = json.loads(data, parse_constant=_refused)
            if _HUGE.search(data):
                json.loads(data, parse_float=_finite)
        except (ValueError, RecursionError):
            raise CodecError("the stored value is no JSON") from None
        if self._model is None:
            return value
        try:
            return self._read(value)
        except Exception:
            # What a model says of its failure quotes the value.
            raise CodecError("the stored JSON has another shape") from None

    def as_read(self, value: Any, place: Place) -> Any:
        """What a reader gets of a value that is written: a list for a tuple, a dict or `model` for an object."""
        if self._model is None and type(value) in _SCALARS:
            return value
        encoded = self.encode(value, place)
        return self.decode(encoded.data, encoded.content_type, place)

    def _read(self, value: Any) -> Any:
        if hasattr(self._model, "model_validate"):
            return self._model.model_validate(value)
        if self._fields is not None:
            if not isinstance(value, dict) or not self._fields.issuperset(value):
                raise TypeError
            return self._model(**value)
        return self._model(value)


def _check_names(value: Any) -> None:
    """Refuses names that `json` would make text of. Asks no value of a class of its own for anything but its form."""
    if type(value) in _PLAIN:
        return
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise TypeError("the names of a dict are text")
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        if not isinstance(value, (str, int, float)):
            _check_names(_plain(value))
        return
    for one in value:
        if type(one) not in _PLAIN:
            _check_names(one)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is beyond what a float holds")
    return number


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise TypeError(
        f"{type(value).__name__} is none of dict, list, text, number, bool, None, dataclass, pydantic model"
    )
