"""Degradation: every typed call passes here.

A cache that is away becomes a miss, a dropped write or a remembered invalidation; what is remembered is carried out
before anything is read or written again. Makes no calls itself.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from hotplate._core.breaker import Breaker
from hotplate.errors import HotplateError, ResourceExhaustedError, UnavailableError
from hotplate.results import DegradationCounts, Miss
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

#: Selectors that fit one Invalidate.
SELECTORS_PER_CALL: Final = 128


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
        # Invalidations that wait for the server, oldest first.
        self._waiting: deque[tuple[str, types.Selector]] = deque()
        self._replaying = False
        self._reads = self._writes = self._queued = self._replayed = 0

    def refused(self, *, write: bool = False) -> Miss | None:
        """What to answer without a call, if anything. Raises when failures are to be raised."""
        if self.disabled:
            return self._counted(Miss("disabled"), write)
        # What this client invalidated may still be stored: reading it would undo the invalidation.
        if self._waiting or not self.breaker.admits():
            return self.degraded(_away(), write=write)
        return None

    def observe(self, error: HotplateError | None) -> None:
        """Tells the breaker whether anyone answered a call."""
        if error is not None and error.kind in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            self.breaker.failed()
        else:
            self.breaker.succeeded()

    def degraded(self, error: HotplateError, *, write: bool = False) -> Miss:
        """What a failed call is answered with. Raises the error when it is the caller's."""
        if self._raises or not error.is_outage:
            raise error
        return self._counted(Miss("timeout" if error.kind == "DEADLINE_EXCEEDED" else "unavailable"), write)

    def goes_direct(self) -> bool:
        """Whether an invalidation may be sent now: those that wait go before it."""
        return not self._waiting and self.breaker.admits()

    def remember(self, error: HotplateError | None, namespace: str, selectors: Sequence[types.Selector]) -> None:
        """Keeps an invalidation that could not be sent. Raises when that is not allowed, or there is no room."""
        error = error or _away()
        if self._raises or not error.is_outage:
            raise error
        with self._lock:
            if len(self._waiting) + len(selectors) > self._journal_max:
                raise ResourceExhaustedError(
                    "the cache is away and no more invalidations can be remembered: raise `journal_max`",
                    reason="JOURNAL_FULL",
                )
            self._queued += len(selectors)
            self._waiting.extend((namespace, selector) for selector in selectors)

    @property
    def pending(self) -> int:
        """Invalidations that wait."""
        return len(self._waiting)

    def begin_replay(self) -> bool:
        """Whether the caller is the one to start the replay."""
        with self._lock:
            if not self._waiting or self._replaying:
                return False
            self._replaying = True
            return True

    def end_replay(self) -> None:
        """The replay was ended before all was carried out: the next one to remember something starts another."""
        with self._lock:
            self._replaying = False

    def next_batch(self) -> pb.InvalidateRequest | None:
        """What to carry out next; None when nothing waits any more, which ends the replay."""
        with self._lock:
            if not self._waiting:
                self._replaying = False
                return None
            namespace = self._waiting[0][0]
            oldest = itertools.islice(self._waiting, SELECTORS_PER_CALL)
            same = itertools.takewhile(lambda waiting: waiting[0] == namespace, oldest)
            return self.replay_request(namespace, [selector for _, selector in same])

    def replay_request(self, namespace: str, selectors: Sequence[types.Selector]) -> pb.InvalidateRequest:
        """An invalidation that was remembered."""
        return pb.InvalidateRequest(
            namespace=namespace,
            selectors=selectors,
            reason="made while the server was away",
            client_id=self._client_id,
        )

    def forget(self, count: int, *, replayed: bool) -> None:
        """Drops the oldest invalidations: carried out, or refused."""
        with self._lock:
            for _ in range(min(count, len(self._waiting))):
                self._waiting.popleft()
            self._replayed += count if replayed else 0

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
