"""What all tests share: a server for the run, and clients of it. Without a server program they fail."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

import pytest

from hotplate import AsyncClient, Client
from hotplate.testing import LocalServer, local_server

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


@pytest.fixture
def url(server: LocalServer) -> str:
    """The address of a namespace that no other test uses."""
    return server.url(f"n{next(_NUMBERS)}")


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


class Run(Protocol):
    """What the fixture `run` gives."""

    def __call__(self, test: Callable[[AsyncClient], Awaitable[Any]], **settings: Any) -> Any: ...


@pytest.fixture
def run(url: str) -> Run:
    """Runs a coroutine function with an asyncio client, which it closes."""

    def running(test: Callable[[AsyncClient], Awaitable[Any]], **settings: Any) -> Any:
        async def inner() -> Any:
            async with AsyncClient(url, **settings) as made:
                return await test(made)

        return asyncio.run(inner())

    return running


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Asks again until it is so."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not come to that in time"
        time.sleep(0.01)
    return found


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """The same on an event loop."""
    ends = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < ends, "it did not come to that in time"
        await asyncio.sleep(0.01)
    return found
