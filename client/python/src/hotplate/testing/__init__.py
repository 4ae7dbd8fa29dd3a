"""Help for tests: a real server of their own, and a client whose cache is a dict in this process.

`local_server()` starts the server program on a free port and stops it again. `fake_client()` and `fake_async_client()`
give clients that are like any other, over a fake that keeps everything in memory. With pytest installed the fixtures
`hotplate_server` and `hotplate_client` are there without an import.
"""

from __future__ import annotations

from hotplate.testing.fake import FakeServer, fake_async_client, fake_client
from hotplate.testing.server import LocalServer, local_server

__all__ = ["FakeServer", "LocalServer", "fake_async_client", "fake_client", "local_server"]
