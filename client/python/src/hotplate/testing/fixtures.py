"""Fixtures for pytest, found by its plugin mechanism."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hotplate._sync.client import Client
from hotplate.testing.server import LocalServer, local_server

__all__ = ["hotplate_client", "hotplate_server"]


@pytest.fixture(scope="session")
def hotplate_server() -> Iterator[LocalServer]:
    """A real server for all tests of a run; see `hotplate.testing.local_server`."""
    with local_server() as server:
        yield server


@pytest.fixture
def hotplate_client(hotplate_server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A threaded client of that server, with a namespace of the test's own."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    with Client(hotplate_server.url(name)) as client:
        yield client
