"""What a decorated function is called by: its name and arguments as a key, its arguments by name. Calls nothing."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from hotplate._core import templates
from hotplate._core.arguments import form_of
from hotplate.errors import ConfigurationError
from hotplate.keys import AnyKey, Key
from hotplate.selectors import Selector


class Signature:
    """The parameters of one function, and texts that name them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises `ConfigurationError` for what does not tell its parameters."""
        self.name = _name(function)
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{self.name} does not tell its parameters: wrap it in a function") from None

    def check(self, texts: Iterable[str]) -> None:
        """Refuses templates that name what is no argument."""
        templates.check(texts, self._signature.parameters, self.name)

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name, with the defaults."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def tags(self, texts: Iterable[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[str]:
        """Tags such as `track:{track}` with the arguments put in."""
        return self._filled(templates.as_text, texts, args, kwargs)

    def dependencies(self, texts: Iterable[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[str]:
        """Keys, and tags as `tag:NAME`, with the arguments put in."""
        return self._filled(templates.as_dependency, texts, args, kwargs)

    def prefixes(self, texts: Iterable[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[str]:
        """Beginnings of keys with the arguments put in."""
        return self._filled(templates.as_key, texts, args, kwargs)

    def selectors(self, texts: Iterable[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Selector]:
        """Keys, and globs where the text itself holds a `*` or `?`, with the arguments put in."""
        named = self.bound(args, kwargs)
        return [templates.as_selector(text, named) for text in texts]

    def _filled(
        self,
        fill: Callable[[str, Mapping[str, Any]], str],
        texts: Iterable[str],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> list[str]:
        given = list(texts)
        if not any("{" in text or "}" in text for text in given):
            return given
        named = self.bound(args, kwargs)
        return [fill(text, named) for text in given]


class KeyedSignature(Signature):
    """Makes keys from the arguments of one function."""

    def __init__(
        self,
        function: Callable[..., Any],
        prefix: str | None,
        key: Callable[..., AnyKey] | None,
        ignore: Iterable[str],
        version: int | str | Literal["auto"],
    ) -> None:
        """Raises `ConfigurationError` for a function of which no keys can be made."""
        super().__init__(function)
        self._key = key
        self._ignore = frozenset([ignore] if isinstance(ignore, str) else ignore)
        unknown = sorted(self._ignore - set(self._signature.parameters) - {"self", "cls"})
        if unknown:
            raise ConfigurationError(f"`ignore` names `{unknown[0]}`, which is no parameter of {self.name}")
        self._head = Key()
        if key is None:
            head = Key(*prefix.split(":")) if prefix else Key("fn", _unique(function))
            self._head = head.id(f"v{_source_version(function) if version == 'auto' else version}")

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
        return self._head.params({name: form_of(name, value) for name, value in used.items()})


def _unique(function: Callable[..., Any]) -> str:
    """The name by which all processes know the function."""
    if not hasattr(function, "__qualname__") or not hasattr(function, "__module__"):
        raise ConfigurationError(
            f"what is decorated is a {_name(function)} without a name of its own, such as functools.partial makes:"
            " decorate a function, or give `prefix`"
        )
    return f"{function.__module__}.{function.__qualname__}"


def _source_version(function: Callable[..., Any]) -> str:
    """A hash of the function's source: what changes with its code."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        raise ConfigurationError(
            f"the source of {_name(function)} is not there for version='auto': give a number"
        ) from None
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or type(function).__name__
