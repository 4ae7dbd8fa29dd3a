"""A client that is turned off: nothing is sent by anything, and everything has an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from scripted import scripted

from hotplate import AsyncClient, Client, FailedPreconditionError, Invalidated, Miss, Written


def test_nothing_is_sent_by_anything() -> None:
    with scripted() as server:
        client = Client(server.url, disabled=True, near_cache="1MiB", token=_fails)
        space = client.namespace()
        dropped = Written("dropped", None, "disabled")
        assert space.get("k") == Miss("disabled")
        assert space.get_many(["a", "b"]) == {"a": Miss("disabled"), "b": Miss("disabled")}
        assert space.put("k", 1) == dropped
        assert space.put_many({"a": 1, "large": "x" * (2 << 20)}) == {"a": dropped, "large": dropped}
        assert space.put_negative("k", "NOT_FOUND") == dropped
        assert not space.touch("k", 60)
        assert not space.exists("k")
        assert space.ttl("k") is None
        assert space.remove("k") == Invalidated("disabled")
        assert space.mark_stale("k") == Invalidated("disabled")
        assert space.refresh("k").outcome == "disabled"
        assert space.get_or_compute("k", lambda: 7) == 7
        assert space.get_or_compute("k", lambda: 7, cache="refresh") == 7
        with space.read_stream("k", follow=True) as reading:
            assert reading.found == Miss("disabled")
            assert reading.read() == b""
        with space.write_stream("k") as writing:
            writing.send(b"some")
            assert writing.finish() == dropped
        assert client.degradation.writes_dropped >= 6
        client.close()
        assert not server.seen()


@pytest.mark.parametrize(
    "call",
    [
        lambda space: space.watch(),
        lambda space: space.preload(["k"]),
        lambda space: space.join_preload("job"),
        lambda space: space.stats(),
        lambda space: space.explain("k"),
        lambda space: space.list(),
        lambda space: space.client.calls.get_server_info(),
    ],
)
def test_what_has_no_answer_without_a_cache_names_the_switch(call: Callable[[Any], Any]) -> None:
    with Client(disabled=True) as client, pytest.raises(FailedPreconditionError, match="HOTPLATE_DISABLE"):
        call(client.namespace())

    async def test() -> None:
        async with AsyncClient(disabled=True) as other:
            with pytest.raises(FailedPreconditionError, match="HOTPLATE_DISABLE"):
                await call(other.namespace())

    asyncio.run(test())


def _fails() -> str:
    raise AssertionError("nobody asks for a token")
