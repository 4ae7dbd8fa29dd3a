"""The client of an application: made when it starts, closed when it ends, and found by its endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from hotplate._aio.client import AsyncClient
from hotplate._aio.namespace import AsyncNamespace
from hotplate.adapters._extra import needed
from hotplate.errors import ConfigurationError
from hotplate.serializers.base import Serializer

try:
    from starlette.requests import HTTPConnection
except ImportError as _cause:
    raise needed("fastapi", "fastapi") from _cause

__all__ = ["cache_of", "client_of", "get_cache", "hotplate_lifespan"]


def hotplate_lifespan(
    url: str | Sequence[str] | None = None, **settings: Any
) -> Callable[[Any], AbstractAsyncContextManager[dict[str, AsyncClient]]]:
    """A lifespan with a client in it: `FastAPI(lifespan=hotplate_lifespan())`.

    Without `url` the environment says where the server is; `settings` are those of `AsyncClient`. The application
    starts when the server is away, and works on without it. Within a lifespan of your own:
    `async with hotplate_lifespan()(app): yield`.
    """
    if url is not None:
        settings["url"] = url

    @asynccontextmanager
    async def connected(app: Any) -> AsyncIterator[dict[str, AsyncClient]]:
        async with AsyncClient.from_env(**settings) as client:
            app.state.hotplate = client
            # Handed on to each request, so that applications mounted below find it as well.
            yield {"hotplate": client}

    return connected


def client_of(connection: HTTPConnection) -> AsyncClient:
    """The client of the application that a request is for."""
    for state in (connection.app.state, connection.state):
        client = getattr(state, "hotplate", None)
        if isinstance(client, AsyncClient):
            return client
    raise ConfigurationError("the application has no cache: make it with FastAPI(lifespan=hotplate_lifespan())")


# Coroutines, though they wait for nothing: FastAPI runs what is none in a thread, for each request.


async def get_cache(connection: HTTPConnection) -> AsyncNamespace:
    """The client's own namespace: `cache: Annotated[AsyncNamespace, Depends(get_cache)]`."""
    return client_of(connection).namespace()


def cache_of(name: str, serializer: Serializer | None = None) -> Callable[[HTTPConnection], Awaitable[AsyncNamespace]]:
    """Another namespace: `Depends(cache_of("ml"))`."""

    async def get(connection: HTTPConnection) -> AsyncNamespace:
        return client_of(connection).namespace(name, serializer=serializer)

    return get
