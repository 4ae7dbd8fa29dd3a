"""The one place that reads the time."""

from __future__ import annotations

import random
import time
from typing import Final

# Only Linux has it.
_BOOTTIME: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)
#: What is too long to be told ends in 30 years.
FAR: Final = 30 * 365 * 24 * 3600.0


def now() -> float:
    """Seconds on a clock that only goes forward."""
    return time.monotonic()


def since_boot() -> float:
    """Seconds since the machine was started, with the time it slept: what was known before a sleep is old after it."""
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


def jittered(wait: float) -> float:
    """A random 80 to 120 % of a wait, so that clients that failed together do not come back together."""
    return wait * random.uniform(0.8, 1.2)
