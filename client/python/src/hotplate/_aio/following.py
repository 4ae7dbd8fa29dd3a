"""What goes on for longer than a call: watches, preloads, and values in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Unpack

from hotplate._aio.near import OwnWrite
from hotplate._aio.reading import AsyncReadStream, ValueReader, found_by
from hotplate._aio.space import Space
from hotplate._aio.typed import Typed
from hotplate._aio.watch import AsyncPreload, AsyncWatch
from hotplate._aio.writing import AsyncDroppedStream, AsyncWriteStream
from hotplate._core import texts
from hotplate._core.near.sets import Set
from hotplate.keys import AnyKey, key_text
from hotplate.options import ReadArgs, WriteArgs, check_read, check_write, get_request
from hotplate.preloading import PreloadItem
from hotplate.results import Miss
from hotplate.selectors import AnySelector, gathered
from hotplate.ttl import DurationLike, seconds, wire
from hotplate.v1 import blob_pb2 as blob
from hotplate.v1 import cache_pb2 as pb
from hotplate.watching import EVENT_TYPES


class Following(Space):
    """The part of a namespace that streams."""

    def preload(
        self,
        items: Iterable[PreloadItem | AnyKey],
        *,
        force: bool = False,
        parallelism: int = 0,
        pin_for: DurationLike | None = None,
    ) -> AsyncPreload:
        """Has the server fetch entries from a configured origin ahead of their use.

        `force` fetches what is fresh as well; `parallelism` is how many at once, capped by the server; `pin_for` keeps
        what is loaded from making room for others, at most 24 h.
        """
        wanted = [
            item if isinstance(item, PreloadItem) else PreloadItem(item) for item in texts.several("items", items)
        ]
        request = pb.PreloadRequest(
            namespace=self._name,
            items=[item.message() for item in wanted],
            force=force,
            max_parallelism=parallelism,
        )
        if pin_for is not None:
            request.pin_for.CopyFrom(wire(seconds(pin_for)))
        return AsyncPreload(self._state_for("a preload").calls, request)

    def join_preload(self, job: str) -> AsyncPreload:
        """Follows a preload job that was started elsewhere, or by `refresh`."""
        request = pb.PreloadRequest(namespace=self._name, job_id=texts.checked("job_id", job))
        return AsyncPreload(self._state_for("a preload").calls, request)

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
    ) -> AsyncWatch:
        """Follows changes of what is selected, or of all of the namespace, over lost connections.

        `values` tells values as well; `events` chooses by type, without which evictions are not told; `include_present`
        first tells what is there; `resume` continues after a token of `AsyncWatch.resume_token`; `exclude_own` leaves
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
        state = self._state_for("a watch")
        return AsyncWatch(state.calls, state.tasks, request, self._typed.decode)

    async def read_stream(self, key: AnyKey, *, follow: bool = False, **options: Unpack[ReadArgs]) -> AsyncReadStream:
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
        state = self._typed.state
        if state.guard.disabled:
            return AsyncReadStream(None, state.refused() or Miss("disabled"))
        reader = ValueReader(state.calls, request)
        await reader.open()
        return AsyncReadStream(reader, found_by(reader.header))

    async def write_stream(
        self, key: AnyKey, *, content_type: str | None = None, **options: Unpack[WriteArgs]
    ) -> AsyncWriteStream:
        """Begins to write a value in pieces. Nothing of it can be read before `finish`, except by who follows it."""
        check_write(options)
        space = self._typed
        request = self._put(key_text(key), options)
        request.content_type = texts.checked("content_type", content_type or self._serializer.content_type)
        if space.state.guard.disabled:
            space.state.refused(write=True)
            return AsyncDroppedStream()
        write = space.own_write([Set("key", request.key)])
        stream = AsyncWriteStream(space.state.calls, request, _settler(space, write, request.key))
        try:
            await stream.open()
        except BaseException:
            stream.close()
            raise
        return stream


def _settler(space: Typed, write: OwnWrite | None, key: str) -> Callable[[bool], None]:
    def settle(answered: bool) -> None:
        if answered and write is not None:
            write.answered()
        space.wrote(write, [key])

    return settle
