"""Clients whose cache is a dict in this process: for unit tests that need no server.

Everything between the surface and the calls is the real client: keys, serializers, single flight, leases, decorators.
What the fake does not do is refused with `UnimplementedError`: watches, preloads, streams, statistics, explanations.
"""

from __future__ import annotations

from typing import Any, NoReturn

from hotplate._aio.client import AsyncClient
from hotplate._aio.state import State as AsyncState
from hotplate._sync.client import Client
from hotplate._sync.state import State
from hotplate.errors import UnimplementedError
from hotplate.testing.memory import FakeServer

__all__ = ["FakeServer", "fake_async_client", "fake_client"]


def _no_streams() -> NoReturn:
    raise UnimplementedError("the fake has no streams of values: use hotplate.testing.local_server()")


class _AsyncTransport:
    """The calls of an asyncio client, answered by a fake."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def turn(self) -> int:
        return 0

    async def unary(self, method: str, request: Any, timeout: float, turn: int) -> Any:
        return self._server.handle(method, request)

    async def stream(self, method: str, request: Any, turn: int, timeout: float) -> Any:
        return self._server.handle(method, request)

    async def read_value(self, request: Any, turn: int, timeout: float) -> NoReturn:
        _no_streams()

    async def query_write(self, request: Any, timeout: float, turn: int) -> NoReturn:
        _no_streams()

    def write_value(self, turn: int) -> NoReturn:
        _no_streams()

    async def close(self) -> None:
        return None

    def end_streams(self) -> None:
        return None

    def before_fork(self) -> None:
        return None

    def after_fork(self) -> None:
        return None


class _Transport:
    """The calls of a threaded client, answered by a fake."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def turn(self) -> int:
        return 0

    def unary(self, method: str, request: Any, timeout: float, turn: int) -> Any:
        return self._server.handle(method, request)

    def stream(self, method: str, request: Any, turn: int, timeout: float) -> Any:
        return self._server.handle(method, request)

    def read_value(self, request: Any, turn: int, timeout: float) -> NoReturn:
        _no_streams()

    def query_write(self, request: Any, timeout: float, turn: int) -> NoReturn:
        _no_streams()

    def write_value(self, turn: int) -> NoReturn:
        _no_streams()

    def close(self) -> None:
        return None

    def end_streams(self) -> None:
        return None

    def before_fork(self) -> None:
        return None

    def after_fork(self) -> None:
        return None


class _FakeAsyncClient(AsyncClient):
    def __init__(self, server: FakeServer, **settings: Any) -> None:
        self._server = server
        super().__init__(**settings)

    def _new_state(self) -> AsyncState:
        transport: Any = _AsyncTransport(self._server)
        return AsyncState(self._setup, transport, self._changed)


class _FakeClient(Client):
    def __init__(self, server: FakeServer, **settings: Any) -> None:
        self._server = server
        super().__init__(**settings)

    def _new_state(self) -> State:
        transport: Any = _Transport(self._server)
        return State(self._setup, transport, self._changed)


def fake_client(server: FakeServer | None = None, **settings: Any) -> Client:
    """A threaded client over a fake; `settings` are those of `hotplate.Client`. Several may share one `server`."""
    return _FakeClient(server or FakeServer(), **settings)


def fake_async_client(server: FakeServer | None = None, **settings: Any) -> AsyncClient:
    """An asyncio client over a fake; `settings` are those of `hotplate.AsyncClient`."""
    return _FakeAsyncClient(server or FakeServer(), **settings)
