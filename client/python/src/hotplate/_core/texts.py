"""Texts that a call carries, checked before anything is sent. Errors name the field and never repeat the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hotplate.errors import InvalidArgumentError


def checked(field: str, text: Any) -> str:
    """A text that every language can read. Half of a surrogate pair is no character, and cannot be sent."""
    if not isinstance(text, str):
        raise InvalidArgumentError(f"`{field}` is text, not {type(text).__name__}", field=field)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError(f"`{field}` holds half of a surrogate pair", field=field) from None
    return text


def checked_all(field: str, texts: Iterable[str]) -> list[str]:
    """A list of them. One text is refused: its characters would be taken for the texts."""
    return [checked(field, text) for text in several(field, texts)]


def checked_map(field: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by their names."""
    if not isinstance(texts, Mapping):
        raise InvalidArgumentError(f"`{field}` is a dict of text, not {type(texts).__name__}", field=field)
    return {checked(field, name): checked(field, text) for name, text in texts.items()}


def several(field: str, things: Iterable[Any]) -> list[Any]:
    """A list; one text or key where a list is meant is refused."""
    if isinstance(things, (str, bytes)) or not isinstance(things, Iterable):
        one = "text" if isinstance(things, str) else type(things).__name__
        raise InvalidArgumentError(f"`{field}` is a list, not one {one}", field=field)
    return list(things)
