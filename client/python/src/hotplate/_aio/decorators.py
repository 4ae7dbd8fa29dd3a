"""Functions whose results are cached, and functions after which cached results no longer hold.

How a result is found, computed and stored lives in `computing`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, ParamSpec, TypeVar, cast

from hotplate._aio import runtime
from hotplate._core.signature import Signature, selectors
from hotplate.errors import CodecError, HotplateError
from hotplate.keys import AnyKey
from hotplate.options import CacheMode, ComputeArgs, writes
from hotplate.results import Hit, Invalidated
from hotplate.selectors import Selector

if TYPE_CHECKING:
    from hotplate._aio.namespace import AsyncNamespace

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("hotplate")

#: Items of a generator that are kept to be stored; one with more is not stored.
_ITEMS_MAX: Final = 100_000


class _Wrapped(Generic[P, R]):
    """What both sorts of cached functions have."""

    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(
        self, space: AsyncNamespace, function: Callable[..., Any], signature: Signature, options: ComputeArgs
    ) -> None:
        self._space = space
        self._function = function
        self._signature = signature
        self._options = options
        self._instance: tuple[Any, ...] = ()
        functools.update_wrapper(cast("Any", self), function)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> AnyKey:
        """The key under which the result of these arguments is."""
        return self._signature.key(self._instance + args, kwargs)

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Invalidated:
        """Drops the result of these arguments."""
        return await self._space.remove(self.key(*args, **kwargs))

    def _bound(self, instance: Any) -> Any:
        if instance is None:
            return self
        bound = copy.copy(self)
        bound._instance = (instance,)
        return bound

    def _filled(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ComputeArgs:
        options: dict[str, Any] = dict(self._options)
        for name in ("tags", "depends_on"):
            if name in options:
                options[name] = self._signature.filled(options[name], args, kwargs)
        return cast("ComputeArgs", options)


class AsyncCached(_Wrapped[P, R]):
    """A function whose results are cached. Made by `AsyncNamespace.cached`; called like the function."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result: the stored one, or computed once for all who ask and stored."""
        return await self._run(None, self._instance + args, kwargs)

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes and stores, whatever is there."""
        return await self._run("refresh", self._instance + args, kwargs)

    async def bypass(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes; neither reads nor stores."""
        return await self._run("bypass", self._instance + args, kwargs)

    async def only(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What is stored; a miss is a `NotFoundError` with reason `NOT_CACHED`."""
        return await self._run("only", self._instance + args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> AsyncCached[..., R]:
        """As a method: the object is the first argument."""
        return cast("AsyncCached[..., R]", self._bound(instance))

    async def _run(self, mode: CacheMode | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> R:
        options = self._filled(args, kwargs)
        if mode is not None:
            options["cache"] = mode

        async def compute() -> R:
            made: R = await runtime.call(functools.partial(self._function, *args, **kwargs), False)
            return made

        value: R = await self._space.get_or_compute(self._signature.key(args, kwargs), compute, **options)
        return value


class AsyncCachedStream(_Wrapped[P, R]):
    """A generator function whose items are cached once it has ended. Made by `AsyncNamespace.cached`.

    Callers who come before that each run it. Left before its end, nothing is stored.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """The items: the stored ones, or as the function makes them."""
        return self._items(False, self._instance + args, kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """Runs the function and stores its items, whatever is there."""
        return self._items(True, self._instance + args, kwargs)

    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """Runs the function; neither reads nor stores."""
        return cast("AsyncIterator[R]", self._function(*self._instance, *args, **kwargs))

    def __get__(self, instance: Any, owner: type | None = None) -> AsyncCachedStream[..., R]:
        """As a method: the object is the first argument."""
        return cast("AsyncCachedStream[..., R]", self._bound(instance))

    async def _items(self, anew: bool, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> AsyncIterator[R]:
        key = self._signature.key(args, kwargs)
        stored = None if anew else await self._stored(key)
        if stored is not None:
            for item in stored:
                yield item
            return
        kept: list[R] = []
        async with contextlib.aclosing(self._function(*args, **kwargs)) as made:
            async for item in made:
                if len(kept) <= _ITEMS_MAX:
                    kept.append(item)
                yield item
        if len(kept) > _ITEMS_MAX:
            _log.warning("a generator made more than %d items, which are not stored", _ITEMS_MAX)
            return
        try:
            await self._space.put(key, kept, **writes(cast("Mapping[str, Any]", self._filled(args, kwargs))))
        except HotplateError as error:
            _log.warning("the items of a generator could not be stored: %s", error)

    async def _stored(self, key: AnyKey) -> list[R] | None:
        try:
            found = await self._space.get(key)
        except CodecError as error:
            _log.warning("what a generator made before cannot be read: %s", error)
            return None
        return found.value if isinstance(found, Hit) and isinstance(found.value, list) else None


def cached(
    space: AsyncNamespace,
    options: ComputeArgs,
    prefix: str | None,
    key: Callable[..., AnyKey] | None,
    ignore: Iterable[str],
    version: int | str,
) -> Callable[[Callable[..., Any]], Any]:
    """The decorator behind `AsyncNamespace.cached`."""

    def wrap(function: Callable[..., Any]) -> Any:
        signature = Signature(function, prefix, key, ignore, version)
        if runtime.is_stream(function):
            return AsyncCachedStream[Any, Any](space, function, signature, options)
        runtime.check_function(function)
        return AsyncCached[Any, Any](space, function, signature, options)

    return wrap


def invalidates(
    space: AsyncNamespace,
    keys: Iterable[str],
    tags: Iterable[str],
    prefix: str | None,
    kind: str | None,
    when: Literal["always", "success"],
    reason: str,
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """The decorator behind `AsyncNamespace.invalidates`."""
    keys, tags = list(keys), list(tags)

    def wrap(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        runtime.check_function(function)
        signature = Signature(function, None, None, (), 1)

        async def drop(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            chosen: list[Selector] = selectors(signature.filled(keys, args, kwargs))
            chosen += [Selector.tag(tag) for tag in signature.filled(tags, args, kwargs)]
            chosen += [Selector.prefix(one) for one in signature.filled([prefix] if prefix else [], args, kwargs)]
            chosen += [Selector.kind(kind)] if kind else []
            await space.invalidate(*chosen, reason=reason)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                result = await function(*args, **kwargs)
            except Exception:
                if when == "always":
                    try:
                        await drop(args, kwargs)
                    except HotplateError as error:
                        _log.warning("a function failed, and what it may have outdated was not invalidated: %s", error)
                raise
            await drop(args, kwargs)
            return result

        return call

    return wrap
