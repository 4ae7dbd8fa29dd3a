# Made from hotplate/_aio/watch.py by tools/make_sync.py: change that one.
"""Streams that outlive their connection: a watch that resumes by its token, a preload job that is joined again."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from hotplate import watching
from hotplate._core import clock, retry
from hotplate._sync import runtime
from hotplate._sync.calls import Calls
from hotplate._sync.transport import Stream
from hotplate.errors import HotplateError, UnavailableError
from hotplate.results import PreloadProgress, progress
from hotplate.v1 import cache_pb2 as pb
from hotplate.watching import Reader, WatchItem

T = TypeVar("T")

#: Wait before a lost stream is opened again for the first time, and longest such wait, in seconds.
_BACKOFF_FIRST: Final = 0.05
_BACKOFF_MAX: Final = 5.0
#: Times in a row a preload job is joined again before its loss is reported.
_REJOINS_MAX: Final = 8


class _Line(Generic[T]):
    """A stream that is opened when it is needed. `failures` are losses in a row since the last message."""

    def __init__(self) -> None:
        self.stream: Stream[T] | None = None
        self.failures = 0

    def message(self, open_it: Callable[[], Stream[T]], timeout: float | None) -> T:
        """The next message. Raises TimeoutError when an open stream has none in time."""
        if self.stream is None:
            if self.failures:
                runtime.sleep(clock.jittered(retry.backoff(self.failures, _BACKOFF_FIRST, _BACKOFF_MAX)))
            self.stream = open_it()
        try:
            message = self.stream.read(timeout)
            if message is None:
                raise UnavailableError("the server closed the stream")
        except HotplateError:
            self.close()
            raise
        self.failures = 0
        return message

    def close(self) -> None:
        """Lets go of the stream."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.cancel()


class Follower:
    """A watch as the contract says it, over lost connections and server restarts."""

    def __init__(self, calls: Calls, tasks: runtime.Tasks, request: pb.WatchRequest) -> None:
        self.request = request
        self._calls = calls
        self._tasks = tasks
        self._line: _Line[pb.WatchResponse] = _Line()
        self.lost: HotplateError | None = None
        """What the connection was lost by, the last time."""

    @property
    def is_open(self) -> bool:
        """Whether a stream is open."""
        return self._line.stream is not None

    @property
    def token(self) -> bytes:
        """The token after the last message."""
        return self.request.resume_token

    def message(self, timeout: float | None = None) -> pb.WatchResponse | None:
        """The next message; None when the connection was lost, once each time: it goes on by itself.

        Raises TimeoutError when an open stream has none in time, and what a reconnection cannot mend.
        """
        while True:
            try:
                message = self._line.message(self._open, timeout)
            except HotplateError as error:
                if not error.is_outage or self._tasks.closing:
                    raise
                self._line.failures += 1
                if self._line.failures == 1:
                    self.lost = error
                    return None
                continue
            if message.resume_token:
                self.request.resume_token = message.resume_token
                # What was there has begun to be told; the token, not a new listing, is what continues it.
                self.request.include_present = False
            return message

    def reopen(self, token: bytes, exclude: str, keys: list[str]) -> None:
        """Lets go of the stream. The next one goes on after `token`, without what `exclude` did, with these keys."""
        self._line.close()
        self.request.resume_token = token
        self.request.exclude_client_id = exclude
        del self.request.keys[:]
        self.request.keys.extend(keys)

    def close(self) -> None:
        """Ends it."""
        self._line.close()

    def _open(self) -> Stream[pb.WatchResponse]:
        return self._calls.watch(self.request)


class Watch:
    """Follows changes, over lost connections and server restarts. Made by `Namespace.watch`.

    Iterate over it, or call `next`. Errors that a reconnection cannot mend are raised, and end it. One task or thread
    at a time may wait for it.
    """

    def __init__(self, calls: Calls, tasks: runtime.Tasks, request: pb.WatchRequest, reader: Reader) -> None:
        """Made by the namespace."""
        self._follower = Follower(calls, tasks, request)
        self._reader = reader
        self._items: deque[WatchItem] = deque()
        self._token = request.resume_token
        self._left: runtime.Left | None = None
        self._ended = False

    @property
    def resume_token(self) -> bytes:
        """Continue later, on this server, after the last item told. Empty before the first.

        Of a message that told several things it is the token once all of them were handed out: what was not is told
        again.
        """
        return self._token

    def next(self, timeout: float | None = None) -> WatchItem | None:
        """The next item, waiting as long as it takes, or at most `timeout` seconds; None when the watch was closed.

        Raises TimeoutError when none came in time. Nothing is lost by that, or by giving up.
        """
        ends = None if timeout is None else clock.now() + timeout
        if self._left is None:
            self._left = runtime.when_left(self, "a watch", self._follower.close)
        while not self._items:
            if self._ended:
                return None
            left = None if ends is None else max(0.0, ends - clock.now())
            try:
                message = self._follower.message(left)
            except TimeoutError:
                raise
            except HotplateError:
                self.close()
                raise
            if message is None:
                self._items.append(WatchItem("lost", error=self._follower.lost))
                continue
            self._items.extend(watching.items(message, self._reader))
        item = self._items.popleft()
        if not self._items:
            self._token = self._follower.token
        return item

    def close(self) -> None:
        """Ends it."""
        self._ended = True
        if self._left is not None:
            self._left.detach()
        self._follower.close()

    def __iter__(self) -> Self:
        """Each item as it comes."""
        return self

    def __next__(self) -> WatchItem:
        """The next item."""
        item = self.next()
        if item is None:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        """Ends it when the block is left."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""
        self.close()


class Preload:
    """A preload job, followed to its end, over lost connections. Made by `Namespace.preload`.

    Iterate over it for progress, or wait for its end with `result`. The job goes on when nobody follows it.
    """

    def __init__(self, calls: Calls, request: pb.PreloadRequest) -> None:
        """Made by the namespace."""
        if not request.job_id:
            request.request_id = secrets.token_hex(16)
        self._calls = calls
        self._request = request
        self._line: _Line[pb.PreloadResponse] = _Line()
        self._left: runtime.Left | None = None
        self._ended = False

    @property
    def job_id(self) -> str:
        """The job's id, for joining it elsewhere. Empty before the first answer."""
        return self._request.job_id

    def next(self) -> PreloadProgress | None:
        """The next progress; None when the job has ended, or following it has."""
        if self._left is None:
            self._left = runtime.when_left(self, "a preload that is followed", self._line.close)
        while not self._ended:
            try:
                message = self._line.message(self._open, None)
            except HotplateError as error:
                if error.is_outage and self._line.failures < _REJOINS_MAX:
                    self._line.failures += 1
                    continue
                self.close()
                raise
            del self._request.items[:]
            self._request.ClearField("pin_for")
            self._request.request_id = ""
            self._request.job_id = message.job_id
            if message.finished:
                self.close()
            return progress(message)
        return None

    def close(self) -> None:
        """Ends following it; the job goes on."""
        self._ended = True
        if self._left is not None:
            self._left.detach()
        self._line.close()

    def result(self) -> PreloadProgress:
        """Waits for the end; the results of all items are in it."""
        results = {}
        last: PreloadProgress | None = None
        while (told := self.next()) is not None:
            results.update({one.key: one for one in told.results})
            last = told
        if last is None:
            raise UnavailableError("the job was followed to its end before")
        return PreloadProgress(
            last.job_id,
            last.done_count,
            last.total_count,
            last.loaded_bytes,
            tuple(results.values()),
            last.finished,
            last.cancelled,
        )

    def __iter__(self) -> Self:
        """Each progress as it comes."""
        return self

    def __next__(self) -> PreloadProgress:
        """The next progress."""
        told = self.next()
        if told is None:
            raise StopIteration
        return told

    def __enter__(self) -> Self:
        """Ends following it when the block is left."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends following it."""
        self.close()

    def _open(self) -> Stream[pb.PreloadResponse]:
        return self._calls.preload(self._request)
