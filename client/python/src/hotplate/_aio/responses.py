"""Responses of AI services, kept by text, operation and options. How they are named is in `_core.responses`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from hotplate._aio.namespace import AsyncNamespace
from hotplate._core.responses import DEFAULT_TTL, OPERATION_TTLS, Counts, response_key
from hotplate.errors import CodecError
from hotplate.keys import AnyKey, Key
from hotplate.results import Hit, Written
from hotplate.statistics import Stats
from hotplate.ttl import TtlLike

T = TypeVar("T")


class AsyncResponseCache:
    """Responses of AI services by text, operation and options, and the plain operations of a cache beside them.

    Texts up to 1,000 characters are readable in the key, longer ones are hashed. Each operation has its own lifetime.
    A value that cannot be read is a miss and is written anew. The server compresses what is large.
    """

    def __init__(
        self,
        space: AsyncNamespace,
        *,
        operation_ttls: Mapping[str, TtlLike] | None = None,
        default_ttl: TtlLike = DEFAULT_TTL,
    ) -> None:
        """Over a namespace. `operation_ttls` adds to, and replaces, `hotplate.ai.OPERATION_TTLS`."""
        self._space = space
        self._ttls = {**OPERATION_TTLS, **(operation_ttls or {})}
        self._default_ttl = default_ttl
        self._counts = Counts()

    def key(
        self, text: str, operation: str, options: Mapping[str, Any] | None = None, question: str | None = None
    ) -> Key:
        """The key of a response."""
        with self._counts.timed("key"):
            return response_key(text, operation, options, question)

    def ttl_of(self, operation: str) -> TtlLike:
        """How long responses of an operation live."""
        return self._ttls.get(operation, self._default_ttl)

    async def cache_response(
        self,
        text: str,
        operation: str,
        options: Mapping[str, Any] | None,
        response: Any,
        question: str | None = None,
    ) -> Written:
        """Stores the response to a text."""
        key = self.key(text, operation, options, question)
        with self._counts.timed("set"):
            written = await self._space.put(key, response, ttl=self.ttl_of(operation), kind=operation)
        self._counts.used(operation, text, hit=None)
        return written

    async def get_cached_response(
        self,
        text: str,
        operation: str,
        options: Mapping[str, Any] | None = None,
        question: str | None = None,
    ) -> Any | None:
        """The response to a text; None when there is none."""
        key = self.key(text, operation, options, question)
        with self._counts.timed("get"):
            found = await self.get(key)
        self._counts.used(operation, text, hit=found is not None)
        return found

    async def get_or_respond(
        self,
        text: str,
        operation: str,
        options: Mapping[str, Any] | None,
        respond: Callable[[], Awaitable[T]],
        question: str | None = None,
    ) -> T:
        """The response to a text: the stored one, or asked for once by all processes, and stored."""
        key = self.key(text, operation, options, question)
        asked = False

        async def counted() -> T:
            nonlocal asked
            asked = True
            return await respond()

        with self._counts.timed("get"):
            value = await self._space.get_or_compute(key, counted, ttl=self.ttl_of(operation), kind=operation)
        self._counts.used(operation, text, hit=not asked)
        return value

    async def invalidate_by_operation(self, operation: str, reason: str = "") -> int:
        """Drops all responses of an operation, and answers how many. The reason is kept with the change."""
        done = await self._space.invalidate(kind=operation, reason=reason)
        self._counts.invalidated(reason, done.matched or 0)
        return done.matched or 0

    async def invalidate_pattern(self, pattern: str, reason: str = "") -> int:
        """Drops all whose key matches a glob (`ai:summarize:*`), and answers how many."""
        done = await self._space.invalidate(glob=pattern, reason=reason)
        self._counts.invalidated(reason, done.matched or 0)
        return done.matched or 0

    async def clear(self, reason: str = "") -> int:
        """Drops everything of the namespace, and answers how many."""
        done = await self._space.invalidate(everything=True, reason=reason)
        self._counts.invalidated(reason, done.matched or 0)
        return done.matched or 0

    async def get(self, key: AnyKey) -> Any | None:
        """The value of a key; None when there is none, or none that can be read."""
        try:
            found = await self._space.get(key)
        except CodecError:
            await self._space.remove(key, reason="it could not be read")
            return None
        return found.value if isinstance(found, Hit) else None

    async def set(self, key: AnyKey, value: Any, ttl: TtlLike | None = None) -> bool:
        """Stores a value; whether it is in the cache now."""
        return (await self._space.put(key, value, ttl=self._default_ttl if ttl is None else ttl)).is_stored

    async def delete(self, key: AnyKey) -> bool:
        """Drops a key; whether it was there."""
        return bool((await self._space.remove(key)).matched)

    async def exists(self, key: AnyKey) -> bool:
        """Whether there is a fresh value."""
        return await self._space.exists(key)

    async def get_ttl(self, key: AnyKey) -> float | None:
        """Seconds for which a value stays fresh; None when there is none."""
        return await self._space.ttl(key)

    async def stats(self) -> Stats:
        """What the server counted of the namespace, with entries and bytes."""
        return await self._space.stats()

    def get_performance_summary(self) -> dict[str, Any]:
        """What this process did: hits and misses by operation and size of text, timings, invalidations by reason."""
        return self._counts.summary()
