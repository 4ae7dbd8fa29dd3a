"""What a decorated function is called by: its arguments, put into keys, tags and selectors. Calls nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from hotplate._core.content import content_bytes
from hotplate.errors import ConfigurationError, InvalidArgumentError
from hotplate.keys import AnyKey, Key
from hotplate.selectors import Selector

#: How deep an argument is looked into.
_DEPTH_MAX = 64


class Signature:
    """Makes keys from the arguments of one function."""

    def __init__(
        self,
        function: Callable[..., Any],
        prefix: str | None,
        key: Callable[..., AnyKey] | None,
        ignore: Iterable[str],
        version: int | str | Literal["auto"],
    ) -> None:
        self._signature = inspect.signature(function)
        self._key = key
        self._ignore = frozenset([ignore] if isinstance(ignore, str) else ignore)
        unknown = sorted(self._ignore - set(self._signature.parameters) - {"self", "cls"})
        if unknown:
            raise ConfigurationError(f"`ignore` names `{unknown[0]}`, which is no parameter of {function.__qualname__}")
        name = f"{function.__module__}.{function.__qualname__}"
        head = Key(*prefix.split(":")) if prefix else Key("fn", name)
        self._head = head.id(f"v{_source_version(function) if version == 'auto' else version}")

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name, with the defaults."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> AnyKey:
        """The key for these arguments."""
        if self._key is not None:
            return self._key(*args, **kwargs)
        used = {name: value for name, value in self.bound(args, kwargs).items() if name not in self._ignore}
        for name in ("self", "cls"):
            if name in used and not hasattr(used[name], "__hotplate_key__"):
                raise ConfigurationError(
                    f"the result of a method may depend on its object: give {type(used[name]).__name__} a method"
                    f' __hotplate_key__ that tells what matters of it, or say ignore=("{name}",)'
                )
        return self._head.params({name: _plain(name, value, 0) for name, value in used.items()})

    def filled(self, templates: Iterable[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[str]:
        """Texts such as `track:{track}` with the arguments put in."""
        texts = list(templates)
        if not any("{" in text for text in texts):
            return texts
        named = self.bound(args, kwargs)
        return [_fill(text, named) for text in texts]


def _fill(template: str, named: Mapping[str, Any]) -> str:
    try:
        return template.format_map(named)
    except (KeyError, IndexError, AttributeError, ValueError):
        raise ConfigurationError(f"`{template}` names what is no argument of the function") from None


def selectors(filled_keys: Iterable[str]) -> list[Selector]:
    """Keys, and globs where they hold a `*` or `?`."""
    return [Selector.glob(key) if "*" in key or "?" in key else Selector.key(key) for key in filled_keys]


def _source_version(function: Callable[..., Any]) -> str:
    """A hash of the function's source: what changes with its code."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        raise ConfigurationError(
            f"the source of {function.__qualname__} is not there for version='auto': give a number"
        ) from None
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def _plain(name: str, value: Any, depth: int) -> Any:
    """An argument as canonical JSON has it; what has no such form is refused."""
    if depth > _DEPTH_MAX:
        raise InvalidArgumentError(f"the argument `{name}` is nested deeper than {_DEPTH_MAX}", field="key")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "__hotplate_key__"):
        return _plain(name, value.__hotplate_key__(), depth + 1)
    if isinstance(value, Key):
        return str(value)
    if isinstance(value, Mapping):
        return {str(one): _plain(name, other, depth + 1) for one, other in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(name, one, depth + 1) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(name, one, depth + 1) for one in value), key=repr)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return _plain(name, fields, depth + 1)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return _plain(name, dump(mode="json"), depth + 1)
    try:
        return {"sha256": hashlib.sha256(content_bytes(value)).hexdigest()}
    except InvalidArgumentError:
        raise InvalidArgumentError(
            f"the argument `{name}` is a {type(value).__name__}, of which no key can be made: name it in ignore=, give"
            " key=, or give its class a method __hotplate_key__",
            field="key",
        ) from None
