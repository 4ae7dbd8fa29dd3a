"""Endpoints whose answers are cached, with what HTTP lets callers and answers say of it."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, ParamSpec, TypeVar, Unpack

from hotplate.adapters._extra import needed
from hotplate.adapters.fastapi.connect import client_of
from hotplate.adapters.fastapi.http import Result, asked, etag_of, headers_of, is_same
from hotplate.errors import CodecError, ConfigurationError
from hotplate.keys import AnyKey, Key, key_text
from hotplate.options import ComputeArgs, check_compute
from hotplate.results import Hit
from hotplate.serializers.json import Json

try:
    from fastapi.encoders import jsonable_encoder
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response
except ImportError as _cause:
    raise needed("fastapi", "fastapi") from _cause

__all__ = ["cache_endpoint"]

P = ParamSpec("P")
R = TypeVar("R")
_JSON: Final = Json()
_REQUEST: Final = "hotplate_request"
_RESPONSE: Final = "hotplate_response"


class _NotData(Exception):  # noqa: N818 - nothing failed
    """The endpoint made a response of its own, which cannot be stored."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def cache_endpoint(
    *,
    namespace: str | None = None,
    vary: Sequence[str] = (),
    shared: bool = False,
    key: Callable[[Request], AnyKey] | None = None,
    **options: Unpack[ComputeArgs],
) -> Callable[[Callable[P, R]], Callable[P, Awaitable[Any]]]:
    """Keeps what an endpoint returns, computed once for all processes that are asked at the same time.

    The cache is found by function, path, query and the headers in `vary`. Answers to requests with Authorization or a
    Cookie are not cached, because they may be one caller's own, unless `vary` names that header, `shared` says that
    all callers get the same, or `key` says what they differ by. Only GET is cached.

    - `key`: the key for a request, instead.
    - `options`: as in `get_or_compute`. `tags` may name arguments of the endpoint: `["track:{track}"]`.

    Callers decide with Cache-Control: `no-store` neither reads nor stores, `no-cache` computes anew, `max-age` takes
    nothing older, `only-if-cached` answers 504 instead of computing. Answers have an ETag (304 for If-None-Match),
    Cache-Control, X-Hotplate and Cache-Status. What is kept is JSON; a response made by the endpoint itself is passed
    on as it is, and so are failures. What else the endpoint does, such as setting a header, it does when it computes.
    """
    check_compute(options)
    if "cache" in options or "in_thread" in options:
        raise ConfigurationError("cache_endpoint chooses `cache` by the request and `in_thread` by the function")
    varied = tuple(name.lower() for name in vary)

    def decorate(function: Callable[P, R]) -> Callable[P, Awaitable[Any]]:
        plan = _Plan(function, namespace, varied, shared, key, options)

        @functools.wraps(function)
        async def endpoint(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await plan.answer(args, kwargs)

        endpoint.__signature__ = plan.signature  # type: ignore[attr-defined]
        return endpoint

    return decorate


class _Plan:
    """One decorated endpoint."""

    def __init__(
        self,
        function: Callable[..., Any],
        namespace: str | None,
        vary: Sequence[str],
        shared: bool,
        key: Callable[[Request], AnyKey] | None,
        options: ComputeArgs,
    ) -> None:
        self._function = function
        self._namespace = namespace
        self._vary = vary
        self._shared = shared
        self._key = key
        self._options = options
        self._own = inspect.signature(function)
        self.signature, self._request, self._response = _with_http(function, self._own)

    async def answer(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What the endpoint returns, from wherever it comes."""
        request: Request = kwargs[self._request]
        response: Response = kwargs[self._response]
        given = {name: value for name, value in kwargs.items() if name in self._own.parameters}

        async def call() -> Any:
            if inspect.iscoroutinefunction(self._function):
                return await self._function(*args, **given)
            return await run_in_threadpool(self._function, *args, **given)

        wants = asked(request, is_keyed=self._shared or self._key is not None, vary=self._vary)
        if wants.mode == "bypass":
            return self._passed(await call(), response, "bypass")
        space = client_of(request).namespace(self._namespace, serializer=_JSON)
        name = self._name(request)
        if wants.mode != "refresh":
            age = {} if wants.max_age is None else {"max_age": wants.max_age}
            try:
                found = await space.get(name, **age)  # type: ignore[arg-type]
            except CodecError:
                # Of another version of the program: computed anew.
                found = None
            if isinstance(found, Hit):
                return self._said(found.value, request, response, "hit", found.fresh_for)
            if wants.mode == "only":
                return Response(status_code=504, headers={"X-Hotplate": "miss", "Cache-Status": "hotplate"})
        result: Result = "collapsed"

        async def compute() -> Any:
            nonlocal result
            result = "refresh" if wants.mode == "refresh" else "miss"
            made = await call()
            if isinstance(made, Response):
                raise _NotData(made)
            return jsonable_encoder(made)

        chosen: dict[str, Any] = {**self._options, "cache": wants.mode}
        if wants.max_age is not None:
            chosen["max_age"] = wants.max_age
        if "tags" in self._options:
            bound = self._own.bind_partial(*args, **given)
            bound.apply_defaults()
            chosen["tags"] = [tag.format_map(bound.arguments) for tag in self._options["tags"]]
        try:
            value = await space.get_or_compute(name, compute, **chosen)
        except _NotData as made:
            # A response is sent once: whoever waited for another's makes one of its own.
            own = made.response if result != "collapsed" else await call()
            return self._passed(own, response, "uncacheable")
        left = await space.ttl(name)
        return self._said(value, request, response, "stale" if result == "collapsed" and left is None else result, left)

    def _name(self, request: Request) -> str:
        if self._key is not None:
            return key_text(self._key(request))
        name = Key("http", f"{self._function.__module__}.{self._function.__qualname__}").text(request.url.path)
        query = sorted(request.query_params.multi_items())
        if query or self._vary:
            name = name.params([query, [request.headers.get(header, "") for header in self._vary]])
        return str(name)

    def _passed(self, made: Any, response: Response, result: Result) -> Any:
        target = made if isinstance(made, Response) else response
        target.headers.update(headers_of(result, etag=None, fresh_for=None, shared=self._shared, vary=self._vary))
        return made

    def _said(self, value: Any, request: Request, response: Response, result: Result, left: float | None) -> Any:
        etag = etag_of(value)
        headers = headers_of(result, etag=etag, fresh_for=left, shared=self._shared, vary=self._vary)
        if is_same(request, etag):
            return Response(status_code=304, headers=headers)
        response.headers.update(headers)
        return value


def _with_http(function: Callable[..., Any], own: inspect.Signature) -> tuple[inspect.Signature, str, str]:
    """The function's signature with a request and a response, and their names. Neither shows in OpenAPI."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError:
        # Of names that do not exist yet FastAPI says more than we could.
        hints = {}
    found: list[inspect.Parameter] = []
    names = {Request: _REQUEST, Response: _RESPONSE}
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
