"""Following changes: what is told, resuming, and the near cache that lives by it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from conftest import Run, until, wait_until

from hotplate import AsyncClient, Client, Hit, NearOptions
from hotplate.testing import local_server


def test_a_watch_tells_what_happens_and_goes_on_after_its_token(client: Client) -> None:
    space = client.namespace()
    with space.watch(values=True) as watch:
        assert _next(watch).type == "created"
        space.put("a", {"n": 1}, tags=["t"])
        told = _next(watch)
        assert (told.type, told.key, told.value) == ("put", "a", {"n": 1})
        token = watch.resume_token
    space.remove("a")
    space.invalidate(tags=["t"])
    with space.watch(resume=token) as watch:
        told = [_next(watch) for _ in range(3)]
    assert [one.type for one in told] == ["created", "invalidated", "set_invalidated"]
    assert told[2].selector is not None
    assert told[2].selector.tag == "t"


def test_a_watch_first_tells_what_is_there_where_that_is_asked_for(client: Client) -> None:
    space = client.namespace()
    space.put("a", 1)
    with space.watch(include_present=True, values=True) as watch:
        told = [_next(watch) for _ in range(3)]
    assert {one.type for one in told} == {"created", "present", "synced"}
    assert [one.value for one in told if one.type == "present"] == [1]


def test_waiting_for_a_watch_loses_nothing_when_it_is_given_up(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        async with space.watch() as watch:
            assert (await watch.next(30)).type == "created"  # type: ignore[union-attr]
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    await watch.next(0.001)
            waiting = asyncio.create_task(watch.next())
            await asyncio.sleep(0)
            waiting.cancel()
            await space.put("k", 1)
            told = await watch.next(30)
            assert told is not None
            assert told.key == "k"

    run(test)


def test_a_watch_outlives_the_server() -> None:
    with local_server() as server:
        address = server.address
        with Client(server.url()) as client:
            watch = client.namespace().watch()
            assert _next(watch).type == "created"
            server.kill()
            assert _next(watch).type == "lost"
            with local_server(listen=address):
                told = [_next(watch), _next(watch)]
                assert "created" in [one.type for one in told]
                assert "discontinuity" in [one.type for one in told]
            watch.close()


def test_a_near_cache_serves_until_someone_else_changes_the_value(client: Client, url: str) -> None:
    with Client(url, near_cache=NearOptions(bytes_max="1MiB", copy="none")) as near:
        space = near.namespace()
        client.namespace().put("k", {"n": 1}, ttl=60)
        found = wait_until(lambda: _near(space, "k"))
        assert found.value == {"n": 1}
        assert space.get_value("k") is space.get_value("k")
        began = time.monotonic()
        client.namespace().put("k", {"n": 2}, ttl=60)
        wait_until(lambda: space.get_value("k") == {"n": 2})
        assert time.monotonic() - began < 30
        stats = space.near_stats()
        assert stats is not None
        assert stats.serving
        assert stats.invalidated == 1


def test_nothing_this_client_wrote_is_read_as_it_was_before(url: str) -> None:
    with Client(url, near_cache="1MiB") as near:
        space = near.namespace()
        space.put("k", 0, ttl=60)
        wait_until(lambda: _near(space, "k"))
        for number in range(1, 50):
            space.put("k", number, ttl=60)
            assert space.get_value("k") == number
            assert space.get_value("k") == number
        space.remove("k")
        assert space.get_value("k") is None


def test_a_near_cache_on_an_event_loop_follows_single_keys(url: str) -> None:
    async def test() -> None:
        options = NearOptions(follow="kept_keys")
        async with AsyncClient(url, near_cache=options) as near, AsyncClient(url) as other:
            space = near.namespace()
            await other.namespace().put("k", 1, ttl=60)

            async def is_near() -> bool:
                found = await space.get("k")
                return isinstance(found, Hit) and found.near

            await until(is_near)
            await other.namespace().remove("k")

            async def is_gone() -> bool:
                return await space.get_value("k") is None

            await until(is_gone)

    asyncio.run(test())


def test_a_client_and_its_near_cache_may_be_used_by_one_loop_after_the_other(url: str) -> None:
    client = AsyncClient(url, near_cache="1MiB")

    async def use(number: int) -> None:
        space = client.namespace()
        await space.put("k", number, ttl=60)

        async def is_near() -> bool:
            found = await space.get("k")
            return isinstance(found, Hit) and found.near and found.value == number

        await until(is_near)

    asyncio.run(use(1))
    asyncio.run(use(2))
    asyncio.run(client.close())


def _next(watch: Any) -> Any:
    told = watch.next(60)
    while told.type == "progress":
        told = watch.next(60)
    return told


def _near(space: Any, key: str) -> Any:
    found = space.get(key)
    return found if isinstance(found, Hit) and found.near else None
