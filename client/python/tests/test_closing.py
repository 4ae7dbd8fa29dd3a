"""A closed client: nobody is left waiting, and every call says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from conftest import wait_until
from scripted import fails, leased, scripted

from hotplate import AsyncClient, CallCancelledError, Client
from hotplate._sync import runtime
from hotplate.testing import local_server
from hotplate.v1 import cache_pb2 as pb

_CLOSED = "the client was closed"


@pytest.mark.parametrize(
    "call",
    [
        lambda space: space.get("k"),
        lambda space: space.get_many(["k"]),
        lambda space: space.put("k", 1),
        lambda space: space.put_many({"k": 1}),
        lambda space: space.put_negative("k", "NOT_FOUND"),
        lambda space: space.get_or_compute("k", lambda: 1),
        lambda space: space.get_or_compute("k", lambda: 1, cache="refresh"),
        lambda space: space.get_or_compute("k", lambda: 1, cache="only"),
        lambda space: space.touch("k", 60),
        lambda space: space.exists("k"),
        lambda space: space.remove("k"),
        lambda space: space.invalidate(tags=["t"]),
        lambda space: space.mark_stale("k"),
        lambda space: space.stats(),
        lambda space: space.explain("k"),
        lambda space: space.list(),
        lambda space: space.watch().next(),
        lambda space: space.preload(["k"]).next(),
        lambda space: space.read_stream("k"),
        lambda space: space.write_stream("k"),
        lambda space: space.client.calls.get_server_info(),
    ],
)
def test_each_call_of_a_closed_client_is_an_error(url: str, call: Callable[[Any], Any]) -> None:
    client = Client(url, near_cache="1MiB")
    space = client.namespace()
    space.put("k", 1, ttl=60)
    wait_until(lambda: getattr(space.get("k"), "near", False))
    client.close()
    with pytest.raises(CallCancelledError, match=_CLOSED):
        call(space)

    async def test() -> None:
        other = AsyncClient(url)
        await other.namespace().get("k")
        await other.close()
        await other.close()
        with pytest.raises(CallCancelledError, match=_CLOSED):
            await asyncio.wait_for(call(other.namespace()), 30)

    asyncio.run(test())


def test_closing_in_the_same_tick_leaves_nobody_waiting(url: str) -> None:
    async def test() -> None:
        for ticks in range(6):
            client = AsyncClient(url)
            space = client.namespace()
            if ticks % 2:
                await space.get("k")
            calls = [space.get_or_compute(f"k{ticks}", _forever), space.get("other"), space.invalidate("other")]
            tasks = [asyncio.ensure_future(call) for call in calls]
            for _ in range(ticks // 2):
                await asyncio.sleep(0)
            await client.close()
            ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
            assert isinstance(ended[0], CallCancelledError)
            # An error of the client's: nobody cancelled those tasks.
            assert not any(task.cancelled() for task in tasks)

    asyncio.run(test())


def test_a_call_under_way_is_told_that_the_client_was_closed() -> None:
    begun, gate = threading.Event(), threading.Event()

    def get(request: Any, context: Any) -> Any:
        begun.set()
        gate.wait(60)
        return pb.GetResponse()

    with scripted() as server:
        server.answers["Get"] = get

        async def test() -> None:
            client = AsyncClient(server.url)
            task = asyncio.create_task(client.namespace().get("k"))
            await asyncio.to_thread(begun.wait, 60)
            await client.close()
            with pytest.raises(CallCancelledError, match=_CLOSED):
                await asyncio.wait_for(task, 30)
            assert not task.cancelled()

        asyncio.run(test())
        gate.set()


def test_threads_that_wait_for_a_computation_are_told_and_the_one_that_computes_gets_its_value() -> None:
    begun, gate = threading.Event(), threading.Event()
    got: list[Any] = []

    def compute() -> int:
        begun.set()
        gate.wait(60)
        return 7

    def ask(client: Client, key: str) -> None:
        try:
            got.append(client.namespace().get_or_compute(key, compute))
        except CallCancelledError as error:
            got.append(str(error))

    with scripted() as server:
        server.answers["Get"] = lambda request, context: leased()
        client = Client(server.url, computations_max=1)
        computing = threading.Thread(target=ask, args=(client, "k"))
        computing.start()
        begun.wait(60)
        # One joins, the other waits for its turn.
        waiting = [threading.Thread(target=ask, args=(client, key)) for key in ("k", "other")]
        for thread in waiting:
            thread.start()
        wait_until(lambda: any(flight.waiters == 2 for flight in list(client._state.flights._flights.values())))
        wait_until(lambda: client._state.slots._queue)
        client.close()
        for thread in waiting:
            thread.join(60)
        assert got == [f"CANCELLED: {_CLOSED}"] * 2
        gate.set()
        computing.join(60)
        assert got[-1] == 7


def test_what_is_still_remembered_is_tried_once_and_counted_when_it_is_lost(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is.
    monkeypatch.setattr(runtime, "LAST_WORD", 60)
    with local_server() as server:
        server.kill()
        client = Client(server.url(), timeout="5s")
        assert client.namespace().invalidate("a", "b").outcome == "queued"
        client.close()
        assert "2 invalidations that were not carried out" in caplog.text
    caplog.clear()
    with scripted() as other:
        other.answers["Invalidate"] = fails(grpc.StatusCode.UNAVAILABLE)
        client = Client(other.url, timeout="5s")
        assert client.namespace().invalidate("a").outcome == "queued"
        del other.answers["Invalidate"]
        client.close()
        assert [one.key for one in other.seen("Invalidate")[-1].selectors] == ["a"]
    assert "were not carried out" not in caplog.text


def test_a_computation_that_was_cancelled_within_does_not_say_that_the_client_was_closed(url: str) -> None:
    async def cancelled() -> int:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task
        return 1

    async def test() -> None:
        async with AsyncClient(url) as client:
            with pytest.raises(CallCancelledError, match=r"the computation was cancelled$"):
                await client.namespace().get_or_compute("k", cancelled)

    asyncio.run(test())


async def _forever() -> int:
    await asyncio.Event().wait()
    return 0
