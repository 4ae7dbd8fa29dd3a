"""Knows whether the cache is worth asking.

After a run of failures calls are refused at once, and one at a time is let through to find out whether it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from hotplate._core import clock

#: Failures in a row after which the cache counts as away.
FAILURES_MAX: Final = 5
#: Seconds between two calls that are let through while it is away, before jitter.
PROBE_INTERVAL: Final = 1.0


class Breaker:
    """Counts failures in a row. `now` is the clock; `changed` is told each change of `available`, outside the lock."""

    def __init__(self, changed: Callable[[bool], None], now: Callable[[], float] = clock.now) -> None:
        self._changed = changed
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        # When the next call is let through; set while the cache counts as away.
        self._probe_at: float | None = None
        self._opened = 0

    def admits(self) -> bool:
        """Whether a call may go out now.

        While away, one call a probe interval may; it need not report back, so a caller that gives up leaves nothing
        stuck.
        """
        with self._lock:
            if self._probe_at is None:
                return True
            if self._now() < self._probe_at:
                return False
            self._probe_at = self._next_probe()
            return True

    def succeeded(self) -> None:
        """Records an answer, whatever it said."""
        with self._lock:
            self._failures = 0
            was_away, self._probe_at = self._probe_at is not None, None
        if was_away:
            self._changed(True)

    def failed(self) -> None:
        """Records that no answer came."""
        with self._lock:
            self._failures += 1
            if self._failures < FAILURES_MAX:
                return
            was_there, self._probe_at = self._probe_at is None, self._next_probe()
            self._opened += was_there
        if was_there:
            self._changed(False)

    @property
    def available(self) -> bool:
        """Whether the cache counts as there."""
        return self._probe_at is None

    @property
    def opened(self) -> int:
        """Times the cache was found to be away."""
        return self._opened

    def _next_probe(self) -> float:
        return self._now() + clock.jittered(PROBE_INTERVAL)
