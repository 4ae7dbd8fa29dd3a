"""Texts such as `track:{track}`: the arguments of a call put into keys, tags and selectors. Calls nothing."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from hotplate._core.texts import several
from hotplate.errors import ConfigurationError
from hotplate.keys import part
from hotplate.options import ComputeArgs
from hotplate.selectors import Selector

_FORMATTER: Final = string.Formatter()
#: Options whose texts may name arguments.
_LISTS: Final = ("tags", "depends_on")


def of_options(options: ComputeArgs) -> tuple[ComputeArgs, list[str]]:
    """The options with lists of texts, which can be gone through for each call, and all these texts."""
    listed: dict[str, Any] = {name: several(name, options[name]) for name in _LISTS if name in options}
    return cast("ComputeArgs", {**options, **listed}), [text for texts in listed.values() for text in texts]


def check(templates: Iterable[str], names: Iterable[str], what: str) -> None:
    """Refuses templates that cannot be filled. `names` are those of the arguments, `what` is what has them."""
    known = set(names)
    for template in templates:
        for _, field, _, _ in _parsed(template):
            if field is None:
                continue
            root = field.partition(".")[0].partition("[")[0]
            if root not in known:
                raise ConfigurationError(f"`{template}` names what is no argument of {what}")


def as_text(template: str, named: Mapping[str, Any]) -> str:
    """Filled with the arguments as they are: for tags."""
    return _filled(template, named, lambda text, _: text)


def as_key(template: str, named: Mapping[str, Any]) -> str:
    """Filled with the arguments as `Key.id` writes them: an argument is never more than a part of one segment."""
    return _filled(template, named, part)


def as_dependency(template: str, named: Mapping[str, Any]) -> str:
    """A tag (`tag:NAME`) or a key."""
    return as_text(template, named) if template.startswith("tag:") else as_key(template, named)


def as_selector(template: str, named: Mapping[str, Any]) -> Selector:
    """A key, or a glob where the template itself holds a `*` or `?`: what arguments hold selects nothing else."""
    literals = "".join(literal for literal, _, _, _ in _parsed(template))
    if "*" not in literals and "?" not in literals:
        return Selector.key(as_key(template, named))
    return Selector.glob(_filled(template, named, lambda text, first: part(text, first).replace("\\", "\\\\")))


def _parsed(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(_FORMATTER.parse(template))
    except ValueError:
        raise ConfigurationError(f"`{template}` holds a brace that is not closed: write `{{{{` for a brace") from None


def _filled(template: str, named: Mapping[str, Any], write: Callable[[str, bool], str]) -> str:
    filled = ""
    for literal, field, form, conversion in _parsed(template):
        filled += literal
        if field is None:
            continue
        try:
            value = _FORMATTER.convert_field(_FORMATTER.get_field(field, (), named)[0], conversion)  # type: ignore[arg-type, unused-ignore]
            text = format(value, form or "")
        except (KeyError, IndexError, AttributeError, TypeError, ValueError):
            raise ConfigurationError(f"`{template}` names what the arguments do not have") from None
        filled += write(text, not filled or filled.endswith(":"))
    return filled
