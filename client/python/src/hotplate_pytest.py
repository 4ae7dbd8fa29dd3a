"""Fixtures for pytest, found by its plugin mechanism: `hotplate_server` and `hotplate_client`.

Beside the package, and importing it only where a fixture is used: every run of pytest loads this, also of projects
whose tests know nothing of a cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hotplate import Client
    from hotplate.testing import LocalServer

__all__ = ["hotplate_client", "hotplate_server"]


@pytest.fixture(scope="session")
def hotplate_server() -> Iterator[LocalServer]:
    """A real server for all tests of a run; see `hotplate.testing.local_server`."""
    from hotplate.testing import local_server

    with local_server() as server:
        yield server


@pytest.fixture
def hotplate_client(hotplate_server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A threaded client of that server, with a namespace of the test's own."""
    from hotplate import Client

    name = f"test-{abs(hash(request.node.nodeid)):x}"
    with Client(hotplate_server.url(name)) as client:
        yield client
