"""Routes to look after a cache of models: statistics, one entry, invalidation, preloading, health."""

# Annotations are no text here: FastAPI reads them, and some name what is made for each router.
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

from hotplate._aio.namespace import AsyncNamespace
from hotplate.adapters._extra import needed
from hotplate.adapters.fastapi.answers import Dropped, EntryInfo, Health, PreloadOutcome, PreloadSession, StatsAnswer
from hotplate.adapters.fastapi.connect import cache_of
from hotplate.errors import HotplateError
from hotplate.keys import AnyKey, Key, key_text
from hotplate.preloading import PreloadItem
from hotplate.results import Invalidated, PreloadProgress
from hotplate.v1 import cache_pb2 as pb

try:
    from fastapi import APIRouter, Depends, HTTPException, Query
    from fastapi.params import Depends as Dependency
except ImportError as _cause:
    raise needed("fastapi", "fastapi") from _cause

__all__ = ["cache_router", "model_key"]

T = TypeVar("T")
_STATUS = {
    "INVALID_ARGUMENT": 422,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 409,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_Subtype = Annotated[str | None, Query(min_length=1, description="The model's subtype, where it has one.")]
_Reason = Annotated[str, Query(max_length=256, description="Why: it is recorded with the invalidation.")]


def model_key(model_type: str, track_name: str, car_name: str, model_subtype: str | None = None) -> Key:
    """The key of a model: `model:TYPE:TRACK:CAR`, and its subtype where it has one."""
    key = Key("model", model_type).id(track_name).id(car_name)
    return key if model_subtype is None else key.id(model_subtype)


def cache_router(
    prefix: str = "/api/cache",
    *,
    dependencies: Sequence[Dependency],
    namespace: str | None = None,
    key_of: Callable[[str, str, str, str | None], AnyKey] = model_key,
    model_types: Iterable[str] = ("imitation_learning", "sklearn", "performance"),
    tags: Sequence[str] = ("cache",),
) -> APIRouter:
    """Seven routes below `prefix`.

    | route | does |
    |---|---|
    | `GET stats` | counters, entries and memory with their limits |
    | `GET info/{model_type}/{track_name}/{car_name}` | whether a model is cached, and its details |
    | `DELETE invalidate/{model_type}/{track_name}/{car_name}` | drops one model |
    | `DELETE invalidate/track/{track_name}` | drops what has the tag `track:{track_name}` |
    | `DELETE clear` | drops everything in the namespace, or what matches `pattern` |
    | `POST preload` | has the server fetch the models of a track and a car, and says what became of each |
    | `GET health` | whether the cache is there |

    - `dependencies`: who may call them, such as `[Depends(is_operator)]`. It has to be given: whoever may call them may
      empty the cache. `[]` lets everyone.
    - `namespace`: that of the models; None: the client's own.
    - `key_of`: the key of a model, where yours differ.
    - `model_types`: what `preload` fetches where the request names none.
    """
    router = APIRouter(prefix=prefix, dependencies=dependencies, tags=list(tags))
    types = list(model_types)

    Space = Annotated[AsyncNamespace, Depends(cache_of(namespace or ""))]  # noqa: N806 - it is a type

    @router.get("/stats", summary="Statistics of the cache")
    async def stats(space: Space) -> StatsAnswer:
        try:
            return StatsAnswer.of(await space.stats())
        except HotplateError as error:
            if error.is_outage or error.reason == "DISABLED":
                return StatsAnswer(available=False)
            raise _refused(error) from error

    @router.get("/info/{model_type}/{track_name}/{car_name}", summary="Whether a model is cached, and its details")
    async def info(
        space: Space, model_type: str, track_name: str, car_name: str, model_subtype: _Subtype = None
    ) -> EntryInfo:
        key = _named(key_of, model_type, track_name, car_name, model_subtype)
        request = pb.GetRequest(namespace=space.name, key=key, peek=True, view=pb.ENTRY_VIEW_METADATA)
        return EntryInfo.of(key, await _done(space.client.calls.get(request)))

    # Before the route below, which is longer: neither can be mistaken for the other.
    @router.delete("/invalidate/track/{track_name}", summary="Drop all models of a track")
    async def invalidate_track(space: Space, track_name: str, reason: _Reason = "") -> Dropped:
        return _dropped(await _done(space.invalidate(tags=[f"track:{track_name}"], reason=reason)))

    @router.delete("/invalidate/{model_type}/{track_name}/{car_name}", summary="Drop one model")
    async def invalidate(
        space: Space,
        model_type: str,
        track_name: str,
        car_name: str,
        model_subtype: _Subtype = None,
        reason: _Reason = "",
    ) -> Dropped:
        key = _named(key_of, model_type, track_name, car_name, model_subtype)
        return _dropped(await _done(space.remove(key, reason=reason)))

    @router.delete("/clear", summary="Drop everything, or what matches a pattern")
    async def clear(space: Space, pattern: Annotated[str | None, Query()] = None, reason: _Reason = "") -> Dropped:
        drop = space.invalidate(glob=pattern, everything=pattern is None, reason=reason)
        return _dropped(await _done(drop))

    @router.post("/preload", summary="Fetch the models of a track and a car ahead of their use")
    async def preload(space: Space, session: PreloadSession) -> list[PreloadOutcome]:
        items = [
            PreloadItem(
                _named(key_of, kind, session.track_name, session.car_name, None),
                origin=session.origin,
                kind=kind,
                tags=[f"track:{session.track_name}", f"car:{session.car_name}"],
            )
            for kind in session.model_types or types
        ]

        async def fetch() -> PreloadProgress:
            return await space.preload(items, force=session.force).result()

        return [PreloadOutcome.of(one) for one in (await _done(fetch())).results]

    @router.get("/health", summary="Whether the cache is there")
    async def health(space: Space) -> Health:
        client = space.client
        try:
            version = (await client.calls.get_server_info()).version
        except HotplateError as error:
            return Health(status="degraded", available=False, detail=error.kind)
        return Health(status="healthy", available=client.available, version=version)

    return router


async def _done(call: Awaitable[T]) -> T:
    try:
        return await call
    except HotplateError as error:
        raise _refused(error) from error


def _named(key_of: Callable[[str, str, str, str | None], AnyKey], *parts: Any) -> str:
    try:
        return key_text(key_of(*parts))
    except HotplateError as error:
        raise _refused(error) from error


def _refused(error: HotplateError) -> HTTPException:
    """What failed, as HTTP has it. Only the cache's own sentence is told."""
    return HTTPException(_STATUS.get(error.kind, 502), detail=error.message)


def _dropped(done: Invalidated) -> Dropped:
    return Dropped(outcome=done.outcome, matched=done.matched)
