"""JSON: readable by people and every language."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Hashable
from typing import Any

from hotplate.errors import CodecError
from hotplate.serializers.base import ByValue, Encoded, Place, essence

__all__ = ["Json"]


class Json(ByValue):
    """`application/json`, the default.

    Writes what `json` writes, and dataclasses and pydantic models. Reads plain dicts and lists; with `model` the
    value is read as that: a pydantic model is validated, a dataclass is made of its fields (one level; nested ones stay
    dicts), any other callable is called with it. NaN and infinities are refused: other languages cannot read them.
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
            return Encoded(text.encode(), self.content_type)
        except (TypeError, ValueError, RecursionError) as cause:
            # Only the type: the value itself may be secret.
            named = f": {cause}" if isinstance(cause, TypeError) else ""
            raise CodecError(f"the value has no JSON form{named}") from None

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The value, as `model` where there is one."""
        try:
            value = json.loads(data, parse_constant=_refused)
        except (ValueError, RecursionError):
            raise CodecError("the stored value is no JSON") from None
        if self._model is None:
            return value
        try:
            return self._read(value)
        except Exception:
            # What a model says of its failure quotes the value.
            raise CodecError("the stored JSON has another shape") from None

    def _read(self, value: Any) -> Any:
        if hasattr(self._model, "model_validate"):
            return self._model.model_validate(value)
        if self._fields is not None:
            if not isinstance(value, dict) or not self._fields.issuperset(value):
                raise TypeError
            return self._model(**value)
        return self._model(value)


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
