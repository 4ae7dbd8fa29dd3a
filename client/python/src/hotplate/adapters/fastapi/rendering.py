"""What an endpoint returned as the JSON that its route answers with, and the response made of that on a hit.

A hit has to be what the endpoint alone would have answered: fields that its model leaves out, names, and status.
"""

from __future__ import annotations

import json
from typing import Any, Final

from hotplate.adapters._extra import needed

try:
    from fastapi.encoders import jsonable_encoder
    from pydantic import TypeAdapter
    from starlette.responses import JSONResponse, Response
except ImportError as _cause:
    raise needed("fastapi", "fastapi") from _cause

__all__ = ["Rendering", "UnrenderableError"]

#: Answers that have no body.
_EMPTY: Final = frozenset((204, 205, 304))


class UnrenderableError(Exception):
    """What was returned is no answer of the route: FastAPI says why."""


class Rendering:
    """One route's way to answer."""

    def __init__(self, route: Any) -> None:
        """`route` is FastAPI's; without one, values are answered as JSON."""
        self.route = route
        model = getattr(route, "response_model", None)
        self._model: TypeAdapter[Any] | None = None if model is None else TypeAdapter(model)

    def content(self, made: Any) -> Any:
        """What is stored: the answer's JSON, without what its model leaves out."""
        route = self.route
        try:
            if self._model is None:
                data = jsonable_encoder(made)
            else:
                data = self._model.dump_python(
                    self._model.validate_python(made, from_attributes=True),
                    mode="json",
                    include=route.response_model_include,
                    exclude=route.response_model_exclude,
                    by_alias=route.response_model_by_alias,
                    exclude_unset=route.response_model_exclude_unset,
                    exclude_defaults=route.response_model_exclude_defaults,
                    exclude_none=route.response_model_exclude_none,
                )
            # Names that are numbers become text, as they do in the answer.
            return json.loads(json.dumps(data, allow_nan=False))
        except (ValueError, TypeError, RecursionError):
            # Its text quotes what was returned.
            raise UnrenderableError from None

    def response(self, content: Any, given: Response) -> Response:
        """The answer of stored JSON. `given` is the response that dependencies may have set headers and status of."""
        kind = getattr(self.route, "response_class", JSONResponse)
        kind = getattr(kind, "value", kind)
        status = given.status_code or getattr(self.route, "status_code", None)
        made: Response = kind(content) if status is None else kind(content, status_code=status)
        if status in _EMPTY:
            made = Response(status_code=status)
        made.headers.raw.extend(given.headers.raw)
        return made
