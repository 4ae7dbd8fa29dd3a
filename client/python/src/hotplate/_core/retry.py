"""When a failed call is tried again: how often, how soon, and never more than a share of all calls.

The numbers are those of `client/service_config.json` of the repository, which every client shares; a test compares
them.
"""

from __future__ import annotations

import threading
from typing import Final

from hotplate._core import clock
from hotplate.errors import HotplateError

#: Tries of one call, the first included.
ATTEMPTS_MAX: Final = 3
#: Wait before the second try, in seconds.
BACKOFF_FIRST: Final = 0.02
#: Longest wait between tries that the client picks by itself, in seconds.
BACKOFF_MAX: Final = 0.2
#: By what each wait is longer than the one before.
BACKOFF_MULTIPLIER: Final = 2
#: Tokens in the budget when all is well.
BUDGET_TOKENS: Final = 100.0
#: Tokens a success gives back; a failure takes one.
BUDGET_RATIO: Final = 0.1


class Budget:
    """Bounds what retries add to an overload.

    While more than one call in ten fails, the bucket drains, and below half nothing is retried.
    """

    def __init__(self) -> None:
        self._tokens = BUDGET_TOKENS
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """Records a call that the server answered."""
        with self._lock:
            self._tokens = min(BUDGET_TOKENS, self._tokens + BUDGET_RATIO)

    def failed(self) -> bool:
        """Records a call that found the server away, and tells whether it may be tried again."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1.0)
            return self._tokens > BUDGET_TOKENS / 2


#: The reason of a call that never left because the function that gives its token failed.
UNSENT: Final = "TOKEN_FUNCTION_FAILED"


def wait_before(attempt: int, attempts: int, safe: bool, error: HotplateError) -> float | None:
    """Seconds to wait before try number `attempt` (2 or more), or None when the failure is final."""
    if attempt > attempts or not safe or error.kind != "UNAVAILABLE" or is_answer(error):
        return None
    if error.retry_after is not None:
        return error.retry_after
    return clock.jittered(backoff(attempt - 1, BACKOFF_FIRST, BACKOFF_MAX))


def is_answer(error: HotplateError) -> bool:
    """Whether the server did what it could: what is left is done by itself, and asking again changes nothing."""
    return error.reason == "TIER_PENDING"


def is_unsent(error: HotplateError) -> bool:
    """Whether the call never left: that says nothing of the server."""
    return error.reason == UNSENT


def backoff(retry: int, first: float, longest: float) -> float:
    """The full wait before retry number `retry` (1 or more): doubling from `first`, never above `longest`."""
    exponent = min(max(retry - 1, 0), 32)
    return float(min(first * BACKOFF_MULTIPLIER**exponent, longest))
