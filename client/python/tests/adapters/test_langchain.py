"""LangChain's own suites, and what they do not ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from langchain_core.caches import BaseCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite

from hotplate import AsyncClient, Client, errors
from hotplate.adapters.langchain import HotplateCache


class TestSync(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, client: Client) -> BaseCache:
        return HotplateCache(client.namespace())


class TestAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, url: str) -> AsyncIterator[BaseCache]:
        async with AsyncClient(url) as client:
            yield HotplateCache(async_namespace=client.namespace())


class TestAsyncFromThreads(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, client: Client) -> BaseCache:
        return HotplateCache(client.namespace())


@pytest.fixture
def cache(client: Client) -> HotplateCache:
    return HotplateCache(client.namespace(), ttl="1h", tags=["answers"])


def test_a_model_is_asked_once(cache: HotplateCache) -> None:
    set_llm_cache(cache)
    try:
        model = GenericFakeChatModel(messages=iter([AIMessage("first"), AIMessage("second")]))
        assert model.invoke("what?").content == "first"
        assert model.invoke("what?").content == "first"
        assert model.invoke("something else?").content == "second"
    finally:
        set_llm_cache(None)


def test_messages_come_back_whole(cache: HotplateCache) -> None:
    message = AIMessage("spa", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}], usage_metadata=None)
    answer = [ChatGeneration(message=message, generation_info={"finish_reason": "stop"})]
    cache.update("prompt", "llm", answer)
    assert cache.lookup("prompt", "llm") == answer


def test_what_is_stored_is_json_with_tags_and_a_lifetime(client: Client, cache: HotplateCache) -> None:
    cache.update("secret prompt", "llm", [Generation(text="answer")])
    (entry,) = client.namespace().entries()
    assert (entry.metadata.kind, list(entry.metadata.tags)) == ("langchain", ["answers"])
    assert entry.metadata.content_type == "application/vnd.langchain+json"
    assert 3500 < entry.metadata.fresh_for.seconds <= 3600
    assert "secret" not in entry.key
    assert json.loads(json.dumps(client.namespace().get_value(entry.key)))[0]["id"][-1] == "Generation"


def test_clear_of_one_model_leaves_the_others(cache: HotplateCache) -> None:
    for llm in ("one", "other"):
        cache.update("prompt", llm, [Generation(text=llm)])
    cache.clear(llm_string="one")
    assert cache.lookup("prompt", "one") is None
    assert cache.lookup("prompt", "other") == [Generation(text="other")]
    with pytest.raises(errors.InvalidArgumentError, match="llm_string"):
        cache.clear(model="one")


def test_nothing_but_answers_is_made_on_reading(client: Client, cache: HotplateCache) -> None:
    cache.update("prompt", "llm", [Generation(text="answer")])
    (key,) = client.namespace().list()
    prompt = {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "prompt", "PromptTemplate"], "kwargs": {}}
    secret = {"lc": 1, "type": "secret", "id": ["PATH"]}
    from hotplate.serializers import Raw

    raw = client.namespace(serializer=Raw("application/vnd.langchain+json"))
    for planted in ([prompt], [secret], {"text": "x"}, ["x"], 1):
        raw.put(key, json.dumps(planted))
        assert cache.lookup("prompt", "llm") is None
    raw.put(key, b"\x80no json")
    assert cache.lookup("prompt", "llm") is None


def test_what_cannot_be_read_again_is_not_stored(cache: HotplateCache, caplog: pytest.LogCaptureFixture) -> None:
    class Own:
        pass

    cache.update("prompt", "llm", [Generation(text="x", generation_info={"own": Own()})])
    assert cache.lookup("prompt", "llm") is None
    assert "is not stored" in caplog.text


def test_a_cache_that_is_away_is_a_miss() -> None:
    with Client("hotplate://127.0.0.1:1/n", timeout="200ms") as away:
        cache = HotplateCache(away.namespace())
        cache.update("prompt", "llm", [Generation(text="x")])
        assert cache.lookup("prompt", "llm") is None
        cache.clear()


def test_threads_need_a_namespace_of_threads(url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="namespace"):
        HotplateCache()

    async def alone() -> None:
        async with AsyncClient(url) as client:
            cache = HotplateCache(async_namespace=client.namespace())
            with pytest.raises(errors.ConfigurationError, match="give it `namespace` too"):
                cache.lookup("prompt", "llm")

    asyncio.run(alone())
