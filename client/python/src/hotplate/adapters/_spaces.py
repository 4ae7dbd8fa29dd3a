"""One namespace for libraries whose caches have methods for threads and for event loops.

What cannot be written or read is logged and left to be computed: a cache behind another library does not break it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from hotplate._aio.namespace import AsyncNamespace
from hotplate._sync.namespace import Namespace
from hotplate.errors import CodecError, ConfigurationError, HotplateError
from hotplate.results import Hit, Invalidated, Lookup
from hotplate.serializers.base import Serializer

_log = logging.getLogger("hotplate")


class Spaces:
    """A namespace for threads, one for event loops, or both. With only the first, event loops use it from a thread."""

    def __init__(
        self, namespace: Namespace | None, async_namespace: AsyncNamespace | None, serializer: Serializer
    ) -> None:
        """Both are given the same serializer. Raises `ConfigurationError` without any."""
        if namespace is None and async_namespace is None:
            raise ConfigurationError("give it `namespace`, `async_namespace`, or both")
        if isinstance(namespace, AsyncNamespace) or isinstance(async_namespace, Namespace):
            raise ConfigurationError("`namespace` is one of a Client, `async_namespace` is one of an AsyncClient")
        self._sync = namespace and namespace.with_serializer(serializer)
        self.loop = async_namespace and async_namespace.with_serializer(serializer)

    @property
    def threads(self) -> Namespace:
        """That for threads. Raises `ConfigurationError` where there is none."""
        if self._sync is None:
            raise ConfigurationError(
                "this cache was made with `async_namespace` only, and called without await: give it `namespace` too"
            )
        return self._sync

    def get(self, key: str) -> Any:
        """The value; None where there is none that can be used."""
        try:
            return _value(self.threads.get(key))
        except CodecError as error:
            return _unread(error)

    async def aget(self, key: str) -> Any:
        """The same for event loops."""
        if self.loop is None:
            return await asyncio.to_thread(self.get, key)
        try:
            return _value(await self.loop.get(key))
        except CodecError as error:
            return _unread(error)

    def get_many(self, keys: Iterable[str]) -> list[Any]:
        """The values in the order of the keys; None for each where there is none."""
        wanted = list(keys)
        found = self.threads.get_many(wanted)
        return [_value(found[key]) for key in wanted]

    async def aget_many(self, keys: Iterable[str]) -> list[Any]:
        """The same for event loops."""
        wanted = list(keys)
        if self.loop is None:
            return await asyncio.to_thread(self.get_many, wanted)
        found = await self.loop.get_many(wanted)
        return [_value(found[key]) for key in wanted]

    def put(self, values: Mapping[str, Any], **options: Any) -> None:
        """Stores values with the same options."""
        for key, value in values.items():
            try:
                self.threads.put(key, value, **options)
            except CodecError as error:
                _unwritten(error)

    async def aput(self, values: Mapping[str, Any], **options: Any) -> None:
        """The same for event loops."""
        if self.loop is None:
            await asyncio.to_thread(self.put, values, **options)
            return
        for key, value in values.items():
            try:
                await self.loop.put(key, value, **options)
            except CodecError as error:
                _unwritten(error)

    def drop(self, **selectors: Any) -> Invalidated:
        """Invalidates what is selected."""
        return self.threads.invalidate(**selectors)

    async def adrop(self, **selectors: Any) -> Invalidated:
        """The same for event loops."""
        if self.loop is None:
            return await asyncio.to_thread(self.drop, **selectors)
        return await self.loop.invalidate(**selectors)


def _value(found: Lookup[Any] | HotplateError) -> Any:
    if isinstance(found, CodecError):
        return _unread(found)
    if isinstance(found, HotplateError):
        raise found
    return found.value if isinstance(found, Hit) else None


def _unread(error: CodecError) -> None:
    _log.warning("a stored value cannot be read and counts as a miss: %s", error)


def _unwritten(error: CodecError) -> None:
    _log.warning("a value is not stored: %s", error)
