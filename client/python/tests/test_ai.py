"""Responses of AI services."""

from __future__ import annotations

import asyncio

from conftest import Run

from hotplate import AsyncClient, Client, serializers
from hotplate.ai import AsyncResponseCache, ResponseCache, tier_of

OPTIONS = {"max_length": 100, "model": "small"}


def test_a_response_is_found_by_text_operation_and_options(client: Client) -> None:
    cache = ResponseCache(client.namespace())
    response = {"summary": "short"}
    assert cache.get_cached_response("a text", "summarize", OPTIONS) is None
    assert cache.cache_response("a text", "summarize", OPTIONS, response).is_stored
    assert cache.get_cached_response("a text", "summarize", dict(reversed(OPTIONS.items()))) == response
    assert cache.get_cached_response("a text", "summarize", {**OPTIONS, "max_length": 50}) is None
    assert cache.get_cached_response("a text", "sentiment", OPTIONS) is None
    assert cache.get_cached_response("a text", "summarize", OPTIONS, question="why?") is None


def test_short_texts_are_readable_in_keys_and_long_ones_are_not(client: Client) -> None:
    cache = ResponseCache(client.namespace())
    assert str(cache.key("short", "qa")) == "ai:qa:short"
    assert str(cache.key("x" * 1_001, "qa")).startswith("ai:qa:~sha256:")
    assert [tier_of("x" * size) for size in (500, 501, 5_001, 50_001)] == ["small", "medium", "large", "xlarge"]


def test_each_operation_has_its_lifetime(client: Client) -> None:
    cache = ResponseCache(client.namespace(), operation_ttls={"translate": "10m"}, default_ttl="5m")
    for operation, seconds in (("summarize", 7_200), ("qa", 1_800), ("translate", 600), ("unknown", 300)):
        cache.cache_response("t", operation, None, "r")
        left = cache.get_ttl(cache.key("t", operation)) or 0
        assert 0.85 * seconds < left <= seconds


def test_responses_are_dropped_by_operation_and_pattern_with_a_reason(client: Client) -> None:
    cache = ResponseCache(client.namespace())
    for text in ("a", "b"):
        cache.cache_response(text, "summarize", None, "r")
        cache.cache_response(text, "qa", None, "r")
    assert cache.invalidate_by_operation("summarize", reason="a new model") == 2
    assert cache.get_cached_response("a", "summarize") is None
    assert cache.invalidate_pattern("ai:qa:a*", reason="wrong") == 1
    assert cache.get_cached_response("b", "qa") == "r"
    events = client.namespace().explain(cache.key("a", "summarize")).events
    assert "a new model" in [event.reason for event in events]
    summary = cache.get_performance_summary()
    assert summary["invalidated_by_reason"] == {"a new model": 2, "wrong": 1}
    assert (summary["hits"], summary["misses"], summary["text_tiers"]["small"]["stored"]) == (1, 1, 4)
    assert summary["timings"]["get"]["count"] == 2
    assert cache.clear("the end") == 1


def test_the_plain_operations_of_a_cache_are_there(client: Client) -> None:
    cache = ResponseCache(client.namespace())
    assert cache.set("k", [1, 2])
    assert cache.get("k") == [1, 2]
    assert cache.exists("k")
    assert cache.delete("k")
    assert not cache.delete("k")
    assert cache.get("k") is None
    assert cache.get_ttl("k") is None
    stats = cache.stats()
    assert stats.puts == 1
    assert 0 <= stats.utilization < 1


def test_what_cannot_be_read_is_a_miss_and_gone(client: Client) -> None:
    cache = ResponseCache(client.namespace())
    client.namespace(serializer=serializers.Raw()).put("k", b"\xff")
    assert cache.get("k") is None
    assert not cache.exists("k")


def test_one_response_is_asked_for_once(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        cache = AsyncResponseCache(client.namespace())
        asked = 0

        async def respond() -> str:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.05)
            return "an answer"

        got = await asyncio.gather(*(cache.get_or_respond("t", "qa", None, respond) for _ in range(50)))
        assert got == ["an answer"] * 50
        assert asked == 1

    run(test)
