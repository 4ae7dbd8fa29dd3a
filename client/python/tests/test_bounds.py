"""What ends badly, or has a bound: tasks of several loops, transfers of a closed client, threads that do not start."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from typing import Any

import grpc
import pytest
from conftest import wait_until
from scripted import fails, leased, scripted

from hotplate import AsyncClient, CallCancelledError, Client, CodecError, ResourceExhaustedError
from hotplate._aio import runtime
from hotplate._aio import runtime as aio_runtime
from hotplate._core.flights import FlightKey, Flights, PassedError
from hotplate._core.slots import Slots
from hotplate.serializers import Json, Npy
from hotplate.serializers.base import Place
from hotplate.v1 import cache_pb2 as pb

_PLACE = Place("t", "k")


def test_tasks_begin_on_two_loops_at_once() -> None:
    tasks = runtime.Tasks()
    failed: list[BaseException] = []

    async def nothing() -> None:
        await asyncio.sleep(0)

    async def many() -> None:
        for _ in range(3_000):
            tasks.spawn(nothing)
            await asyncio.sleep(0)

    def loop() -> None:
        try:
            asyncio.run(many())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert not tasks._tasks


def test_a_flight_that_cannot_begin_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        flights: Flights[runtime.Event] = Flights(runtime.Event)
        slots: Slots[runtime.Event] = Slots(1, runtime.Event)
        tasks = runtime.Tasks()
        key = FlightKey("t", "k", False, None, 0)

        async def work(flight: Any) -> int:
            return 7

        def refuses(*args: Any, **named: Any) -> Any:
            raise RuntimeError("nothing begins")

        with monkeypatch.context() as patch:
            patch.setattr(tasks, "spawn", refuses)
            with pytest.raises(RuntimeError, match="nothing begins"):
                await aio_runtime.fly(flights, slots, tasks, key, work, None)
        assert await asyncio.wait_for(aio_runtime.fly(flights, slots, tasks, key, work, None), 60) == 7

    asyncio.run(test())


def test_a_lease_that_no_thread_can_keep_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted() as server:
        server.answers["Get"] = lambda request, context: leased()
        with Client(server.url) as client:
            client.calls.get_server_info()

            def refuses(*args: Any, **named: Any) -> Any:
                raise RuntimeError("can't start new thread")

            monkeypatch.setattr(client._state.tasks, "_start", refuses)
            assert client.namespace().get_or_compute("k", lambda: 7) == 7
            assert len(server.seen("ReleaseLease")) == 1
            assert not server.seen("Put")
            assert not client._state.give_ups


def test_an_upload_ends_with_its_client_and_not_as_if_its_caller_had_been_cancelled(url: str) -> None:
    async def test() -> None:
        client = AsyncClient(url)
        stream = await client.namespace().write_stream("k")
        await stream.send(b"some")
        await client.close()
        began = time.monotonic()
        task = asyncio.ensure_future(stream.finish())
        await asyncio.wait({task}, timeout=60)
        assert not task.cancelled()
        assert isinstance(task.exception(), CallCancelledError)
        assert str(task.exception()) == "CANCELLED: the client was closed"
        # At once, and not after all the tries that an interruption is worth.
        assert time.monotonic() - began < 3

    asyncio.run(test())


def test_what_a_client_starts_for_itself_does_not_keep_a_request_alive(url: str) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")
    seen: list[str | None] = []
    request.set("the first")
    with Client(url, near_cache="1MiB") as client:
        client._state.tasks.spawn(lambda: seen.append(request.get(None)), apart=True)
        wait_until(lambda: seen)
    assert seen == [None]


def test_json_asks_values_nothing_but_their_form() -> None:
    class Touchy(list[int]):
        def __eq__(self, other: object) -> bool:
            raise AttributeError("compared")

        __hash__ = None

    assert Json().encode(Touchy([1]), _PLACE).data == b"[1]"
    with pytest.raises(CodecError, match="names of a dict"):
        Json().encode([{"a": {1: 2}}], _PLACE)


def test_an_array_that_could_not_be_read_again_is_refused() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(CodecError, match="latin-1"):
        Npy().encode(numpy.zeros(2, dtype=[("日", "i4")]), _PLACE)
    named = Npy().encode(numpy.zeros(2, dtype=[("é", "i4")]), _PLACE)
    assert Npy().decode(named.data, named.content_type, _PLACE).dtype.names == ("é",)


def test_a_value_that_is_stored_behind_its_caller_gives_way_to_an_invalidation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("hotplate._aio.computing", "hotplate._sync.computing"):
        monkeypatch.setattr(f"{module}._STORING_WAIT", 0.05)
    gate, ended = threading.Event(), threading.Semaphore(0)

    def put(request: Any, context: Any) -> Any:
        context.add_callback(ended.release)
        gate.wait(60)
        return pb.PutResponse(outcome=pb.PUT_OUTCOME_STORED)

    async def seven() -> int:
        return 7

    with scripted() as server:
        server.answers["Put"] = put
        with Client(server.url) as client:
            space = client.namespace()
            assert space.get_or_compute("k", lambda: 7, cache="refresh") == 7
            wait_until(lambda: server.seen("Put"))
            space.remove("k")
            # The call itself is over, and it is not made again.
            assert ended.acquire(timeout=60)
            wait_until(lambda: not client._state.flights._running)

        async def test() -> None:
            async with AsyncClient(server.url) as other:
                there = other.namespace()
                assert await there.get_or_compute("k", seven, cache="refresh") == 7
                await there.remove("k")
                assert await asyncio.to_thread(ended.acquire, timeout=60)

        asyncio.run(test())
        assert len(server.seen("Put")) <= 2
        gate.set()


def test_no_more_values_are_stored_behind_their_callers_than_may_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hotplate._sync.computing._STORING_WAIT", 0.05)
    gate = threading.Event()

    def put(request: Any, context: Any) -> Any:
        gate.wait(60)
        return pb.PutResponse(outcome=pb.PUT_OUTCOME_STORED)

    with scripted() as server:
        server.answers["Get"] = lambda request, context: leased()
        server.answers["Put"] = put
        with Client(server.url, computations_max=1) as client:
            space = client.namespace()
            # Each has its place to compute, which the first does not keep while it is stored.
            assert space.get_or_compute("a", lambda: 1) == 1
            assert space.get_or_compute("b", lambda: 2) == 2
            wait_until(lambda: [one.key for one in server.seen("ReleaseLease")] == ["b"])
            assert "too many others" in caplog.text
            gate.set()
            wait_until(lambda: not client._state.give_ups)
        assert [one.key for one in server.seen("Put")] == ["a"]


def test_a_function_that_is_cancelled_after_its_write_still_invalidates() -> None:
    async def test(url: str) -> None:
        async with AsyncClient(url) as client:
            written = asyncio.Event()

            @client.namespace().invalidates(tags=["t"], when="always")
            async def write() -> None:
                written.set()
                await asyncio.Event().wait()

            task = asyncio.ensure_future(write())
            await written.wait()
            task.cancel()
            await asyncio.wait({task}, timeout=60)
            assert task.cancelled()

    with scripted() as server:
        asyncio.run(test(server.url))
        assert len(server.seen("Invalidate")) == 1


def test_what_is_no_failure_is_neither_remembered_nor_replaced_by_a_stale_value() -> None:
    def own() -> int:
        raise PassedError

    with scripted() as server:
        server.answers["Get"] = lambda request, context: leased()
        with Client(server.url) as client, pytest.raises(PassedError):
            client.namespace().get_or_compute("k", own, stale_if_error=True, remember_failure=60)
        (given_back,) = server.seen("ReleaseLease")
        assert not given_back.HasField("failure")
        assert len(server.seen("Get")) == 1


def test_a_miss_without_a_lease_gives_no_right_to_store() -> None:
    with scripted() as server, Client(server.url) as client:
        assert client.namespace().get_or_compute("k", lambda: 7) == 7
        assert len(server.seen("Get")) == 2
        assert not server.seen("Put")
        assert client.namespace().get_or_compute("k", lambda: 7, per_process=True) == 7
        wait_until(lambda: server.seen("Put"))


def test_a_batch_is_cut_by_what_its_items_are_when_encoded() -> None:
    with scripted() as server, Client(server.url) as client:
        client.namespace().put_many({"k" * 1000 + str(number): "x" * (1 << 19) for number in range(8)})
        assert len(server.seen("BatchPut")) == 2
        assert all(one.ByteSize() < 3_700_000 for one in server.seen("BatchPut"))


def test_a_message_that_the_server_finds_too_large_is_no_outage() -> None:
    with scripted() as server, Client(server.url) as client:
        server.answers["BatchPut"] = fails(grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
        with pytest.raises(ResourceExhaustedError, match="MESSAGE_TOO_LARGE"):
            client.namespace().put_many({"a": 1})
        assert client.degradation.writes_dropped == 0
