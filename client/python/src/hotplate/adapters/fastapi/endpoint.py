"""Endpoints whose answers are cached, with what HTTP lets callers and answers say of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar, Unpack

from hotplate._aio.namespace import AsyncNamespace
from hotplate._core import canonical, templates
from hotplate._core.arguments import form_of
from hotplate._core.flights import PassedError
from hotplate._core.texts import several
from hotplate.adapters._extra import needed
from hotplate.adapters.fastapi.callers import has_body, headers_of_route, undeclared
from hotplate.adapters.fastapi.connect import client_of
from hotplate.adapters.fastapi.http import PRIVATE, Asked, Result, asked, etag_of, headers_of, is_same
from hotplate.adapters.fastapi.rendering import Rendering, UnrenderableError
from hotplate.adapters.fastapi.signature import with_http
from hotplate.errors import CodecError, ConfigurationError
from hotplate.keys import AnyKey, Key, key_text
from hotplate.options import ComputeArgs, ReadArgs, check_compute
from hotplate.results import Hit
from hotplate.serializers.json import Json

try:
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response
except ImportError as _cause:
    raise needed("fastapi", "fastapi") from _cause

__all__ = ["cache_endpoint"]

P = ParamSpec("P")
R = TypeVar("R")
_JSON: Final = Json()


class _NotData(PassedError):  # noqa: N818 - nothing failed
    """The endpoint made a response of its own, or what is no answer of its route: neither can be stored."""

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.made = made


def cache_endpoint(
    *,
    namespace: str | None = None,
    vary: Sequence[str] = (),
    shared: bool = False,
    key: Callable[[Request], AnyKey] | None = None,
    ignore: Sequence[str] = (),
    **options: Unpack[ComputeArgs],
) -> Callable[[Callable[P, R]], Callable[P, Awaitable[Any]]]:
    """Keeps what an endpoint returns, computed once for all processes that are asked at the same time.

    An answer is found by function, scheme, host, path, query and the headers in `vary`. Requests with Authorization, a
    Cookie, or another header that the endpoint, its dependencies or their security schemes read, pass the cache,
    because their answers may be one caller's own, unless `vary` names that header, `shared` says that all callers get
    the same, or `key` says what they differ by. An endpoint that takes the request itself or a body, or depends on what
    does, may answer by anything: it is refused with a `ConfigurationError` without one of these. Only GET is cached.

    - `key`: the key for a request, instead.
    - `ignore`: parameters by which answers do not differ, such as a connection that needs the request.
    - `options`: as in `get_or_compute`. `tags` and `depends_on` may name arguments of the endpoint, as in
      `["track:{track}"]`.

    Callers decide with Cache-Control: `no-store` neither reads nor stores, `no-cache` computes anew, `max-age` takes
    nothing older, `only-if-cached` answers 504 instead of computing. Answers have an ETag (304 for If-None-Match),
    Cache-Control, X-Hotplate and Cache-Status. What is kept is JSON; a response made by the endpoint itself is passed
    on as it is, and so are failures. A hit answers what the endpoint would have, by its response model and options.
    What else the endpoint does, such as setting a header, it does when it computes.
    """
    check_compute(options)
    if "cache" in options or "in_thread" in options:
        raise ConfigurationError("cache_endpoint chooses `cache` by the request and `in_thread` by the function")
    varied = tuple(name.lower() for name in vary)

    def decorate(function: Callable[P, R]) -> Callable[P, Awaitable[Any]]:
        plan = _Plan(function, namespace, varied, shared, key, ignore, options)

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
        ignore: Sequence[str],
        options: ComputeArgs,
    ) -> None:
        self._function = function
        self._namespace = namespace
        self._vary = vary
        self._shared = shared
        self._key = key
        self._options, self._texts = templates.of_options(options)
        self._is_keyed = shared or key is not None
        self._ignore = several("ignore", ignore)
        self._own = inspect.signature(function)
        self.signature, self._request, self._response = with_http(function, self._own)
        self._routes: dict[int, tuple[Rendering, tuple[str, ...], bool]] = {}
        self._check()

    def _check(self) -> None:
        """Refuses what could not work, or would show one caller's answer to another."""
        name = getattr(self._function, "__qualname__", "the endpoint")
        unknown = sorted(set(self._ignore) - set(self._own.parameters))
        if unknown:
            raise ConfigurationError(f"`ignore` names `{unknown[0]}`, which is no parameter of {name}")
        templates.check(self._texts, self._own.parameters, name)
        given = [one for one in self.signature.parameters.values() if one.name in self._own.parameters]
        found = undeclared(given, self._ignore)
        if found and not self._is_keyed and not self._vary:
            raise ConfigurationError(
                f"what {name} answers may differ by `{found[0]}`, which is neither path nor query: name the headers in"
                f" vary=, give key=, say shared=True when all callers get the same, or ignore=('{found[0]}',)"
            )

    def _of_route(self, request: Request) -> tuple[Rendering, tuple[str, ...], bool]:
        """How the request's route answers, by which headers its answers are a caller's own, and if by a body."""
        route = request.scope.get("route")
        known = self._routes.get(id(route))
        if known is None or known[0].route is not route:
            headers = () if self._is_keyed else (*PRIVATE, *headers_of_route(route, self._ignore))
            differs = not self._is_keyed and not self._vary and has_body(route, self._ignore)
            known = (Rendering(route), tuple(dict.fromkeys(headers)), differs)
            self._routes[id(route)] = known
        return known

    async def answer(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What the endpoint returns, from wherever it comes."""
        request: Request = kwargs[self._request]
        response: Response = kwargs[self._response]
        given = {name: value for name, value in kwargs.items() if name in self._own.parameters}

        async def call() -> Any:
            if inspect.iscoroutinefunction(self._function):
                return await self._function(*args, **given)
            return await run_in_threadpool(self._function, *args, **given)

        rendering, private, by_body = self._of_route(request)
        # Answers are also other callers' when these headers are there: whoever keeps one has to know.
        reply = _Reply(request, response, tuple(dict.fromkeys((*self._vary, *private))), self._shared)
        wants = asked(request, private=private, vary=self._vary)
        if wants.mode == "bypass" or by_body:
            return reply.passed(await call(), "bypass")
        space = client_of(request).namespace(self._namespace, serializer=_JSON)
        name = self._name(request)
        found = None if wants.mode == "refresh" else await self._found(space, name, wants)
        if found is not None and (wants.mode == "only" or not found.stale):
            result: Result = "stale" if found.stale else "hit"
            return reply.stored(rendering, found.value, result, found.fresh_for)
        if wants.mode == "only":
            return Response(status_code=504, headers={"X-Hotplate": "miss", "Cache-Status": "hotplate"})
        result = "collapsed"
        made: list[Any] = []

        async def compute() -> Any:
            nonlocal result
            result = "stale"  # What is returned when this fails, where that is allowed.
            own = await call()
            result = "refresh" if wants.mode == "refresh" else "miss"
            if isinstance(own, Response):
                raise _NotData(own)
            try:
                content = rendering.content(own)
            except UnrenderableError:
                raise _NotData(own) from None
            made.append(own)
            return content

        chosen: dict[str, Any] = {**self._options, "cache": wants.mode}
        if wants.max_age is not None:
            chosen["max_age"] = wants.max_age
        bound = self._own.bind_partial(*args, **given)
        bound.apply_defaults()
        for option, fill in (("tags", templates.as_text), ("depends_on", templates.as_dependency)):
            if option in self._options:
                chosen[option] = [fill(text, bound.arguments) for text in chosen[option]]
        try:
            value = await space.get_or_compute(name, compute, **chosen)
        except _NotData as other:
            # A response is sent once: whoever waited for another's makes one of its own.
            return reply.passed(other.made if result != "collapsed" else await call(), "uncacheable")
        if found is not None:
            # The next one is computed behind it, and may already be there.
            return reply.stored(rendering, value, "stale", None)
        if made:
            # What the endpoint made itself, FastAPI answers as it would without the cache.
            return reply.computed(made[0], value, result, await space.ttl(name))
        return reply.stored(rendering, value, result, await space.ttl(name))

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
        url = request.url
        name = Key("http", f"{self._function.__module__}.{self._function.__qualname__}")
        where = f"{url.scheme}://{url.netloc}{url.path}"
        name = name.params({"url": form_of("url", where)}) if canonical.nfc(where) != where else name.text(where)
        # By name only: of values of one name the order may matter.
        query = sorted(request.query_params.multi_items(), key=lambda one: one[0])
        varied = [request.headers.getlist(header) for header in self._vary]
        if query or varied:
            # Texts that look the same are not the same request.
            name = name.params([form_of("query", query), form_of("vary", varied)])
        return str(name)


class _Reply:
    """What is said about an answer, in the headers of whichever response it becomes."""

    def __init__(self, request: Request, response: Response, differs_by: Sequence[str], shared: bool) -> None:
        self._request = request
        self._response = response
        self._differs_by = differs_by
        self._shared = shared

    def passed(self, made: Any, result: Result) -> Any:
        """What the endpoint made, which nobody keeps."""
        self._tell(made if isinstance(made, Response) else self._response, headers_of(result))
        return made

    def computed(self, made: Any, content: Any, result: Result, left: float | None) -> Any:
        """What the endpoint made, and is stored for `left` seconds."""
        return self._unchanged(content, result, left) or made

    def stored(self, rendering: Rendering, content: Any, result: Result, left: float | None) -> Response:
        """What was stored."""
        return self._unchanged(content, result, left) or rendering.response(content, self._response)

    def _unchanged(self, content: Any, result: Result, left: float | None) -> Response | None:
        """Tells about an answer; what the caller has already is not sent again."""
        etag = etag_of(content)
        answer = Response(status_code=304) if is_same(self._request, etag) else None
        headers = headers_of(result, etag=etag, fresh_for=left, shared=self._shared)
        self._tell(self._response if answer is None else answer, headers)
        return answer

    def _tell(self, response: Response, headers: Mapping[str, str]) -> None:
        response.headers.update(headers)
        if self._differs_by:
            response.headers.add_vary_header(", ".join(self._differs_by))
