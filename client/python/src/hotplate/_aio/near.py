"""One namespace's near cache: what it asks and writes, and what keeps it in step. Decides nothing about entries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Final

from hotplate._aio import runtime
from hotplate._aio.calls import AsyncCalls
from hotplate._aio.watch import Follower
from hotplate._core import clock, retry
from hotplate._core.near.core import Asked, Confirmation, Core, stamp_of
from hotplate._core.near.kept import Kept
from hotplate._core.near.rule import TooLateError
from hotplate._core.near.sets import Set
from hotplate._core.setup import Setup
from hotplate.errors import HotplateError
from hotplate.near import NearOptions
from hotplate.results import NearStats
from hotplate.ttl import of_wire, seconds, wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

_log = logging.getLogger("hotplate")

#: Wait before a stream that the server refused is opened again, in seconds.
_REFUSED_WAIT: Final = 10.0
#: Keys told, or asked about, in one call.
_KEYS_PER_CALL: Final = 100
#: First and longest wait before a stream is opened again whose messages cannot be taken in, in seconds.
_LATE_FIRST: Final = 0.05
_LATE_MAX: Final = 5.0
#: Wait after a call about keys that failed, in seconds.
_TELL_WAIT: Final = 0.5
#: The server tells progress three times in the longest silence.
_PROGRESS_SHARE: Final = 3


class Near:
    """One namespace's near cache."""

    def __init__(
        self, namespace: str, options: NearOptions, calls: AsyncCalls, tasks: runtime.Tasks, setup: Setup
    ) -> None:
        self.options = options
        self._namespace = namespace
        self._calls = calls
        self._tasks = tasks
        self._core = Core(options)
        self._tell = runtime.Event()
        self._silence = seconds(options.progress_max)
        # Under which this client writes, where that is its own; otherwise what it writes is told to it, too.
        self._own_id = setup.client_id if setup.client_id_is_own else ""
        self._beginning = threading.Lock()
        self._feed: runtime.Task | None = None
        self._teller: runtime.Task | None = None
        self._follower: Follower | None = None

    def hit(self, key: str, max_age: float | None) -> Kept | None:
        """What may be served of a key now."""
        return self._core.hit(key, max_age, clock.since_boot())

    def ask(self) -> Asked:
        """Notes that the server is asked now; the first time, begins to follow what changes."""
        if self._feed is None or self._feed.is_over:
            self._begin()
        return self._core.ask(clock.since_boot())

    def _begin(self) -> None:
        # Threads that read first do so together: two that follow would each undo what the other has opened.
        with self._beginning:
            if not self._tasks.closing and (self._feed is None or self._feed.is_over):
                self._feed = self._tasks.spawn(self._follow, apart=True)
                self._teller = self._tasks.spawn(self._tell_all, apart=True)

    def offer(self, asked: Asked, key: str, response: pb.GetResponse) -> None:
        """Keeps an answer if it may be kept."""
        if self._core.offer(asked, key, response):
            self._tell.set()

    def write(self, sets: Sequence[Set]) -> OwnWrite:
        """Notes that this client writes what these cover. Nothing it kept of them is served from now on."""
        self._core.wrote(sets)
        return OwnWrite(self._core, sets, self._calls)

    def stats(self) -> NearStats:
        """What it did and holds."""
        return self._core.stats(clock.since_boot())

    def stop(self) -> None:
        """Wakes what waits here: the client is being closed."""
        self._tell.set()
        if self._follower is not None:
            runtime.interrupt(self._follower.close)

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_until_refused()
            except HotplateError as error:
                if self._tasks.closing:
                    return
                _log.warning("the near cache is off: the server does not tell what changes: %s", error)
            finally:
                self._core.lost()
            await self._tasks.sleep(clock.jittered(_REFUSED_WAIT))

    async def _follow_until_refused(self) -> None:
        follower = self._follower = Follower(self._calls, self._tasks, self._request())
        token = b""
        lates = 0
        try:
            self._prepare(follower, token)
            while not self._tasks.closing:
                try:
                    message = await follower.message(self._silence if follower.is_open else None)
                except TimeoutError:
                    # A server that is paused, or a line that is cut without a word, ends like one that is closed.
                    message = None
                if message is None:
                    self._core.lost()
                    self._prepare(follower, token)
                    continue
                try:
                    self._core.take(message, bool(token), clock.since_boot())
                except TooLateError:
                    self._core.lost()
                    lates += 1
                    await self._tasks.sleep(clock.jittered(retry.backoff(lates, _LATE_FIRST, _LATE_MAX)))
                    self._prepare(follower, token)
                    continue
                token = follower.token
                # That a stream begins does not show that it makes sense.
                if message.WhichOneof("message") != "created":
                    lates = 0
                self._tell.set()
        finally:
            follower.close()

    def _request(self) -> pb.WatchRequest:
        options = self.options
        request = pb.WatchRequest(
            namespace=self._namespace,
            selectors=[types.Selector(prefix=prefix) for prefix in options.prefixes or ()],
            progress_interval=wire(self._silence / _PROGRESS_SHARE),
            follow_keys=options.follow == "kept_keys",
        )
        if options.keep_dependents:
            # All there are: evictions are not among the usual ones.
            request.event_types.extend(number for number in pb.EventType.values() if number)
        return request

    def _prepare(self, follower: Follower, token: bytes) -> None:
        """Has the stream opened again, after the last message that was taken in."""
        opening = self._core.opening()
        follower.reopen(token, "" if opening.hears_own else self._own_id, opening.keys or [])

    async def _tell_all(self) -> None:
        """Tells and asks what there is to tell and to ask, one call at a time."""
        while True:
            await self._tell.wait(self._silence)
            if self._tasks.closing:
                return
            self._tell.clear()
            while await self._update() or await self._revalidate():
                pass

    async def _update(self) -> bool:
        update = self._core.update(_KEYS_PER_CALL)
        if update is None:
            return False
        request = pb.UpdateWatchRequest(
            namespace=self._namespace, watch_id=update.watch, add_keys=update.add, remove_keys=update.remove
        )
        try:
            answer = await self._calls.update_watch(request)
        except HotplateError as error:
            self._core.not_updated(update, error.reason == "TOO_MANY_KEYS")
            await self._tasks.sleep(clock.jittered(_TELL_WAIT))
            # What is left to tell has its turn with the next message of the stream, what is to be asked now.
            return False
        self._core.updated(update, answer.position)
        return True

    async def _revalidate(self) -> bool:
        asked, suspects = self._core.suspects(min(_KEYS_PER_CALL, self._calls.batch_items), clock.since_boot())
        if not suspects:
            return False
        items = [pb.RevalidateItem(key=kept.content.key, etag=kept.content.etag) for kept in suspects]
        results: list[pb.RevalidateResult] = []
        try:
            answer = await self._calls.revalidate(pb.RevalidateRequest(namespace=self._namespace, items=items))
            results.extend(answer.results)
        except HotplateError as error:
            _log.debug("what the near cache keeps could not be confirmed, and is dropped: %s", error)
        for place, suspect in enumerate(suspects):
            self._core.confirm(asked, suspect, _confirmation(results[place]) if place < len(results) else None)
        return True


def _confirmation(result: pb.RevalidateResult) -> Confirmation | None:
    stamp = stamp_of(result.as_of)
    if result.state != pb.REVALIDATE_STATE_CURRENT or stamp is None:
        return None
    return Confirmation(stamp, of_wire(result.fresh_for), of_wire(result.usable_for))


class OwnWrite:
    """A write of this client that is under way: `with` it, and tell it of the answer before the caller gets it.

    Left without that, its end is not known: it may still happen.
    """

    def __init__(self, core: Core, sets: Sequence[Set], calls: AsyncCalls) -> None:
        self._core = core
        self._sets = sets
        self._calls = calls
        # Calls that had been sent again when it began.
        self._repeats = calls.repeats
        self._ended = False

    def answered(self) -> None:
        """The server has answered."""
        # What was sent twice may happen once more, and nobody is told when.
        self._ended = self._calls.repeats == self._repeats
        if self._ended:
            self._core.wrote(self._sets)

    def end(self) -> None:
        """It is over: unless it was answered, it may still happen."""
        if not self._ended:
            self._core.may_have_written(self._sets)
