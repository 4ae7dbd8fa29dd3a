"""What a client leaves behind: streams nobody closed, loops that have ended, threads that begin or fork at once."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, until, wait_until
from scripted import scripted

from hotplate import AsyncClient, Client


def test_streams_that_nobody_closed_are_closed_with_a_warning(client: Client) -> None:
    space = client.namespace()
    with space.write_stream("k") as stream:
        stream.send(b"x" * (3 << 20))
        stream.finish()
    before = threading.active_count()
    with pytest.warns(ResourceWarning, match="a watch was left open"):
        for _ in range(8):
            for _told in space.watch():
                break
            gc.collect()
    with pytest.warns(ResourceWarning, match="a value that is read in pieces was left open"):
        for _ in range(4):
            for _piece in space.read_stream("k"):
                break
            gc.collect()
    with pytest.warns(ResourceWarning, match="a value that is written in pieces"):
        space.write_stream("other").send(b"x")
        gc.collect()
    # Who uses a client next closes them.
    space.get("missing")
    wait_until(lambda: threading.active_count() <= before)
    assert _busy(client) == 0


def test_streams_left_on_an_event_loop_are_closed_with_a_warning(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        await space.put("k", "x" * 100)
        with pytest.warns(ResourceWarning, match="was left open"):
            for _ in range(4):
                async for _told in space.watch():
                    break
                async for _piece in await space.read_stream("k"):
                    break
            gc.collect()

        async def idle() -> bool:
            return _busy(client) == 0

        await until(idle)

    run(test)


def test_what_was_read_or_closed_is_not_left(client: Client, recwarn: pytest.WarningsRecorder) -> None:
    space = client.namespace()
    space.put("k", "x")
    space.read_stream("k").read()
    space.read_stream("missing").read()
    with space.watch() as watch:
        watch.next(30)
    writing = space.write_stream("k")
    writing.send(b"1")
    writing.finish()
    del watch, writing
    gc.collect()
    assert not [one for one in recwarn if one.category is ResourceWarning]


def test_a_reader_that_gives_up_while_it_opens_leaves_nothing() -> None:
    begun, gate = threading.Event(), threading.Event()

    def read(request: Any, context: Any) -> Any:
        # The stream is open, and its header does not come.
        context.send_initial_metadata(())
        begun.set()
        gate.wait(60)
        return iter(())

    with scripted() as server:
        server.answers["ReadValue"] = read

        async def test() -> None:
            async with AsyncClient(server.url) as client:
                task = asyncio.create_task(client.namespace().read_stream("k"))
                await asyncio.to_thread(begun.wait, 60)
                await asyncio.sleep(0.05)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert _busy(client) == 0

        asyncio.run(test())
        gate.set()


def test_loops_that_have_ended_leave_no_connections(url: str) -> None:
    client = AsyncClient(url)

    async def use() -> None:
        await client.namespace().put("k", 1)

    asyncio.run(use())
    before = _files()
    for _ in range(5):
        asyncio.run(use())
    assert len(client._state.calls.transport._pools) == 1
    gc.collect()
    wait_until(lambda: _files() <= before + 2)
    asyncio.run(client.close())


def test_threads_that_read_first_together_open_one_watch(url: str) -> None:
    for _ in range(5):
        with Client(url, near_cache="1MiB") as client:
            space = client.namespace()
            together = threading.Barrier(20)

            def read(space: Any = space, together: threading.Barrier = together) -> None:
                together.wait(60)
                space.get("k")

            threads = [threading.Thread(target=read) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            # One follows, one tells.
            assert len(client._state.tasks._threads) == 2


def test_that_there_are_too_many_near_caches_is_said_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with Client(url, near_cache="64KiB", disabled=True) as client:
        for number in range(70):
            client.namespace(f"n{number}").near_stats()
        assert caplog.text.count("at most 64 near caches") == 1


def test_threads_may_fork_at_the_same_time(url: str) -> None:
    program = f"""
import os, threading
from hotplate import Client
client = Client({url!r})
client.namespace().put("k", 1)

def forks():
    for _ in range(8):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

threads = [threading.Thread(target=forks) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert client.namespace().get_value("k") == 1
client.close()
"""
    _run(program)


def test_a_fork_does_not_wait_for_who_waits_for_a_lease(url: str) -> None:
    with Client(url) as other:
        begun, gate = threading.Event(), threading.Event()

        def compute() -> int:
            begun.set()
            gate.wait(60)
            return 7

        thread = threading.Thread(target=lambda: other.namespace().get_or_compute("k", compute))
        thread.start()
        begun.wait(60)
        try:
            _run(f"""
import os, threading, time
from hotplate import Client
from hotplate._sync import transport
# A fork that waits would be seen at once.
transport._FORK_WAIT = 60
client = Client({url!r})
threading.Thread(target=lambda: client.namespace().get_or_compute("k", lambda: 1), daemon=True).start()
lines = client._state.calls.transport._pool()._calls
while not any(line.waiting for one in lines for line in one):
    time.sleep(0.001)
began = time.monotonic()
child = os.fork()
if child == 0:
    os._exit(0 if client.namespace().put("other", 1).is_stored else 3)
assert os.waitpid(child, 0)[1] == 0
assert time.monotonic() - began < 30
os._exit(0)
""")
        finally:
            gate.set()
            thread.join(60)


def _busy(client: Any) -> int:
    transport = client._state.calls.transport
    pools = [transport._made] if hasattr(transport, "_made") else list(transport._pools.values())
    every = [pool._calls + pool._transfers + pool._streams for pool in pools]
    return sum(line.busy for lines in every for some in lines for line in some)


def _files() -> int:
    # Sockets and the like of this process; where the system does not tell them, there is nothing to count.
    place = Path("/proc/self/fd")
    return len(os.listdir(place)) if place.exists() else 0


def _run(program: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=120, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
