"""Endpoints whose answers are cached, with what HTTP lets callers and answers say of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar, Unpack

from hotplate._aio.namespace import AsyncNamespace
from hotplate.adapters._extra import needed
from hotplate.adapters.fastapi.connect import client_of
from hotplate.adapters.fastapi.http import PRIVATE, Asked, Result, asked, etag_of, headers_of, is_same
from hotplate.adapters.fastapi.signature import with_http
from hotplate.errors import CodecError, ConfigurationError
from hotplate.keys import AnyKey, Key, key_text
from hotplate.options import ComputeArgs, ReadArgs, check_compute
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
        self._is_keyed = shared or key is not None
        # Answers are also other callers' when these headers are there: whoever keeps one has to know.
        self._differs_by = vary if self._is_keyed else tuple(dict.fromkeys((*vary, *PRIVATE)))
        self._own = inspect.signature(function)
        self.signature, self._request, self._response = with_http(function, self._own)

    async def answer(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What the endpoint returns, from wherever it comes."""
        request: Request = kwargs[self._request]
        response: Response = kwargs[self._response]
        given = {name: value for name, value in kwargs.items() if name in self._own.parameters}

        async def call() -> Any:
            if inspect.iscoroutinefunction(self._function):
                return await self._function(*args, **given)
            return await run_in_threadpool(self._function, *args, **given)

        wants = asked(request, is_keyed=self._is_keyed, vary=self._vary)
        if wants.mode == "bypass":
            return self._passed(await call(), response, "bypass")
        space = client_of(request).namespace(self._namespace, serializer=_JSON)
        name = self._name(request)
        found = None if wants.mode == "refresh" else await self._found(space, name, wants)
        if found is not None and (wants.mode == "only" or not found.stale):
            result: Result = "stale" if found.stale else "hit"
            return self._said(found.value, request, response, result, found.fresh_for)
        if wants.mode == "only":
            return Response(status_code=504, headers={"X-Hotplate": "miss", "Cache-Status": "hotplate"})
        result = "collapsed"

        async def compute() -> Any:
            nonlocal result
            result = "stale"  # What is returned when this fails, where that is allowed.
            made = await call()
            result = "refresh" if wants.mode == "refresh" else "miss"
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
        if found is not None:
            # The next one is computed behind it, and may already be there.
            return self._said(value, request, response, "stale", None)
        return self._said(value, request, response, result, await space.ttl(name))

    async def _found(self, space: AsyncNamespace, name: str, wants: Asked) -> Hit[Any] | None:
        options: ReadArgs = {"accept_stale": self._options.get("stale_while_revalidate", False)}
        if wants.max_age is not None:
            options["max_age"] = wants.max_age
        try:
            found = await space.get(name, **options)
        except CodecError:
            # Of another version of the program: computed anew.
            return None
        return found if isinstance(found, Hit) else None

    def _name(self, request: Request) -> str:
        if self._key is not None:
            return key_text(self._key(request))
        name = Key("http", f"{self._function.__module__}.{self._function.__qualname__}").text(request.url.path)
        query = sorted(request.query_params.multi_items())
        if query or self._vary:
            name = name.params([query, [request.headers.get(header, "") for header in self._vary]])
        return str(name)

    def _passed(self, made: Any, response: Response, result: Result) -> Any:
        self._tell(made if isinstance(made, Response) else response, headers_of(result))
        return made

    def _said(self, value: Any, request: Request, response: Response, result: Result, left: float | None) -> Any:
        etag = etag_of(value)
        same = is_same(request, etag)
        answer = Response(status_code=304) if same else response
        self._tell(answer, headers_of(result, etag=etag, fresh_for=left, shared=self._shared))
        return answer if same else value

    def _tell(self, response: Response, headers: Mapping[str, str]) -> None:
        response.headers.update(headers)
        if self._differs_by:
            response.headers.add_vary_header(", ".join(self._differs_by))
