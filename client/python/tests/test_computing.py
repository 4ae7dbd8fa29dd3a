"""One computation for all callers, whoever gives up and whatever fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Run, until, wait_until

from hotplate import AsyncClient, Client, ComputeError, InvalidArgumentError, Miss, NotFoundError
from hotplate.testing import local_server


class OwnError(Exception):
    """A failure of a computation."""


@pytest.fixture
def long_leases() -> Iterator[str]:
    """The address of a server whose leases lapse after a minute."""
    with local_server("--leases-duration", "60s") as own:
        yield own.url()


def test_two_hundred_callers_cost_one_computation(run: Run) -> None:
    calls = 0

    async def compute() -> dict[str, int]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.1)
        return {"value": 7}

    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        got = await asyncio.gather(*(space.get_or_compute("k", compute, ttl=60) for _ in range(200)))
        assert got == [{"value": 7}] * 200
        assert calls == 1
        assert await space.get_value("k") == {"value": 7}

    run(test)


def test_threads_and_clients_share_one_computation(url: str) -> None:
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        time.sleep(0.3)
        return 7

    clients = [Client(url) for _ in range(3)]
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda space: got.append(space.get_or_compute("k", compute)), args=(one.namespace(),))
        for one in clients
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [7] * 30
    assert len(calls) == 1
    for client in clients:
        client.close()


def test_a_caller_that_gives_up_does_not_end_the_computation(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        gate = asyncio.Event()
        ran: list[str] = []

        async def compute() -> int:
            ran.append("begun")
            await gate.wait()
            ran.append("ended")
            return 7

        first = asyncio.create_task(space.get_or_compute("k", compute))
        await until(lambda: _is(bool(ran)))
        second = asyncio.create_task(space.get_or_compute("k", compute))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        assert await second == 7
        assert ran == ["begun", "ended"]

    run(test)


def test_when_the_last_caller_gives_up_the_lease_goes_to_the_next(long_leases: str) -> None:
    async def test() -> None:
        client = AsyncClient(long_leases)
        cancelled = asyncio.Event()
        begun = asyncio.Event()

        async def forever() -> int:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return 0

        task = asyncio.create_task(client.namespace().get_or_compute("k", forever))
        await begun.wait()
        async with client, AsyncClient(long_leases) as other:
            waiting = asyncio.create_task(other.namespace().get_or_compute("k", _seven))
            task.cancel()
            await asyncio.wait_for(cancelled.wait(), 30)
            # Long before the lease would lapse by itself.
            assert await asyncio.wait_for(waiting, 40) == 7

    asyncio.run(test())


def test_a_failure_is_the_callers_own_and_not_kept(client: Client) -> None:
    space = client.namespace()

    def fail() -> int:
        raise OwnError("no data")

    with pytest.raises(OwnError, match="no data"):
        space.get_or_compute("k", fail)
    assert space.get_or_compute("k", lambda: 7) == 7


def test_a_failure_is_remembered_where_that_is_asked_for(client: Client, url: str) -> None:
    def fail() -> int:
        raise OwnError("no data")

    with pytest.raises(OwnError):
        client.namespace().get_or_compute("k", fail, remember_failure=60)

    def fails_as_remembered() -> bool:
        with Client(url) as other:
            try:
                other.namespace().get_or_compute("k", fail, wait=0)
            except ComputeError as error:
                return error.reason == "COMPUTE_FAILED" and error.message == "no data"
            except OwnError:
                return False
        return False

    wait_until(fails_as_remembered)


def test_modes_do_what_they_say(client: Client) -> None:
    space = client.namespace()
    with pytest.raises(NotFoundError) as caught:
        space.get_or_compute("k", lambda: 1, cache="only")
    assert caught.value.reason == "NOT_CACHED"
    assert space.get_or_compute("k", lambda: 1, cache="bypass") == 1
    assert isinstance(space.get("k"), Miss)
    assert space.get_or_compute("k", lambda: 2) == 2
    assert space.get_or_compute("k", lambda: 3) == 2
    assert space.get_or_compute("k", lambda: 4, cache="refresh") == 4
    assert space.get_or_compute("k", lambda: 5, cache="only") == 4


def test_a_stale_value_is_better_than_a_failure_where_that_is_asked_for(client: Client) -> None:
    space = client.namespace()
    space.put("k", "old", ttl=60, stale_for=60)
    space.mark_stale("k")

    def fail() -> str:
        raise OwnError

    assert space.get_or_compute("k", fail, stale_if_error=True) == "old"
    with pytest.raises(OwnError):
        space.get_or_compute("k", fail)


def test_a_stale_value_is_renewed_behind_the_caller(client: Client) -> None:
    space = client.namespace()
    space.put("k", "old", ttl=60, stale_for=60)
    space.mark_stale("k")
    assert space.get_or_compute("k", lambda: "new", stale_while_revalidate=True, ttl=60) == "old"
    assert wait_until(lambda: space.get_value("k")) == "new"


def test_an_invalidation_meanwhile_keeps_the_value_from_being_stored(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        begun, gate = asyncio.Event(), asyncio.Event()

        async def compute() -> int:
            begun.set()
            await gate.wait()
            return 7

        task = asyncio.create_task(space.get_or_compute("k", compute))
        await begun.wait()
        await space.remove("k")
        gate.set()
        assert await task == 7
        assert isinstance(await space.get("k"), Miss)

    run(test)


def test_a_computation_that_asks_for_itself_is_an_error_at_once(run: Run, client: Client) -> None:
    threaded = client.namespace()
    with pytest.raises(InvalidArgumentError, match="for ever"):
        threaded.get_or_compute("a", lambda: threaded.get_or_compute("a", lambda: 1))

    async def test(other: AsyncClient) -> None:
        space = other.namespace()

        async def outer() -> int:
            return await space.get_or_compute("outer", outer)

        with pytest.raises(InvalidArgumentError, match="for ever"):
            await space.get_or_compute("outer", outer)

    run(test)


def test_nested_computations_need_no_place_of_their_own(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()

        async def outer() -> int:
            return 1 + await space.get_or_compute("inner", _seven)

        assert await asyncio.wait_for(space.get_or_compute("outer", outer), 30) == 8

    run(test, computations_max=1)


def test_a_lease_is_kept_for_longer_than_it_lasts_by_itself() -> None:
    with local_server("--leases-duration", "1s") as own, Client(own.url()) as one, Client(own.url()) as two:
        calls: list[int] = []

        def slow() -> int:
            calls.append(1)
            time.sleep(3)
            return 7

        thread = threading.Thread(target=lambda: one.namespace().get_or_compute("k", slow))
        thread.start()
        wait_until(lambda: calls)
        assert two.namespace().get_or_compute("k", slow, wait=60) == 7
        thread.join()
        assert len(calls) == 1


def test_a_client_that_is_closed_gives_its_leases_back(long_leases: str) -> None:
    url = long_leases
    one, begun, gate = Client(url), threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        gate.wait()
        return 1

    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(one.namespace().get_or_compute("k", wait)))
    thread.start()
    begun.wait()
    one.close()
    with Client(url) as two:
        began = time.monotonic()
        assert two.namespace().get_or_compute("k", lambda: 2) == 2
        # Long before the lease would lapse by itself.
        assert time.monotonic() - began < 40
        gate.set()
        thread.join()
        assert got == [1]
        assert two.namespace().get_value("k") == 2


def test_a_plain_function_may_run_in_a_thread(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        here = threading.get_ident()
        ran = await client.namespace().get_or_compute("k", threading.get_ident, in_thread=True)
        assert ran != here

    run(test)


async def _seven() -> int:
    return 7


async def _is(value: Any) -> Any:
    return value


def test_what_is_no_exception_is_a_failure_without_its_text(run: Run, client: Client) -> None:
    class PanicError(BaseException):
        """As libraries below Python raise it."""

    async def panic() -> int:
        raise PanicError("a secret")

    async def test(other: AsyncClient) -> None:
        with pytest.raises(ComputeError, match="ended by PanicError") as caught:
            await other.namespace().get_or_compute("k", panic)
        assert "secret" not in str(caught.value)

    run(test)
    # The lease was given back.
    assert client.namespace().get_or_compute("k", lambda: 1) == 1
