"""LiteLLM over the cache: real calls of `completion` with an answer that stands in for a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import litellm
import pytest
from litellm.caching.base_cache import BaseCache

from hotplate import AsyncClient, Client
from hotplate.adapters.litellm import HotplateCache, cache_of


@pytest.fixture
def installed(client: Client) -> Iterator[Client]:
    litellm.cache = cache_of(client.namespace(), default_ttl=600, tags=["answers"])
    yield client
    litellm.cache = None


def ask(answer: str, question: str = "which tyres?", **more: Any) -> Any:
    return litellm.completion(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": question}],
        mock_response=answer,
        api_key="sk-secret",
        **more,
    )


def test_the_second_call_is_a_hit(installed: Client) -> None:
    first = ask("soft", caching=True)
    second = ask("hard", caching=True)
    assert first.choices[0].message.content == second.choices[0].message.content == "soft"
    assert (second.id, second._hidden_params["cache_hit"]) == (first.id, True)
    assert ask("hard", "another question", caching=True).choices[0].message.content == "hard"


def test_nothing_but_the_answer_is_stored(installed: Client) -> None:
    ask("soft", caching=True)
    (entry,) = installed.namespace().entries()
    assert (entry.metadata.kind, list(entry.metadata.tags)) == ("litellm", ["answers"])
    assert 590 <= entry.metadata.fresh_for.seconds <= 600
    stored = installed.namespace().get_value(entry.key)
    assert set(stored) == {"timestamp", "response"}
    assert "sk-secret" not in str(stored)


def test_a_calls_own_ttl_and_no_store(installed: Client) -> None:
    ask("soft", caching=True, cache={"ttl": 60})
    (entry,) = installed.namespace().entries()
    assert entry.metadata.fresh_for.seconds <= 60
    ask("soft", "not this one", caching=True, cache={"no-store": True})
    assert len(installed.namespace().list()) == 1


def test_streams_are_cached_when_they_end(installed: Client) -> None:
    for _ in range(2):
        pieces = [piece.choices[0].delta.content or "" for piece in ask("a long answer", caching=True, stream=True)]
        assert "".join(pieces) == "a long answer"
    assert len(installed.namespace().list()) == 1


def test_event_loops_have_the_same_answers(url: str) -> None:
    async def both() -> None:
        async with AsyncClient(url) as client:
            space = client.namespace()
            litellm.cache = cache_of(async_namespace=space)
            messages = [{"role": "user", "content": "which tyres?"}]
            first = await litellm.acompletion(
                model="gpt-4o-mini", messages=messages, mock_response="soft", caching=True
            )
            # LiteLLM stores in a task of its own.
            async with asyncio.timeout(60):
                while not await space.list():  # noqa: ASYNC110 - it gives no sign when it is done
                    await asyncio.sleep(0.01)
            again = await litellm.acompletion(
                model="gpt-4o-mini", messages=messages, mock_response="hard", caching=True
            )
            assert again.choices[0].message.content == first.choices[0].message.content == "soft"

    try:
        asyncio.run(both())
    finally:
        litellm.cache = None


def test_every_method(client: Client) -> None:
    async def run() -> None:
        cache = HotplateCache(client.namespace())
        assert isinstance(cache, BaseCache)
        cache.set_cache("a", {"n": 1})
        await cache.async_set_cache("b", [2], ttl=60.5)
        await cache.async_set_cache_pipeline([("c", "3"), ("d:é/x", None)], ttl="60")
        await cache.batch_cache_write("e", 5)
        cache.set_cache("never", 1, ttl=0)
        assert cache.get_cache("a") == await cache.async_get_cache("a") == {"n": 1}
        expected = [[2], "3", None, 5, None]
        keys = ["b", "c", "d:é/x", "e", "never"]
        assert cache.batch_get_cache(keys) == await cache.async_batch_get_cache(keys) == expected
        assert client.namespace().ttl("litellm:b") == pytest.approx(61, abs=2)
        cache.set_cache("odd", object())
        assert cache.get_cache("odd") is None
        await cache.delete_cache_keys([*(f"k{n}" for n in range(200)), "c"])
        cache.delete_cache("b")
        assert cache.batch_get_cache(["a", "b", "c"]) == [{"n": 1}, None, None]
        assert await cache.ping()
        assert (await cache.test_connection())["status"] == "success"
        cache.flush_cache()
        assert client.namespace().list() == []
        await cache.disconnect()

    asyncio.run(run())


def test_a_cache_that_is_away() -> None:
    with Client("hotplate://127.0.0.1:1/n", timeout="200ms") as away:
        litellm.cache = cache_of(away.namespace())
        try:
            assert ask("soft", caching=True).choices[0].message.content == "soft"
        finally:
            litellm.cache = None
        told = asyncio.run(HotplateCache(away.namespace()).test_connection())
        assert told["status"] == "failed"
