"""A lease is never left with nobody: neither on its way, nor beside a large value, nor when its client is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from conftest import until, wait_until
from scripted import Scripted, fails, leased, scripted

from hotplate import AsyncClient, CallCancelledError, Client
from hotplate._aio import computing as aio_computing
from hotplate._aio import runtime as aio_runtime
from hotplate._sync import computing as sync_computing
from hotplate._sync import runtime as sync_runtime
from hotplate.v1 import blob_pb2 as blob
from hotplate.v1 import cache_pb2 as pb


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


def test_a_lease_that_comes_when_its_caller_has_left_is_given_back(server: Scripted) -> None:
    begun, gate = threading.Event(), threading.Event()

    def get(request: Any, context: Any) -> Any:
        begun.set()
        gate.wait(60)
        return leased()

    server.answers["Get"] = get

    async def test() -> None:
        async with AsyncClient(server.url) as client:
            task = asyncio.create_task(client.namespace().get_or_compute("k", _never))
            await asyncio.to_thread(begun.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            gate.set()
            await until(lambda: _is(server.seen("ReleaseLease")))
            assert [one.token for one in server.seen("ReleaseLease")] == ["1" * 32]
            assert len(server.seen("Get")) == 1

    asyncio.run(test())


def test_callers_who_leave_have_one_call_on_the_wire_and_who_comes_then_joins_it(server: Scripted) -> None:
    gate = threading.Event()

    def get(request: Any, context: Any) -> Any:
        gate.wait(60)
        return leased()

    server.answers["Get"] = get

    async def test() -> None:
        async with AsyncClient(server.url) as client:
            space = client.namespace()
            for _ in range(50):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(space.get_or_compute("k", _seven), 0.005)
            last = asyncio.create_task(space.get_or_compute("k", _seven))
            await asyncio.sleep(0)
            gate.set()
            assert await last == 7
            assert len(server.seen("Get")) == 1
            assert [put.lease_token for put in server.seen("Put")] == ["1" * 32]

    asyncio.run(test())


def test_a_call_whose_caller_has_left_is_not_tried_again_and_its_failure_counts(server: Scripted) -> None:
    begun, gate = threading.Event(), threading.Event()

    def get(request: Any, context: Any) -> Any:
        begun.set()
        gate.wait(60)
        context.abort(grpc.StatusCode.UNAVAILABLE, "away")

    server.answers["Get"] = get

    async def test() -> None:
        async with AsyncClient(server.url) as client:
            task = asyncio.create_task(client.namespace().get_or_compute("k", _never))
            await asyncio.to_thread(begun.wait, 60)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            gate.set()
            await until(lambda: _is(client._state.guard.breaker._failures))
            assert len(server.seen("Get")) == 1

    asyncio.run(test())


def test_closing_lets_a_lease_arrive_and_gives_it_back(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is.
    monkeypatch.setattr(aio_runtime, "LAST_WORD", 60)
    monkeypatch.setattr(sync_runtime, "LAST_WORD", 60)
    begun = threading.Event()
    clients: list[Any] = []

    def get(request: Any, context: Any) -> Any:
        begun.set()
        wait_until(lambda: clients[-1]._state.tasks.closing)
        return leased()

    server.answers["Get"] = get

    async def test() -> None:
        client = AsyncClient(server.url)
        clients.append(client)
        task = asyncio.create_task(client.namespace().get_or_compute("k", _never))
        await asyncio.to_thread(begun.wait, 60)
        await client.close()
        with pytest.raises(CallCancelledError, match="the client was closed"):
            await task

    asyncio.run(test())
    assert len(server.seen("ReleaseLease")) == 1

    client, failed = Client(server.url), []
    clients.append(client)

    def ask() -> None:
        try:
            client.namespace().get_or_compute("k", lambda: 1)
        except CallCancelledError as error:
            failed.append(error)

    begun.clear()
    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait(60)
    client.close()
    thread.join(60)
    assert failed
    assert len(server.seen("ReleaseLease")) == 2


@pytest.mark.parametrize("then", ["fails", "gone"])
def test_a_lease_beside_a_large_value_outlives_the_reading_of_it(server: Scripted, then: str) -> None:
    first = leased()
    first.outcome = pb.GET_OUTCOME_STALE
    first.entry.metadata.etag = "e1"
    first.entry.large.size_bytes = 5 << 20
    first.entry.metadata.size_bytes = 5 << 20
    asked = iter([first])
    server.answers["Get"] = lambda request, context: next(asked, pb.GetResponse(outcome=pb.GET_OUTCOME_MISS))
    if then == "fails":
        server.answers["ReadValue"] = fails(grpc.StatusCode.INTERNAL, "BUG")
    else:
        # Of another version: that one is gone.
        gone = blob.ReadValueResponse(header=blob.ReadValueHeader())
        server.answers["ReadValue"] = lambda request, context: iter([gone])
    with Client(server.url) as client:
        options: dict[str, Any] = {"stale_while_revalidate": True, "max_age": 5}
        assert client.namespace().get_or_compute("k", lambda: 7, **options) == 7
        # Who computes because the reading failed has it as well.
        assert [put.lease_token for put in server.seen("Put")] == ["1" * 32]
        if then == "gone":
            # It was asked again as it was, but for the lease.
            again = server.seen("Get")[1]
            assert again.max_age.seconds == 5
            assert again.miss_policy == pb.MISS_POLICY_UNSPECIFIED
            assert not again.HasField("wait_timeout")


def test_callers_do_not_wait_for_long_until_their_value_is_stored(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio_computing, "_STORING_WAIT", 0.05)
    monkeypatch.setattr(sync_computing, "_STORING_WAIT", 0.05)
    gate = threading.Event()

    def put(request: Any, context: Any) -> Any:
        gate.wait(60)
        return pb.PutResponse(outcome=pb.PUT_OUTCOME_STORED)

    server.answers["Put"] = put
    server.answers["Get"] = lambda request, context: leased()
    with Client(server.url) as client:
        assert client.namespace().get_or_compute("k", lambda: 7) == 7
        gate.set()
        wait_until(lambda: not client._state.give_ups)
        assert not server.seen("ReleaseLease")

    async def test() -> None:
        gate.clear()
        async with AsyncClient(server.url) as other:
            assert await other.namespace().get_or_compute("k", _seven) == 7
        gate.set()

    # Closed while it is being stored: the lease is given back.
    asyncio.run(test())
    assert len(server.seen("ReleaseLease")) == 1


async def _never() -> int:
    raise AssertionError("nobody waits for this")


async def _seven() -> int:
    return 7


async def _is(value: Any) -> Any:
    return value
