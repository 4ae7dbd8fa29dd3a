"""By what answers may be one caller's own: what an endpoint and its dependencies are given besides path and query.

Headers and cookies that are declared are known at each request. What takes the request itself may read anything of it:
that is refused when an endpoint is decorated, unless it is said what its answers differ by.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from hotplate.adapters._extra import needed

try:
    from fastapi import params
    from fastapi.security.base import SecurityBase
    from pydantic import BaseModel
    from starlette.requests import HTTPConnection
except ImportError as _cause:
    raise needed("fastapi", "fastapi") from _cause

__all__ = ["has_body", "headers_of_route", "undeclared"]

#: How deep dependencies of dependencies are looked into.
_DEPTH_MAX: Final = 32
#: What gives the cache itself is the same for all.
_OWN: Final = "hotplate.adapters.fastapi.connect"


def undeclared(parameters: Iterable[inspect.Parameter], ignore: Iterable[str]) -> list[str]:
    """The parameters by which an answer may differ without anything saying so. Their annotations are no text."""
    ignored = set(ignore)
    return [one.name for one in parameters if one.name not in ignored and _is_undeclared(one, 0)]


def headers_of_route(route: Any, ignore: Iterable[str]) -> Iterator[str]:
    """The headers, in lower case, that an endpoint or its dependencies read, as FastAPI knows them."""
    dependant = getattr(route, "dependant", None)
    if dependant is not None:
        yield from _headers_of(dependant, frozenset(ignore), 0)


def has_body(route: Any, ignore: Iterable[str]) -> bool:
    """Whether an endpoint or its dependencies read a body, as FastAPI knows it: annotations alone do not say."""
    dependant = getattr(route, "dependant", None)
    return dependant is not None and _has_body(dependant, frozenset(ignore), 0)


def _has_body(dependant: Any, ignore: frozenset[str], depth: int) -> bool:
    if any(depth or field.name not in ignore for field in dependant.body_params):
        return True
    others = [one for one in dependant.dependencies if depth or one.name not in ignore]
    return depth >= _DEPTH_MAX or any(_has_body(one, ignore, depth + 1) for one in others)


def _headers_of(dependant: Any, ignore: frozenset[str], depth: int) -> Iterator[str]:
    for field in dependant.header_params:
        yield str(field.alias).lower()
    if dependant.cookie_params:
        yield "cookie"
    if isinstance(dependant.call, SecurityBase):
        where = getattr(getattr(dependant.call.model, "in_", None), "value", None)
        if where == "header":
            yield str(getattr(dependant.call.model, "name", "authorization")).lower()
        elif where is None:
            yield "authorization"
    for other in dependant.dependencies if depth < _DEPTH_MAX else ():
        if depth or other.name not in ignore:
            yield from _headers_of(other, ignore, depth + 1)


def _is_undeclared(parameter: inspect.Parameter, depth: int) -> bool:
    if depth > _DEPTH_MAX:
        return True
    hint, marks = parameter.annotation, [parameter.default]
    if typing.get_origin(hint) is typing.Annotated:
        hint, *more = typing.get_args(hint)
        marks += more
    for mark in marks:
        if isinstance(mark, params.Depends):
            return _depends(mark.dependency or hint, depth + 1)
        if isinstance(mark, params.Body):
            return True
        if isinstance(mark, params.Param):
            return False
    if isinstance(hint, str):
        # A name that is not known yet: FastAPI does not know it either.
        return True
    if not isinstance(hint, type):
        return False
    # A model without a mark is the request's body.
    return issubclass(hint, (HTTPConnection, BaseModel)) or dataclasses.is_dataclass(hint)


def _depends(dependency: Callable[..., Any], depth: int) -> bool:
    if isinstance(dependency, SecurityBase) or getattr(dependency, "__module__", None) == _OWN:
        return False
    try:
        # Of an object that is called, its method has the annotations.
        source: Any = dependency if inspect.isroutine(dependency) else type(dependency).__call__
        if isinstance(dependency, type):
            source = dependency.__dict__.get("__init__", dependency)
        hints = typing.get_type_hints(inspect.unwrap(source), include_extras=True)
        given = inspect.signature(dependency).parameters.values()
    except (NameError, TypeError, ValueError):
        return True
    return any(_is_undeclared(one.replace(annotation=hints.get(one.name, one.annotation)), depth) for one in given)
