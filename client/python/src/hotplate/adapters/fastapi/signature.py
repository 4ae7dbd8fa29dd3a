"""How a wrapped endpoint looks to FastAPI: as it was, with the request and the response that its wrapper needs."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["with_http"]

REQUEST: Final = "hotplate_request"
RESPONSE: Final = "hotplate_response"


def with_http(function: Callable[..., Any], own: inspect.Signature) -> tuple[inspect.Signature, str, str]:
    """The function's signature with a request and a response, and their names. Neither shows in OpenAPI."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError:
        # Of names that do not exist yet FastAPI says more than we could.
        hints = {}
    found: list[inspect.Parameter] = []
    names = {Request: REQUEST, Response: RESPONSE}
    for parameter in own.parameters.values():
        hint = hints.get(parameter.name, parameter.annotation)
        found.append(parameter.replace(annotation=hint))
        if hint in names:
            names[hint] = parameter.name
    keyword = inspect.Parameter.KEYWORD_ONLY
    after = found[-1:] if found and found[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    before = found[: len(found) - len(after)]
    added = [
        inspect.Parameter(name, keyword, annotation=kind) for kind, name in names.items() if name not in own.parameters
    ]
    returns = hints.get("return", own.return_annotation)
    return own.replace(parameters=[*before, *added, *after], return_annotation=returns), *names.values()  # type: ignore[return-value]
