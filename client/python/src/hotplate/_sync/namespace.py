# Made from hotplate/_aio/namespace.py by tools/make_sync.py: change that one.
"""Typed access to one namespace: what users call. How it is carried out lives in `typed`, `computing` and `watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from hotplate import observe
from hotplate._core.near.sets import DEPENDENTS, Set
from hotplate._sync import decorators
from hotplate._sync.computing import Computing, value_of
from hotplate._sync.decorators import Cached, CachedStream
from hotplate._sync.near import OwnWrite
from hotplate._sync.reading import ReadStream, ValueReader
from hotplate._sync.runtime import Computation
from hotplate._sync.typed import Typed, found_value
from hotplate._sync.watch import Preload, Watch
from hotplate._sync.writing import WriteStream
from hotplate.errors import ConfigurationError, HotplateError
from hotplate.keys import AnyKey, key_text
from hotplate.options import (
    ComputeArgs,
    ReadArgs,
    WriteArgs,
    check_compute,
    check_read,
    check_write,
    expiration,
    get_request,
    put_request,
)
from hotplate.preloading import PreloadItem
from hotplate.results import Invalidated, Lookup, NearStats, Refreshing, Written
from hotplate.selectors import AnySelector, Selector, gathered
from hotplate.serializers.base import Serializer
from hotplate.statistics import Stats
from hotplate.ttl import DurationLike, TtlLike, of_wire, seconds, wire
from hotplate.v1 import blob_pb2 as blob
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types
from hotplate.watching import EVENT_TYPES

if TYPE_CHECKING:
    from hotplate._sync.client import Client

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


class _CachedDecorator(Protocol):
    """What `cached` with options gives: it keeps the signature of what it decorates."""

    @overload
    def __call__(  # type: ignore[overload-overlap, unused-ignore]
        self, function: Callable[P, Iterator[R]], /
    ) -> CachedStream[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Cached[P, R]: ...


class Namespace:
    """One namespace with the serializer its values are written with. Made by `Client.namespace`; cheap.

    Unless the client was made with `on_error="raise"`, a cache that is away is a miss and a dropped write, not an
    error: what is raised is a fault of the request, of the set-up, or a value of another kind.
    """

    def __init__(self, client: Client, name: str, serializer: Serializer, reads_near: bool = True) -> None:
        """Made by the client."""
        self._client = client
        self._name = name or "default"
        self._serializer = serializer
        self._reads_near = reads_near
        self._made: Typed | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def client(self) -> Client:
        """Its client."""
        return self._client

    @property
    def serializer(self) -> Serializer:
        """What its values are written with."""
        return self._serializer

    def with_serializer(self, serializer: Serializer) -> Namespace:
        """The same namespace with another serializer."""
        return Namespace(self._client, self._name, serializer, self._reads_near)

    def without_near_cache(self) -> Namespace:
        """The same namespace, read from the server every time. Its writes still drop what is kept."""
        return Namespace(self._client, self._name, self._serializer, False)

    @property
    def _typed(self) -> Typed:
        state = self._client._state
        made = self._made
        # The state is another one in a forked process.
        if made is None or made.state is not state:
            made = self._made = Typed(state, self._name, self._serializer, self._reads_near)
        return made

    def get(self, key: AnyKey, **options: Unpack[ReadArgs]) -> Lookup[Any]:
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
            observe.near_hit("get", self._name)
            return kept
        with observe.operation("get", self._name) as seen:
            found = space.look_up(get_request(self._name, text, **options), near)
            seen.found(found)
            return found

    def get_value(self, key: AnyKey, default: Any = None, **options: Unpack[ReadArgs]) -> Any:
        """The value, or `default` when there is none that may be used."""
        return found_value(self.get(key, **options), default)

    def get_many(self, keys: Iterable[AnyKey], **options: Unpack[ReadArgs]) -> dict[str, Lookup[Any] | HotplateError]:
        """Finds several values: for each key what was found, or why that one failed. In the order of the keys."""
        check_read(options)
        space = self._typed
        near = space.near_for(peek=options.get("peek", False), wanted=options.get("near", True))
        age = options.get("max_age")
        found: dict[str, Lookup[Any] | HotplateError] = {}
        asked: list[pb.GetRequest] = []
        with observe.operation("get_many", self._name) as seen:
            for text in dict.fromkeys(key_text(key) for key in keys):
                try:
                    kept = space.kept(near, text, None if age is None else seconds(age))
                except HotplateError as error:
                    found[text] = error
                    continue
                found[text] = kept  # type: ignore[assignment]
                if kept is None:
                    asked.append(get_request(self._name, text, **options))
            calls = space.state.calls
            while asked:
                items = asked[: calls.batch_items]
                try:
                    answers = space.get_batch(items, near)
                except HotplateError as error:
                    if calls.takes_fewer(len(items), error):
                        continue
                    raise
                found.update(zip([item.key for item in items], answers, strict=True))
                asked = asked[len(items) :]
            seen.counted(len(found))
            return found

    def put(self, key: AnyKey, value: Any, **options: Unpack[WriteArgs]) -> Written:
        """Stores a value. Raises `CodecError` when it cannot be written."""
        check_write(options)
        space = self._typed
        with observe.operation("put", self._name) as seen:
            request = space.encode(self._put(key_text(key), options), value)
            done = space.send(request)
            seen.result(done.outcome)
            return done

    def put_negative(self, key: AnyKey, reason: str, message: str = "", **options: Unpack[WriteArgs]) -> Written:
        """Remembers that there is none, or that computing it failed.

        `reason` is a short name for programs such as `NOT_FOUND`, `message` a sentence for people.
        """
        check_write(options)
        request = self._put(key_text(key), options)
        request.negative.CopyFrom(types.Negative(reason=reason, message=message))
        with observe.operation("put", self._name) as seen:
            done = self._typed.send(request)
            seen.result(done.outcome)
            return done

    def put_many(
        self, values: Mapping[Any, Any] | Iterable[tuple[AnyKey, Any]], **options: Unpack[WriteArgs]
    ) -> dict[str, Written | HotplateError]:
        """Stores several values with the same options: for each key what became of it."""
        check_write(options)
        space = self._typed
        pairs = cast("Iterable[tuple[AnyKey, Any]]", values.items() if isinstance(values, Mapping) else values)
        todo = [space.encode(self._put(key_text(key), options), value) for key, value in pairs]
        done: dict[str, Written | HotplateError] = {}
        calls = space.state.calls
        with observe.operation("put_many", self._name) as seen:
            while todo:
                items = todo[: calls.batch_items]
                try:
                    answers = space.put_batch(items)
                except HotplateError as error:
                    if calls.takes_fewer(len(items), error):
                        continue
                    raise
                done.update(zip([item.key for item in items], answers, strict=True))
                todo = todo[len(items) :]
            seen.counted(len(done))
            return done

    def get_or_compute(self, key: AnyKey, compute: Computation[T], **options: Unpack[ComputeArgs]) -> T:
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
            return cast("T", computing.run(seen.computing(compute)))

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
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Drops what is selected after a function ran: a decorator.

        Keys with `*` or `?` are globs; all may name arguments, as in `tags=["track:{track}"]`. With `when="success"`
        not after a failure. The function's own failure is what its caller gets.
        """
        if not (keys or tags or prefix or kind):
            raise ConfigurationError("invalidates needs keys, tags, a prefix or a kind")
        return decorators.invalidates(self, keys, tags, prefix, kind, when, reason)

    def touch(self, key: AnyKey, ttl: TtlLike) -> bool:
        """Gives an entry this lifetime from now on. False when there is no such entry, or the cache is away."""
        space, text = self._typed, key_text(key)
        request = pb.TouchRequest(namespace=self._name, key=text, expiration=expiration({"ttl": ttl}))
        write = space.own_write([Set("key", text)])
        guard = space.state.guard
        try:
            if guard.refused(write=True) is not None:
                return False
            try:
                answer = space.state.calls.touch(request)
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

    def exists(self, key: AnyKey) -> bool:
        """Whether there is a fresh entry. Does not count as a use of it. False when the cache is away."""
        return self.ttl(key) is not None

    def ttl(self, key: AnyKey) -> float | None:
        """Seconds for which an entry stays fresh; None when there is none, or the cache is away."""
        space = self._typed
        request = get_request(self._name, key_text(key), peek=True)
        request.view = pb.ENTRY_VIEW_METADATA
        guard = space.state.guard
        if guard.refused() is not None:
            return None
        try:
            response = space.state.calls.get(request)
        except HotplateError as error:
            guard.observe(error)
            guard.degraded(error)
            return None
        guard.observe(None)
        if response.outcome not in (pb.GET_OUTCOME_HIT, pb.GET_OUTCOME_NEGATIVE):
            return None
        return of_wire(response.entry.metadata.fresh_for)

    def remove(self, key: AnyKey, reason: str = "") -> Invalidated:
        """Drops one entry."""
        return self.invalidate(Selector.key(key), reason=reason)

    def invalidate(
        self,
        *selectors: AnySelector,
        keys: Iterable[AnyKey] = (),
        prefix: str | None = None,
        glob: str | None = None,
        tags: Iterable[str] = (),
        kind: str | None = None,
        everything: bool = False,
        cascade: bool = True,
        reason: str = "",
    ) -> Invalidated:
        """Drops whatever any of 1 to 128 selectors selects; with `cascade` also what was made from it.

        Computations under way in this process that began before are not stored. When the cache is away it is
        remembered. Raises `ResourceExhaustedError` with reason `JOURNAL_FULL` when no more can be remembered.
        """
        chosen = gathered(selectors, keys=keys, prefix=prefix, glob=glob, tags=tags, kind=kind, everything=everything)
        request = pb.InvalidateRequest(selectors=chosen, reason=reason)
        if not cascade:
            request.cascade = False
        return _invalidated(*self._change("invalidate", request))

    def mark_stale(
        self,
        *selectors: AnySelector,
        tags: Iterable[str] = (),
        prefix: str | None = None,
        spread_over: DurationLike | None = None,
        reason: str = "",
    ) -> Invalidated:
        """Marks stale what any of 1 to 128 selectors selects: it is served to who accepts stale values.

        What has no `stale_for` is dropped. `spread_over`, at most 1 h, lets each entry become stale at a moment of its
        own. When the cache is away it is remembered, and dropped later.
        """
        chosen = gathered(selectors, tags=tags, prefix=prefix)
        request = pb.InvalidateRequest(selectors=chosen, mode=pb.INVALIDATE_MODE_MARK_STALE, reason=reason)
        if spread_over is not None:
            request.spread_over.CopyFrom(wire(seconds(spread_over)))
        return _invalidated(*self._change("mark_stale", request))

    def refresh(
        self,
        *selectors: AnySelector,
        tags: Iterable[str] = (),
        prefix: str | None = None,
        origin: str = "",
        parameters: Mapping[str, str] | None = None,
    ) -> Refreshing:
        """Marks stale what is selected, and has the server fetch it anew from an origin of the namespace.

        The answer names the job: `join_preload` follows it. When the cache is away it is remembered, and dropped later.
        """
        request = pb.InvalidateRequest(
            selectors=gathered(selectors, tags=tags, prefix=prefix),
            mode=pb.INVALIDATE_MODE_REFRESH,
            refresh=pb.RefreshFrom(origin=origin, parameters=parameters or {}),
        )
        outcome, answer = self._change("refresh", request)
        if answer is None:
            return Refreshing(outcome)
        return Refreshing("started", answer.matched_count, answer.refreshing_count, answer.refresh_job_id)

    def _change(
        self, name: str, request: pb.InvalidateRequest
    ) -> tuple[Literal["queued", "disabled"], pb.InvalidateResponse | None]:
        space = self._typed
        state = space.state
        request.namespace = self._name
        request.client_id = state.setup.client_id
        with observe.operation(name, self._name) as seen:
            state.flights.outdate(self._name)
            if state.guard.disabled:
                seen.result("disabled")
                return "disabled", None
            # What was made from what is named goes as well, and this client is not told of what it does itself.
            sets = [*(Set.of(selector) for selector in request.selectors), DEPENDENTS]
            write = space.own_write(sets)
            try:
                answer = state.invalidate(request)
                if answer is not None and write is not None:
                    write.answered()
            finally:
                if write is not None:
                    write.end()
            # What was looked up between the first time and the answer may still be what was dropped.
            state.flights.outdate(self._name)
            seen.result("queued" if answer is None else "done")
            return "queued", answer

    def preload(
        self,
        items: Iterable[PreloadItem | AnyKey],
        *,
        force: bool = False,
        parallelism: int = 0,
        pin_for: DurationLike | None = None,
    ) -> Preload:
        """Has the server fetch entries from a configured origin ahead of their use.

        `force` fetches what is fresh as well; `parallelism` is how many at once, capped by the server; `pin_for` keeps
        what is loaded from making room for others, at most 24 h.
        """
        wanted = [item if isinstance(item, PreloadItem) else PreloadItem(item) for item in items]
        request = pb.PreloadRequest(
            namespace=self._name,
            items=[item.message() for item in wanted],
            force=force,
            max_parallelism=parallelism,
        )
        if pin_for is not None:
            request.pin_for.CopyFrom(wire(seconds(pin_for)))
        return Preload(self._client._state.calls, request)

    def join_preload(self, job: str) -> Preload:
        """Follows a preload job that was started elsewhere, or by `refresh`."""
        return Preload(self._client._state.calls, pb.PreloadRequest(namespace=self._name, job_id=job))

    def watch(
        self,
        *selectors: AnySelector,
        prefix: str | None = None,
        tags: Iterable[str] = (),
        values: bool = False,
        events: Iterable[str] = (),
        include_present: bool = False,
        resume: bytes = b"",
        exclude_own: bool = False,
        progress_interval: DurationLike | None = None,
    ) -> Watch:
        """Follows changes of what is selected, or of all of the namespace, over lost connections.

        `values` tells values as well; `events` chooses by type, without which evictions are not told; `include_present`
        first tells what is there; `resume` continues after a token of `Watch.resume_token`; `exclude_own` leaves
        out what this client does itself; `progress_interval` is 100 ms to 10 min.
        """
        request = pb.WatchRequest(
            namespace=self._name,
            content=pb.WATCH_CONTENT_VALUES if values else pb.WATCH_CONTENT_METADATA,
            event_types=[EVENT_TYPES[name] for name in events],  # type: ignore[index, misc]
            include_present=include_present,
            resume_token=resume,
            exclude_client_id=self._client.client_id if exclude_own else "",
        )
        if selectors or prefix is not None or tags:
            request.selectors.extend(gathered(selectors, prefix=prefix, tags=tags))
        if progress_interval is not None:
            request.progress_interval.CopyFrom(wire(seconds(progress_interval)))
        state = self._client._state
        return Watch(state.calls, state.tasks, request, self._typed.decode)

    def stats(self) -> Stats:
        """Statistics of this namespace since the server started. They have no fallback: a cache that is away raises."""
        answer = self._client._state.calls.stats(pb.StatsRequest(namespace=self._name))
        return Stats.of(answer)

    def explain(self, key: AnyKey, max_events: int = 20) -> pb.ExplainKeyResponse:
        """What a read would say of a key, why, and what happened to it: for people, not for every call."""
        request = pb.ExplainKeyRequest(namespace=self._name, key=key_text(key), max_events=max_events)
        return self._client._state.calls.explain_key(request)

    def entries(self, *selectors: AnySelector, prefix: str | None = None) -> Iterator[types.Entry]:
        """Keys and metadata of what is selected, or of everything, in key order."""
        request = pb.ListEntriesRequest(namespace=self._name, page_size=1_000)
        if selectors or prefix is not None:
            request.selectors.extend(gathered(selectors, prefix=prefix))
        while True:
            page = self._client._state.calls.list_entries(request)
            for entry in page.entries:
                yield entry
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def list(self, *selectors: AnySelector, prefix: str | None = None, limit: int = 10_000) -> list[str]:
        """Keys of what is selected, or of everything, in order; at most `limit`."""
        keys: list[str] = []
        for entry in self.entries(*selectors, prefix=prefix):
            if len(keys) >= limit:
                break
            keys.append(entry.key)
        return keys

    def read_stream(self, key: AnyKey, *, follow: bool = False, **options: Unpack[ReadArgs]) -> ReadStream:
        """Reads a value in pieces, from the server, of any size and whatever its serializer.

        With `follow` also one that is just being written, from its first byte, as it comes. Streams have no fallback: a
        cache that is away raises.
        """
        check_read(options)
        get = get_request(self._name, key_text(key), **options)
        request = blob.ReadValueRequest(
            namespace=self._name,
            key=get.key,
            follow=follow,
            stale_policy=get.stale_policy,
            slowest_tier=get.slowest_tier,
        )
        if get.HasField("max_age"):
            request.max_age.CopyFrom(get.max_age)
        reader = ValueReader(self._client._state.calls, request)
        reader.open()
        return ReadStream(reader)

    def write_stream(
        self, key: AnyKey, *, content_type: str | None = None, **options: Unpack[WriteArgs]
    ) -> WriteStream:
        """Begins to write a value in pieces. Nothing of it can be read before `finish`, except by who follows it."""
        check_write(options)
        space = self._typed
        request = self._put(key_text(key), options)
        request.content_type = content_type or self._serializer.content_type
        write = space.own_write([Set("key", request.key)])
        stream = WriteStream(space.state.calls, request, _settler(space, write, request.key))
        stream.open()
        return stream

    def near_stats(self) -> NearStats | None:
        """What the near cache of this namespace did and holds; None where there is none."""
        near = self._typed.near
        return None if near is None else near.stats()

    def _put(self, key: str, options: WriteArgs) -> pb.PutRequest:
        client_id = self._client._state.setup.client_id
        return put_request(self._name, key, client_id, cast("Mapping[str, Any]", options))


def _settler(space: Typed, write: OwnWrite | None, key: str) -> Callable[[bool], None]:
    def settle(answered: bool) -> None:
        if answered and write is not None:
            write.answered()
        space.wrote(write, [key])

    return settle


def _invalidated(outcome: Literal["queued", "disabled"], answer: pb.InvalidateResponse | None) -> Invalidated:
    return Invalidated(outcome) if answer is None else Invalidated("done", answer.matched_count)
