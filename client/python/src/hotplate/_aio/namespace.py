"""Typed access to one namespace: values in and out, computing what is missing, decorators.

Dropping entries is in `changing`, streams are in `following`, looking without using in `looking`.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from hotplate import observe
from hotplate._aio import batches, decorators
from hotplate._aio.changing import Changing
from hotplate._aio.computing import Computing, value_of
from hotplate._aio.decorators import AsyncCached, AsyncCachedStream
from hotplate._aio.following import Following
from hotplate._aio.looking import Looking
from hotplate._aio.runtime import Computation
from hotplate._aio.typed import found_value
from hotplate._core import texts
from hotplate._core.near.sets import Set
from hotplate.errors import ConfigurationError, HotplateError
from hotplate.keys import AnyKey, given_text, key_text
from hotplate.options import (
    ComputeArgs,
    ReadArgs,
    WriteArgs,
    check_compute,
    check_read,
    check_write,
    expiration,
    get_request,
)
from hotplate.results import Hit, Lookup, Written
from hotplate.ttl import TtlLike, seconds
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


class _CachedDecorator(Protocol):
    """What `cached` with options gives: it keeps the signature of what it decorates."""

    @overload
    def __call__(  # type: ignore[overload-overlap, unused-ignore]
        self, function: Callable[P, AsyncIterator[R]], /
    ) -> AsyncCachedStream[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> AsyncCached[P, R]: ...


class AsyncNamespace(Changing, Following, Looking):
    """One namespace with the serializer its values are written with. Made by `AsyncClient.namespace`; cheap.

    Unless the client was made with `on_error="raise"`, a cache that is away is a miss and a dropped write, not an
    error: what is raised is a fault of the request, of the set-up, or a value of another kind.
    """

    async def get(self, key: AnyKey, **options: Unpack[ReadArgs]) -> Lookup[Any]:
        """Finds a value: `Hit`, `Negative` or `Miss`.

        Raises `CodecError` when the stored value is of another kind than the serializer reads.
        """
        if options:
            check_read(options)
        space, text = self._typed, key_text(key)
        near = space.near_for(peek=options.get("peek", False), wanted=options.get("near", True))
        age = options.get("max_age")
        kept = space.kept(near, text, None if age is None else seconds(age))
        if kept is not None:
            observe.near_hit("get", self._name, "hit" if isinstance(kept, Hit) else "negative")
            return kept
        with observe.operation("get", self._name) as seen:
            found = await space.look_up(get_request(self._name, text, **options), near)
            seen.found(found)
            return found

    async def get_value(self, key: AnyKey, default: Any = None, **options: Unpack[ReadArgs]) -> Any:
        """The value, or `default` when there is none that may be used."""
        return found_value(await self.get(key, **options), default)

    async def get_many(
        self, keys: Iterable[AnyKey], **options: Unpack[ReadArgs]
    ) -> dict[str, Lookup[Any] | HotplateError]:
        """Finds several values: for each key what was found, or why that one failed. In the order of the keys.

        What is more than a call may carry goes as several. Raises only what all of them failed with.
        """
        check_read(options)
        space = self._typed
        near = space.near_for(peek=options.get("peek", False), wanted=options.get("near", True))
        age = options.get("max_age")
        found: dict[str, Lookup[Any] | HotplateError] = {}
        asked: list[pb.GetRequest] = []
        with observe.operation("get_many", self._name) as seen:
            for key in texts.several("keys", keys):
                try:
                    text = key_text(key)
                except HotplateError as error:
                    found[given_text(key)] = error
                    continue
                if text in found:
                    continue
                try:
                    kept = space.kept(near, text, None if age is None else seconds(age))
                except HotplateError as error:
                    found[text] = error
                    continue
                found[text] = kept  # type: ignore[assignment]
                if kept is None:
                    asked.append(get_request(self._name, text, **options))
            await batches.each(space.state.calls, asked, found, functools.partial(space.get_batch, near))
            seen.counted(len(found))
            return found

    async def put(self, key: AnyKey, value: Any, **options: Unpack[WriteArgs]) -> Written:
        """Stores a value. Raises `CodecError` when it cannot be written."""
        check_write(options)
        space = self._typed
        with observe.operation("put", self._name) as seen:
            request = space.encode(self._put(key_text(key), options), value)
            done = await space.send(request)
            seen.result(done.outcome)
            return done

    async def put_negative(self, key: AnyKey, reason: str, message: str = "", **options: Unpack[WriteArgs]) -> Written:
        """Remembers that there is none, or that computing it failed.

        `reason` is a short name for programs such as `NOT_FOUND`, `message` a sentence for people.
        """
        check_write(options)
        request = self._put(key_text(key), options)
        reason, message = texts.checked("reason", reason), texts.checked("message", message)
        request.negative.CopyFrom(types.Negative(reason=reason, message=message))
        with observe.operation("put", self._name) as seen:
            done = await self._typed.send(request)
            seen.result(done.outcome)
            return done

    async def put_many(
        self, values: Mapping[Any, Any] | Iterable[tuple[AnyKey, Any]], **options: Unpack[WriteArgs]
    ) -> dict[str, Written | HotplateError]:
        """Stores several values with the same options: for each key what became of it. In the order of the keys.

        What is more than a call may carry goes as several, and a large value by itself. Raises `CodecError`, before
        anything is stored, when one cannot be written; and what all of the calls failed with.
        """
        check_write(options)
        space = self._typed
        pairs = cast("Iterable[tuple[AnyKey, Any]]", values.items() if isinstance(values, Mapping) else values)
        like = self._put("", options)
        todo: list[pb.PutRequest] = []
        done: dict[str, Written | HotplateError] = {}
        for key, value in pairs:
            request = pb.PutRequest()
            request.CopyFrom(like)
            try:
                request.key = key_text(key)
            except HotplateError as error:
                done[given_text(key)] = error
                continue
            # Its place in the order.
            done[request.key] = None  # type: ignore[assignment]
            todo.append(space.encode(request, value))
        with observe.operation("put_many", self._name) as seen:
            await batches.each(space.state.calls, todo, done, space.put_batch, space.send)
            seen.counted(len(done))
            return done

    # Only with event loops: a plain function computes as well.
    @overload
    async def get_or_compute(  # type: ignore[overload-overlap, unused-ignore]
        self, key: AnyKey, compute: Callable[[], Awaitable[T]], **options: Unpack[ComputeArgs]
    ) -> T: ...
    @overload
    async def get_or_compute(self, key: AnyKey, compute: Callable[[], T], **options: Unpack[ComputeArgs]) -> T: ...
    # Both:
    async def get_or_compute(self, key: AnyKey, compute: Computation[T], **options: Unpack[ComputeArgs]) -> T:
        """Returns the stored value, or computes and stores it, once for all processes that ask.

        However many callers of this process ask for a key at once, it is looked up once, and all get the same object.
        Of all processes that miss it, one computes; the others wait for its value at most `wait`, and then compute for
        themselves. The lease is extended for as long as the computation runs. A failure is raised to all who wait here.
        A caller that gives up does not end the computation for the others.

        Raises what the computation raised; `ComputeError` for a failure that was remembered; `NotFoundError` with
        reason `NOT_CACHED` for `cache="only"`, or with the stored reason when the key is remembered as absent;
        `InvalidArgumentError` for a computation that waits for itself.
        """
        check_compute(options)
        computing = Computing(self._typed, key_text(key), compute, options)
        kept = computing.kept()
        if kept is not None:
            observe.near_hit("get_or_compute", self._name)
            return cast("T", value_of(kept))
        with observe.operation("get_or_compute", self._name) as seen:
            return cast("T", await computing.run(seen.computing(compute)))

    def cached(
        self,
        *,
        prefix: str | None = None,
        key: Callable[..., AnyKey] | None = None,
        ignore: Iterable[str] = (),
        version: int | str = 1,
        **options: Unpack[ComputeArgs],
    ) -> _CachedDecorator:
        """Caches the results of a function by its arguments: a decorator, for functions, methods and generators.

        The key is `prefix` (by default the function's name), `version` and a hash of the arguments, or what `key` makes
        of them. `ignore` names parameters that do not matter. With `version="auto"` a change of the function's source
        makes new keys. `tags` and `depends_on` may name arguments: `tags=["track:{track}"]`. A method's object is no
        part of the key unless its class has `__hotplate_key__`; say so with `ignore=("self",)`.

        What is decorated has `refresh`, `bypass`, `only`, `key` and `invalidate`, each called with the same arguments.
        """
        check_compute(options)
        return cast("_CachedDecorator", decorators.cached(self, options, prefix, key, ignore, version))

    def invalidates(
        self,
        *,
        keys: Iterable[str] = (),
        tags: Iterable[str] = (),
        prefix: str | None = None,
        kind: str | None = None,
        when: Literal["always", "success"] = "always",
        reason: str = "",
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """Drops what is selected after a function ran: a decorator.

        Keys with `*` or `?` are globs; all may name arguments, as in `tags=["track:{track}"]`. With `when="success"`
        not after a failure. The function's own failure is what its caller gets.
        """
        if not (keys or tags or prefix or kind):
            raise ConfigurationError("invalidates needs keys, tags, a prefix or a kind")
        return decorators.invalidates(self, keys, tags, prefix, kind, when, reason)

    async def touch(self, key: AnyKey, ttl: TtlLike) -> bool:
        """Gives an entry this lifetime from now on. False when there is no such entry, or the cache is away."""
        space, text = self._typed, key_text(key)
        request = pb.TouchRequest(namespace=self._name, key=text, expiration=expiration({"ttl": ttl}))
        write = space.own_write([Set("key", text)])
        guard = space.state.guard
        try:
            if space.state.refused(write=True) is not None:
                return False
            try:
                answer = await space.state.calls.touch(request)
            except HotplateError as error:
                guard.observe(error)
                guard.degraded(error, write=True)
                return False
            guard.observe(None)
            if write is not None:
                write.answered()
            return answer.outcome in (pb.TOUCH_OUTCOME_TOUCHED, pb.TOUCH_OUTCOME_UNCHANGED)
        finally:
            if write is not None:
                write.end()
