"""Degradation: every typed call passes here.

A cache that is away becomes a miss, a dropped write or a remembered invalidation; what is remembered is carried out
before anything is read or written again. Makes no calls itself.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hotplate._core import clock, retry
from hotplate._core.breaker import PROBE_INTERVAL, Breaker
from hotplate._core.flights import closed
from hotplate.errors import FailedPreconditionError, HotplateError, ResourceExhaustedError, UnavailableError
from hotplate.results import DegradationCounts, Miss
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

#: Selectors that fit one Invalidate.
SELECTORS_PER_CALL: Final = 128
#: Times that the server may fail to carry one out before something larger is tried in its place.
_FAILURES_MAX: Final = 5


@dataclass(slots=True, eq=False)
class Waiting:
    """An invalidation that was remembered: one selector of it."""

    namespace: str
    selector: types.Selector
    failures: int = 0
    """How often the server answered that it failed."""
    due: float = 0.0
    """Not to be tried again before."""


class Guard:
    """The guard of a client."""

    def __init__(
        self, *, raises: bool, disabled: bool, journal_max: int, client_id: str, changed: Callable[[bool], None]
    ) -> None:
        self.breaker = Breaker(changed)
        self.disabled = disabled
        self._raises = raises
        self._journal_max = journal_max
        self._client_id = client_id
        self._lock = threading.Lock()
        # Invalidations that wait for the server, oldest first, by a number of their own.
        self._waiting: dict[int, Waiting] = {}
        self._numbers = itertools.count()
        self._closed = False
        self._replaying = False
        self._reads = self._writes = self._queued = self._replayed = 0

    def refused(self, *, write: bool = False) -> Miss | None:
        """What to answer without a call, if anything. Raises where failures are raised, and on a closed client."""
        self.check_open()
        if self.disabled:
            return self._counted(Miss("disabled"), write)
        # What this client invalidated may still be stored: reading it would undo the invalidation.
        if self._waiting or not self.breaker.admits():
            return self.degraded(_away(), write=write)
        return None

    def observe(self, error: HotplateError | None) -> None:
        """Tells the breaker whether anyone answered a call."""
        if error is None or retry.is_answer(error):
            self.breaker.succeeded()
        elif retry.is_unsent(error) or error.kind == "CANCELLED":
            # Nobody was asked, or nobody waited for the answer: that is no evidence.
            return
        elif error.kind in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            self.breaker.failed()
        else:
            self.breaker.succeeded()

    def close(self) -> None:
        """The client is being closed: from now on every call is an error."""
        self._closed = True

    def check_open(self) -> None:
        """Raises when the client was closed."""
        if self._closed:
            raise closed()

    def degraded(self, error: HotplateError, *, write: bool = False, batch: bool = False) -> Miss:
        """What a failed call is answered with. Raises the error when it is the caller's."""
        self.check_open()
        if batch and error.reason == "MESSAGE_TOO_LARGE":
            # What was put into one call is too much for it: the cache is there.
            raise error
        if self._raises or not error.is_outage:
            raise error
        return self._counted(Miss("timeout" if error.kind == "DEADLINE_EXCEEDED" else "unavailable"), write)

    def goes_direct(self) -> bool:
        """Whether an invalidation may be sent now: those that wait go before it."""
        return not self._waiting and self.breaker.admits()

    def remember(self, error: HotplateError | None, namespace: str, selectors: Sequence[types.Selector]) -> None:
        """Keeps an invalidation that could not be sent. Raises when that is not allowed, or there is no room."""
        error = error or _away()
        self.check_open()
        if self._raises or not error.is_outage:
            raise error
        with self._lock:
            if len(self._waiting) + len(selectors) > self._journal_max:
                raise ResourceExhaustedError(
                    "the cache is away and no more invalidations can be remembered: raise `journal_max`",
                    reason="JOURNAL_FULL",
                )
            self._queued += len(selectors)
            self._waiting.update((next(self._numbers), Waiting(namespace, selector)) for selector in selectors)

    def is_done(self, error: HotplateError) -> bool:
        """Whether an invalidation that ended so is carried out, as far as its caller has to know."""
        return retry.is_answer(error) and not self._raises

    @property
    def pending(self) -> int:
        """Invalidations that wait."""
        return len(self._waiting)

    def begin_replay(self, *, runs: bool) -> bool:
        """Whether the caller is the one to start the replay; `runs` says whether the one started last has not ended."""
        with self._lock:
            if not self._waiting or (self._replaying and runs):
                return False
            self._replaying = True
            return True

    def next_batch(self) -> dict[int, Waiting] | None:
        """What to carry out next, of one namespace; None when nothing waits any more, which ends the replay.

        What the server failed at goes last and alone, so that it holds up nothing else.
        """
        with self._lock:
            if not self._waiting:
                self._replaying = False
                return None
            number, oldest = next(iter(self._waiting.items()))
            untried = ((one, waiting) for one, waiting in self._waiting.items() if not waiting.failures)
            first = next(untried, None)
            if first is None:
                return {number: oldest}
            rest = itertools.islice(untried, SELECTORS_PER_CALL - 1)
            same = itertools.takewhile(lambda one: one[1].namespace == first[1].namespace, rest)
            return dict([first, *same])

    def replay_request(self, batch: dict[int, Waiting]) -> pb.InvalidateRequest:
        """The call that carries out what was remembered."""
        return pb.InvalidateRequest(
            namespace=next(iter(batch.values())).namespace,
            selectors=[waiting.selector for waiting in batch.values()],
            reason="made while the server was away",
            client_id=self._client_id,
        )

    def forget(self, batch: dict[int, Waiting], *, replayed: bool) -> None:
        """Drops invalidations that were carried out, or refused."""
        with self._lock:
            for number in batch:
                self._waiting.pop(number, None)
            self._replayed += len(batch) if replayed else 0

    def failed_at(self, number: int, waiting: Waiting) -> Literal["again", "widened", "dropped"]:
        """The server answered, and failed to carry it out: what becomes of it.

        After some times everything of its namespace takes its place, and when that fails as often it is given up:
        otherwise this client would read and write nothing any more.
        """
        with self._lock:
            # To the end, so that each has its turn.
            self._waiting.pop(number, None)
            waiting.failures += 1
            waiting.due = clock.now() + clock.jittered(PROBE_INTERVAL)
            became: Literal["again", "widened", "dropped"] = "again"
            if waiting.failures % _FAILURES_MAX == 0:
                if waiting.selector.everything:
                    return "dropped"
                waiting.selector = types.Selector(everything=True)
                became = "widened"
            self._waiting[next(self._numbers)] = waiting
            return became

    def counts(self) -> DegradationCounts:
        """How often the client went on without the cache."""
        with self._lock:
            return DegradationCounts(self._reads, self._writes, self._queued, self._replayed, self.breaker.opened)

    def _counted(self, miss: Miss, write: bool) -> Miss:
        with self._lock:
            if write:
                self._writes += 1
            else:
                self._reads += 1
        return miss


def _away() -> HotplateError:
    return UnavailableError("the cache was away a moment ago")


def turned_off(what: str) -> FailedPreconditionError:
    """What is answered to what has no answer in a life without cache."""
    return FailedPreconditionError(
        f"{what} needs the cache, which is turned off in this process: by HOTPLATE_DISABLE, or by `disabled`",
        reason="DISABLED",
    )
