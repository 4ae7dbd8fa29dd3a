"""LiteLLM's cache of answers: `litellm.cache = cache_of(client.namespace("llm"))`.

LiteLLM makes the keys and decides what is cached. Answers are JSON. Of what a call is given only its `ttl` is read
here, and nothing but the answer is stored: the rest holds API keys and prompts.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any, Final

from hotplate._aio.namespace import AsyncNamespace
from hotplate._sync.namespace import Namespace
from hotplate.adapters._extra import needed
from hotplate.adapters._spaces import Spaces
from hotplate.errors import HotplateError
from hotplate.keys import Key
from hotplate.serializers.json import Json

try:
    from litellm.caching.base_cache import BaseCache
    from litellm.caching.caching import Cache
except ImportError as _cause:
    raise needed("litellm", "litellm") from _cause

__all__ = ["HotplateCache", "cache_of"]

#: Selectors of one invalidation.
_SELECTORS_MAX: Final = 128


class HotplateCache(BaseCache):
    """What LiteLLM calls behind its `Cache`. `cache_of` makes both."""

    def __init__(
        self,
        namespace: Namespace | None = None,
        *,
        async_namespace: AsyncNamespace | None = None,
        default_ttl: int | None = None,
        tags: Iterable[str] = (),
        prefix: str = "litellm",
    ) -> None:
        """One of the namespaces is needed; with both, `acompletion` and its like use `async_namespace`.

        - `default_ttl`: seconds, where a call gives no `ttl`; None: what the namespace says.
        - `tags`: groups that all answers belong to.
        - `prefix`: what all keys begin with. Caches with different prefixes share nothing.
        """
        super().__init__()
        self.default_ttl = default_ttl
        self._spaces = Spaces(namespace, async_namespace, Json())
        self._prefix = prefix
        self._options: dict[str, Any] = {"kind": "litellm", "tags": list(tags)}

    def set_cache(self, key: str, value: Any, **kwargs: Any) -> None:
        """Stores an answer."""
        options = self._written(kwargs)
        if options is not None:
            self._spaces.put({self._key(key): value}, **options)

    async def async_set_cache(self, key: str, value: Any, **kwargs: Any) -> None:
        """Stores an answer."""
        await self.async_set_cache_pipeline([(key, value)], **kwargs)

    async def async_set_cache_pipeline(self, cache_list: Iterable[tuple[str, Any]], **kwargs: Any) -> None:
        """Stores several answers."""
        options = self._written(kwargs)
        if options is not None:
            await self._spaces.aput({self._key(key): value for key, value in cache_list}, **options)

    async def batch_cache_write(self, key: str, value: Any, **kwargs: Any) -> None:
        """Stores an answer, at once: nothing waits here for others."""
        await self.async_set_cache(key, value, **kwargs)

    def get_cache(self, key: str, **kwargs: Any) -> Any:
        """The answer; None where there is none."""
        return self._spaces.get(self._key(key))

    async def async_get_cache(self, key: str, **kwargs: Any) -> Any:
        """The answer; None where there is none."""
        return await self._spaces.aget(self._key(key))

    def batch_get_cache(self, keys: list[str], **kwargs: Any) -> list[Any]:
        """Several answers, in the order of their keys."""
        return self._spaces.get_many(map(self._key, keys))

    async def async_batch_get_cache(self, keys: list[str], **kwargs: Any) -> list[Any]:
        """Several answers, in the order of their keys."""
        return await self._spaces.aget_many(map(self._key, keys))

    def delete_cache(self, key: str) -> None:
        """Drops an answer."""
        self._spaces.drop(keys=[self._key(key)], reason="deleted by LiteLLM")

    async def delete_cache_keys(self, keys: list[str]) -> None:
        """Drops several answers."""
        for some in range(0, len(keys), _SELECTORS_MAX):
            named = [self._key(key) for key in keys[some : some + _SELECTORS_MAX]]
            await self._spaces.adrop(keys=named, reason="deleted by LiteLLM")

    def flush_cache(self) -> None:
        """Drops all answers under the prefix, of all processes."""
        self._spaces.drop(prefix=f"{Key(self._prefix)}:", reason="flushed by LiteLLM")

    async def ping(self) -> bool:
        """Whether the server answers."""
        return bool((await self.test_connection())["status"] == "success")

    async def test_connection(self) -> dict[str, Any]:
        """Asks the server who it is."""
        try:
            if self._spaces.loop is not None:
                info = await self._spaces.loop.client.calls.get_server_info()
            else:
                info = await asyncio.to_thread(self._spaces.threads.client.calls.get_server_info)
        except HotplateError as error:
            return {"status": "failed", "message": "the cache does not answer", "error": str(error)}
        return {"status": "success", "message": f"hotplate {info.version} answers"}

    async def disconnect(self) -> None:
        """Does nothing: the client is closed by who made it."""

    def get_ttl(self, **kwargs: Any) -> int | None:
        """Seconds for which an answer stays: what the call says, else `default_ttl`."""
        ttl = _seconds(kwargs.get("ttl"))
        return self.default_ttl if ttl is None else math.ceil(ttl)

    def _key(self, key: str) -> str:
        return str(Key(self._prefix).text(key))

    def _written(self, kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """How an answer is stored; None: it is not."""
        ttl = self.get_ttl(**kwargs)
        if ttl is not None and ttl <= 0:
            return None
        return self._options if ttl is None else {**self._options, "ttl": ttl}


def cache_of(
    namespace: Namespace | None = None,
    *,
    async_namespace: AsyncNamespace | None = None,
    default_ttl: int | None = None,
    tags: Iterable[str] = (),
    prefix: str = "litellm",
    **settings: Any,
) -> Cache:
    """LiteLLM's own `Cache` with hotplate behind it: `litellm.cache = …` installs it.

    `settings` are those of `litellm.Cache`, such as `mode` and `supported_call_types`; the others are those of
    `HotplateCache`.
    """
    # LiteLLM refuses types that it does not know, and calls what is in `cache`.
    cache = Cache(**settings)
    cache.cache = HotplateCache(
        namespace, async_namespace=async_namespace, default_ttl=default_ttl, tags=tags, prefix=prefix
    )
    return cache


def _seconds(ttl: Any) -> float | None:
    try:
        value = float(ttl)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
