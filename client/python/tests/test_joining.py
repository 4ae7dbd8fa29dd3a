"""Who shares whose computation within a process, for how long, and what each gets."""

from __future__ import annotations

import asyncio
import threading
import traceback
from typing import Any

import pytest
from conftest import Run, wait_until
from scripted import leased, scripted

from hotplate import AsyncClient, Client, InvalidArgumentError


class OwnError(Exception):
    """A failure of a computation."""


def test_who_accepts_less_does_not_get_what_another_accepted(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        await space.put("k", "old", ttl=60, stale_for=60)
        await asyncio.sleep(0.02)

        async def ask(**options: Any) -> str:
            return await space.get_or_compute("k", _new, **options)

        async def _new() -> str:
            return "new"

        assert list(await asyncio.gather(ask(), ask(max_age=0.01))) == ["old", "new"]
        await space.put("k", "old", ttl=60, stale_for=60)
        await space.mark_stale("k")
        assert list(await asyncio.gather(ask(stale_while_revalidate=True), ask())) == ["old", "new"]

    run(test)


def test_callers_who_accept_different_things_still_compute_once(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        ran: list[int] = []

        async def compute() -> int:
            ran.append(1)
            await asyncio.sleep(0.05)
            return 7

        calls = [space.get_or_compute("k", compute, max_age=age) for age in (60, 60, 70, 80)]
        assert await asyncio.gather(*calls) == [7] * 4
        assert ran == [1]

    run(test)


def test_what_asks_for_itself_with_other_options_is_an_error_at_once(run: Run, client: Client) -> None:
    space = client.namespace()
    with pytest.raises(InvalidArgumentError, match="for ever"):
        space.get_or_compute("k", lambda: space.get_or_compute("k", lambda: 1, max_age=60))
    # Renewed behind a caller, it is the same.
    failed: list[BaseException] = []

    def renew() -> int:
        try:
            return space.get_or_compute("s", lambda: 1)
        except BaseException as error:
            failed.append(error)
            raise

    space.put("s", 1, ttl=60, stale_for=60)
    space.mark_stale("s")
    assert space.get_or_compute("s", renew, stale_while_revalidate=True) == 1
    wait_until(lambda: failed)
    assert isinstance(failed[0], InvalidArgumentError)

    async def test(other: AsyncClient) -> None:
        async def outer() -> int:
            return await other.namespace().get_or_compute("o", outer, max_age=60)

        with pytest.raises(InvalidArgumentError, match="for ever"):
            await other.namespace().get_or_compute("o", outer)

    run(test)


def test_waiting_for_another_caller_ends_when_it_was_asked_to() -> None:
    gate, begun = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        gate.wait(60)
        return "slow"

    with scripted() as server:
        server.answers["Get"] = lambda request, context: leased()
        with Client(server.url) as client:
            space, got = client.namespace(), []
            thread = threading.Thread(target=lambda: got.append(space.get_or_compute("k", slow)))
            thread.start()
            begun.wait(60)
            assert space.get_or_compute("k", lambda: "own", wait=0.05) == "own"
            gate.set()
            thread.join(60)
            assert got == ["slow"]
            # What the other one computed for itself alone was not stored.
            assert len(server.seen("Put")) == 1


def test_each_caller_says_what_it_takes_in_place_of_a_failure(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        for first, second in ((True, False), (False, True)):
            await space.put("k", "old", ttl=60, stale_for=60)
            await space.mark_stale("k")
            gate = asyncio.Event()

            async def fail(gate: asyncio.Event = gate) -> str:
                await gate.wait()
                raise OwnError

            calls = [space.get_or_compute("k", fail, stale_if_error=takes) for takes in (first, second)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await asyncio.sleep(0)
            gate.set()
            got = await asyncio.gather(*tasks, return_exceptions=True)
            assert [one if isinstance(one, str) else type(one) for one in got] == [
                "old" if takes else OwnError for takes in (first, second)
            ]

    run(test)


def test_each_caller_gets_a_failure_without_the_frames_of_the_others(client: Client) -> None:
    space, gate, begun = client.namespace(), threading.Event(), threading.Event()
    frames: list[int] = []
    lock = threading.Lock()

    def fail() -> int:
        begun.set()
        gate.wait(60)
        raise OwnError

    def ask() -> None:
        try:
            space.get_or_compute("k", fail)
        except OwnError as error:
            with lock:
                frames.append(len(traceback.extract_tb(error.__traceback__)))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    threads[0].start()
    begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: any(flight.waiters == 20 for flight in list(client._state.flights._flights.values())))
    gate.set()
    for thread in threads:
        thread.join(60)
    assert len(frames) == 20
    # As many as one caller sees, and the few of those who were amid raising it.
    assert max(frames) < 40


def test_a_plain_function_that_ends_by_stopiteration_leaves_nobody_waiting(run: Run) -> None:
    def stops() -> int:
        raise StopIteration

    async def test(client: AsyncClient) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(client.namespace().get_or_compute("k", stops, in_thread=True), 30)

    run(test)
