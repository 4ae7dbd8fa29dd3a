"""A lease this process holds: kept while the computation runs, used up by one Put, or given back, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from hotplate._aio import runtime
from hotplate._aio.state import State
from hotplate._aio.writing import put_whole
from hotplate._core import clock
from hotplate._core.near.sets import Set
from hotplate.errors import HotplateError
from hotplate.options import expiration
from hotplate.ttl import DurationLike, TtlLike, of_wire, seconds, wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

_log = logging.getLogger("hotplate")

#: A lease is extended each time this part of its duration is over: two calls may fail before it is lost.
_EXTEND_AFTER: Final = 3
#: Shortest time between two calls that extend a lease, in seconds.
_EXTEND_INTERVAL_MIN: Final = 0.01
#: Longest step of a wait, in seconds.
_STEP: Final = 0.5
#: Bytes of a failure's text that are remembered: the server's bound.
_MESSAGE_BYTES_MAX: Final = 1024
#: The reason of a failure that was remembered by `get_or_compute`.
COMPUTE_FAILED: Final = "COMPUTE_FAILED"


class Held:
    """A lease that is held, and extended from now on. `end` it in any case: unused, it is given back for the next."""

    def __init__(self, state: State, namespace: str, key: str, lease: pb.Lease) -> None:
        self._state = state
        self._release = pb.ReleaseLeaseRequest(namespace=namespace, key=key, token=lease.token)
        self._lost = False
        self._over = runtime.Event()
        self._used = False
        state.give_ups.add(self.give_up)
        try:
            state.tasks.spawn(self._keep, of_wire(lease.duration))
        except RuntimeError:
            # Nothing can be started that keeps it: someone else is to have it, before it lapses.
            _log.warning("a lease cannot be kept, as nothing can be started for it: it is given back")
            self.give_up()
        except BaseException:
            self.give_up()
            raise

    async def put(self, request: pb.PutRequest) -> None:
        """Stores a value under the lease.

        A lease that was lost stores nothing, which is no failure: someone else is about to store a newer value.
        """
        if self._lost:
            self._used = True
            _log.debug("a lease was lost: its value is not stored")
            return
        request.lease_token = self._release.token
        state = self._state
        if state.refused(write=True) is not None:
            return
        near = state.near(request.namespace)
        write = None if near is None else near.write([Set("key", request.key)])
        try:
            try:
                answer = await put_whole(state.calls, request)
            except HotplateError as error:
                state.guard.observe(error)
                state.guard.degraded(error, write=True)
                return
            state.guard.observe(None)
            # A condition that does not hold leaves the lease as it was.
            self._used = answer.outcome != pb.PUT_OUTCOME_PRECONDITION_FAILED
            if write is not None:
                write.answered()
        finally:
            if write is not None:
                write.end()
        state.flights.outdate(request.namespace, request.key)
        if answer.outcome == pb.PUT_OUTCOME_LEASE_LOST:
            _log.debug("a lease was lost: its value is not stored")
        elif answer.outcome == pb.PUT_OUTCOME_NOT_ADMITTED:
            _log.warning("a computed value was not stored: %s", answer.not_admitted_reason)

    def fail(self, error: BaseException, lifetime: TtlLike, described: Mapping[str, Any]) -> None:
        """It is given back with a failure: those who wait, and who comes within this time, get it."""
        lives = expiration({"ttl": lifetime})
        if lives is not None:
            self._release.expiration.CopyFrom(lives)
        # Described as the value would have been: what drops that drops the failure.
        self._release.kind = described.get("kind", "")
        self._release.tags.extend(described.get("tags", ()))
        self._release.depends_on.extend(described.get("depends_on", ()))
        message = error.message if isinstance(error, HotplateError) else str(error)
        short = message.encode("utf-8", "replace")[:_MESSAGE_BYTES_MAX].decode("utf-8", "ignore")
        self._release.failure.CopyFrom(types.Negative(reason=COMPUTE_FAILED, message=short))

    def hold_off(self, pause: DurationLike) -> None:
        """It is given back for nobody before this is over."""
        self._release.hold_off.CopyFrom(wire(seconds(pause)))

    def end(self) -> None:
        """The computation is over: a lease that was not used is given back, by a task of its own."""
        if self._over.is_set():
            return
        self._over.set()
        self._state.give_ups.discard(self.give_up)
        if not self._used and not self._lost:
            self._state.tasks.last_word(self._give_back)

    def give_up(self) -> None:
        """The client is being closed: the lease is given back now, and stores nothing any more."""
        self.end()
        self._lost = True

    async def _give_back(self) -> None:
        calls = self._state.calls
        try:
            await calls.release_lease(self._release)
        except HotplateError as error:
            if error.is_outage:
                _log.warning("a lease could not be given back: it lapses: %s", error)
                return
            _log.warning("a failure could not be remembered, and is not: %s", error)
            plain = pb.ReleaseLeaseRequest(
                namespace=self._release.namespace, key=self._release.key, token=self._release.token
            )
            try:
                await calls.release_lease(plain)
            except HotplateError as again:
                _log.warning("a lease could not be given back: it lapses: %s", again)

    async def _keep(self, duration: float) -> None:
        """Extends the lease until it is lost or over. A server that does not answer may still hold it."""
        request = pb.ExtendLeaseRequest(
            namespace=self._release.namespace, key=self._release.key, token=self._release.token
        )
        while not await self._is_over_within(max(duration / _EXTEND_AFTER, _EXTEND_INTERVAL_MIN)):
            try:
                answer = await self._state.calls.extend_lease(request)
            except HotplateError as error:
                if not error.is_outage:
                    _log.warning("a lease cannot be extended: %s", error)
                    return
                continue
            if answer.outcome != pb.LEASE_OUTCOME_HELD:
                self._lost = True
                return
            duration = of_wire(answer.lease.duration) or duration

    async def _is_over_within(self, interval: float) -> bool:
        """Waits until the next call is due, or the computation or the client is over."""
        due = clock.now() + interval
        while (left := due - clock.now()) > 0:
            # In short steps: a thread hears only so that its client is closed.
            if await self._over.wait(min(left, _STEP)) or self._state.tasks.closing:
                return True
        return False
