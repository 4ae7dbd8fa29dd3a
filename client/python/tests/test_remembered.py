"""Invalidations that are remembered are carried out, whatever fails; and what counts as a cache that is away."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import pytest
from conftest import until, wait_until
from scripted import fails, scripted

from hotplate import AsyncClient, Client, Hit, InvalidArgumentError, Invalidated, Miss, Selector, UnavailableError
from hotplate._core import guard
from hotplate._core.guard import Guard
from hotplate.errors import CallCancelledError, DeadlineExceededError, HotplateError
from hotplate.v1 import cache_pb2 as pb


def test_what_one_loop_remembered_another_carries_out() -> None:
    with scripted() as server:
        server.answers["Invalidate"] = fails(grpc.StatusCode.UNAVAILABLE)
        client = AsyncClient(server.url, timeout="5s")

        async def drop() -> Invalidated:
            return await client.namespace().remove("k")

        assert asyncio.run(drop()).outcome == "queued"
        del server.answers["Invalidate"]

        async def read() -> None:
            # A process that only reads from now on.
            async def reads() -> bool:
                return await client.namespace().get("k") != Miss("unavailable")

            await until(reads)
            assert client.invalidations_waiting == 0
            await client.close()

        asyncio.run(read())


def test_one_that_the_server_fails_at_is_widened_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "PROBE_INTERVAL", 0.01)
    away = True

    def invalidate(request: Any, context: Any) -> Any:
        if away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        if any(one.key == "refused" for one in request.selectors):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        if any(one.key == "bad" for one in request.selectors):
            context.abort(grpc.StatusCode.INTERNAL, "a fault")
        return pb.InvalidateResponse()

    with scripted() as server, Client(server.url, timeout="5s") as client:
        server.answers["Invalidate"] = invalidate
        assert client.namespace().invalidate("bad", "good", "refused").outcome == "queued"
        away = False
        wait_until(lambda: client.invalidations_waiting == 0)
        done = [[one.key or one.WhichOneof("selector") for one in call.selectors] for call in server.seen("Invalidate")]
        assert done[-1] == ["everything"]
        assert done.count(["bad"]) == 5
        assert done.index(["good"]) < len(done) - 3
        assert "everything of its namespace is dropped instead" in caplog.text
        assert "refused an invalidation" in caplog.text
        assert [record.levelno for record in caplog.records if "refused" in record.message] == [logging.ERROR]


def test_one_that_fails_for_ever_is_given_up_at_last() -> None:
    waits = Guard(raises=False, disabled=False, journal_max=9, client_id="c", changed=lambda there: None)
    waits.remember(None, "n", [Selector.key("k").message])
    became = []
    while (batch := waits.next_batch()) is not None:
        ((number, waiting),) = batch.items()
        became.append(waits.failed_at(number, waiting))
    assert became == [*["again"] * 4, "widened", *["again"] * 4, "dropped"]


def test_an_invalidation_that_is_done_in_part_is_done(caplog: pytest.LogCaptureFixture) -> None:
    with scripted() as server, Client(server.url) as client:
        server.answers["Invalidate"] = fails(grpc.StatusCode.UNAVAILABLE, "TIER_PENDING")
        space = client.namespace()
        for _ in range(6):
            assert space.remove("k") == Invalidated("done", None)
        assert len(server.seen("Invalidate")) == 6
        assert space.get("other") == Miss("other")
        assert client.available
        assert client.invalidations_waiting == 0
        assert "not yet in every tier" in caplog.text
        with Client(server.url, on_error="raise") as raising, pytest.raises(UnavailableError) as caught:
            raising.namespace().remove("k")
        assert caught.value.reason == "TIER_PENDING"


def test_what_is_remembered_and_done_in_part_is_done() -> None:
    with scripted() as server, Client(server.url, timeout="5s") as client:
        server.answers["Invalidate"] = fails(grpc.StatusCode.UNAVAILABLE)
        assert client.namespace().remove("k").outcome == "queued"
        server.answers["Invalidate"] = fails(grpc.StatusCode.UNAVAILABLE, "TIER_PENDING")
        wait_until(lambda: client.invalidations_waiting == 0)


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (UnavailableError("away"), 5),
        (DeadlineExceededError("late"), 5),
        (UnavailableError("in part", reason="TIER_PENDING"), 0),
        (InvalidArgumentError("no"), 0),
        (CallCancelledError("given up"), 4),
        (UnavailableError("no token", reason="TOKEN_FUNCTION_FAILED"), 4),
    ],
)
def test_what_counts_as_a_failure_of_the_cache(error: HotplateError, failures: int) -> None:
    watched = Guard(raises=False, disabled=False, journal_max=9, client_id="c", changed=lambda there: None)
    for _ in range(4):
        watched.observe(UnavailableError("away"))
    watched.observe(error)
    assert watched.breaker._failures == failures
    assert watched.breaker.available == (failures < 5)


def test_a_token_function_that_fails_is_a_cache_that_is_away(url: str) -> None:
    fails_now = True

    def token() -> str:
        if fails_now:
            raise OSError("the vault of user:secret is away")
        return "secret"

    with Client(url, token=token) as client:
        space = client.namespace()
        for _ in range(6):
            assert space.get("k") == Miss("unavailable")
        assert client.available
        assert space.get_or_compute("k", lambda: 1) == 1
        assert space.remove("k").outcome == "queued"
        fails_now = False
        wait_until(lambda: client.invalidations_waiting == 0)
        assert isinstance(space.get("k"), Miss)
        fails_now = True
        with Client(url, token=token, on_error="raise") as raising, pytest.raises(UnavailableError) as caught:
            raising.namespace().get("k")
        assert "OSError" in str(caught.value)
        assert "vault" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_token_may_come_from_a_coroutine_function(url: str) -> None:
    async def token() -> str:
        await asyncio.sleep(0)
        return "secret"

    async def test() -> None:
        async with AsyncClient(url, token=token) as client:
            space = client.namespace()
            await space.put("k", 1)
            assert isinstance(await space.get("k"), Hit)

    asyncio.run(test())
    with Client(url, token=token) as client, pytest.raises(HotplateError, match="AsyncClient"):
        client.namespace().get("k")
