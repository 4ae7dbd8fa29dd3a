# Made from hotplate/_aio/decorators.py by tools/make_sync.py: change that one.
"""Functions whose results are cached, and functions after which cached results no longer hold.

How a result is found, computed and stored lives in `computing`; for the items of a generator, in `gathering`.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, Literal, ParamSpec, Self, TypeVar, cast, overload

from hotplate._core import templates
from hotplate._core.signature import KeyedSignature, Signature
from hotplate._core.texts import several
from hotplate._sync import runtime
from hotplate._sync.gathering import Gathering
from hotplate.errors import ConfigurationError, HotplateError
from hotplate.keys import AnyKey, key_text
from hotplate.options import CacheMode, ComputeArgs, WriteArgs
from hotplate.results import Invalidated
from hotplate.selectors import Selector

if TYPE_CHECKING:
    from hotplate._sync.namespace import Namespace

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")

_log = logging.getLogger("hotplate")

#: Options that mean something for a generator: its items are stored when it has ended, and nobody waits for them.
_OF_GENERATORS: Final = frozenset((*WriteArgs.__annotations__, "ttl_of", "max_age", "per_process"))


class _Wrapped(Generic[P, R]):
    """What both sorts of cached functions have."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]

    def __init__(
        self, space: Namespace, function: Callable[..., Any], signature: KeyedSignature, options: ComputeArgs
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

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Invalidated:
        """Drops the result of these arguments."""
        return self._space.remove(self.key(*args, **kwargs))

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickled by its name, as functions are: where it is unpickled it has the client of that process."""
        return (getattr, (self._instance[0], self.__name__)) if self._instance else self.__qualname__

    def _bound(self, instance: Any) -> Self:
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound._instance = (instance,)
        return bound

    def _filled(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ComputeArgs:
        options: dict[str, Any] = dict(self._options)
        if "tags" in options:
            options["tags"] = self._signature.tags(options["tags"], args, kwargs)
        if "depends_on" in options:
            options["depends_on"] = self._signature.dependencies(options["depends_on"], args, kwargs)
        return cast("ComputeArgs", options)


class Cached(_Wrapped[P, R]):
    """A function whose results are cached. Made by `Namespace.cached`; called like the function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result: the stored one, or computed once for all who ask and stored."""
        return self._run(None, self._instance + args, kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes and stores, whatever is there."""
        return self._run("refresh", self._instance + args, kwargs)

    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes; neither reads nor stores."""
        return self._run("bypass", self._instance + args, kwargs)

    def only(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What is stored; a miss is a `NotFoundError` with reason `NOT_CACHED`."""
        return self._run("only", self._instance + args, kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self: Cached[Concatenate[Any, Q], R], instance: object, owner: type | None = None) -> Cached[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method: the object is the first argument."""
        return self if instance is None else self._bound(instance)

    def _run(self, mode: CacheMode | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> R:
        options = self._filled(args, kwargs)
        if mode is not None:
            options["cache"] = mode

        def compute() -> R:
            made: R = runtime.call(functools.partial(self._function, *args, **kwargs), False)
            return made

        value: R = self._space.get_or_compute(self._signature.key(args, kwargs), compute, **options)
        return value


class CachedStream(_Wrapped[P, R]):
    """A generator function whose items are cached once it has ended. Made by `Namespace.cached`.

    Callers who come before that each run it. Left before its end, nothing is stored.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """The items: the stored ones, or as the function makes them."""
        return self._items("use", self._instance + args, kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """Runs the function and stores its items, whatever is there."""
        return self._items("refresh", self._instance + args, kwargs)

    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """Runs the function; neither reads nor stores."""
        return cast("Iterator[R]", self._function(*self._instance, *args, **kwargs))

    def only(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """The stored items; where there are none, the first one is a `NotFoundError` with reason `NOT_CACHED`."""
        return self._items("only", self._instance + args, kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: CachedStream[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> CachedStream[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method: the object is the first argument."""
        return self if instance is None else self._bound(instance)

    def _items(self, mode: CacheMode, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[R]:
        key = key_text(self._signature.key(args, kwargs))
        gathering = Gathering(self._space._typed, key, self._filled(args, kwargs))
        try:
            stored = gathering.open(mode)
            if stored is not None:
                for item in stored:
                    yield item
                return
            with contextlib.closing(self._function(*args, **kwargs)) as made:
                for item in made:
                    gathering.add(item)
                    yield item
            gathering.store()
        finally:
            gathering.end()


def cached(
    space: Namespace,
    options: ComputeArgs,
    prefix: str | None,
    key: Callable[..., AnyKey] | None,
    ignore: Iterable[str],
    version: int | str,
) -> Callable[[Callable[..., Any]], Any]:
    """The decorator behind `Namespace.cached`."""
    if "in_thread" in options:
        raise ConfigurationError("`in_thread` is for `get_or_compute`: what is decorated waits by itself")
    options, texts = templates.of_options(options)

    def wrap(function: Callable[..., Any]) -> Any:
        signature = KeyedSignature(function, prefix, key, ignore, version)
        signature.check(texts)
        if not runtime.is_stream(function):
            runtime.check_function(function)
            return Cached[Any, Any](space, function, signature, options)
        without = sorted(set(options) - _OF_GENERATORS)
        if without:
            raise ConfigurationError(f"`{without[0]}` means nothing for {signature.name}, which is a generator")
        return CachedStream[Any, Any](space, function, signature, options)

    return wrap


def invalidates(
    space: Namespace,
    keys: Iterable[str],
    tags: Iterable[str],
    prefix: str | None,
    kind: str | None,
    when: Literal["always", "success"],
    reason: str,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The decorator behind `Namespace.invalidates`."""
    keys, tags = several("keys", keys), several("tags", tags)
    prefixes = [] if prefix is None else [prefix]

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        runtime.check_function(function)
        signature = Signature(function)
        signature.check([*keys, *tags, *prefixes])

        def drop(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            chosen = signature.selectors(keys, args, kwargs)
            chosen += [Selector.tag(tag) for tag in signature.tags(tags, args, kwargs)]
            chosen += [Selector.prefix(one) for one in signature.prefixes(prefixes, args, kwargs)]
            chosen += [Selector.kind(kind)] if kind else []
            space.invalidate(*chosen, reason=reason)

        def drop_anyway(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            try:
                drop(args, kwargs)
            except HotplateError as error:
                _log.warning("a function failed, and what it may have outdated was not invalidated: %s", error)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            # A task that was told to end waits for nothing more, and may have written before.
            behind = functools.partial(space.client._state.tasks.last_word, drop_anyway, args, kwargs)
            try:
                with runtime.when_cancelled(behind if when == "always" else None):
                    result = function(*args, **kwargs)
            except Exception:
                if when == "always":
                    drop_anyway(args, kwargs)
                raise
            with runtime.when_cancelled(behind):
                drop(args, kwargs)
            return result

        return call

    return wrap
