"""What large values have in common on their way: which failures a transfer goes on after, and what proves the whole."""

from __future__ import annotations

from collections import deque
from typing import Final

from hotplate._core import clock, retry
from hotplate._core.crc32c import combine
from hotplate._core.flights import is_final
from hotplate.errors import HotplateError, InternalError

#: Failures in a row, without a byte of progress between them, after which a transfer is given up.
FAILURES_MAX: Final = 8
#: Failures at one server after which another is tried, where there is one.
FAILURES_PER_SERVER: Final = 3
#: Wait before the first time a stream is opened again, and longest wait before that, in seconds.
_PAUSE_FIRST: Final = 0.05
_PAUSE_MAX: Final = 2.0
#: Bytes of a chunk that is sent, where the server takes as much.
CHUNK_BYTES: Final = 1 << 20
#: Places remembered with the checksum of all before them, to go on from.
_PLACES_MAX: Final = 4_096
#: Bytes sent that are kept until the server is known to have them.
KEPT_BYTES_MAX: Final = 16 << 20

_DAMAGED: Final = "CHUNK_DAMAGED"


def damaged(what: str) -> InternalError:
    """Something arrived otherwise than it was sent."""
    return InternalError(what, reason=_DAMAGED)


def is_interruption(error: HotplateError) -> bool:
    """Whether a stream that ended like this may go on in another one.

    Also one that another took over: nobody else has the upload's id, so that was an older stream of its own.
    """
    if error.reason == "UPLOAD_TAKEN_OVER":
        return True
    if is_final(error):
        return False
    if error.kind in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"):
        return True
    if error.kind == "RESOURCE_EXHAUSTED":
        return error.retry_after is not None
    return error.kind == "INTERNAL" and error.reason == _DAMAGED


class Failures:
    """How often in a row a transfer failed."""

    def __init__(self) -> None:
        self.count = 0

    def progress(self) -> None:
        """Something arrived."""
        self.count = 0

    def add(self, error: HotplateError) -> None:
        """Counts a failure. Raises the one that is too many."""
        self.count += 1
        if self.count > FAILURES_MAX:
            raise error

    def pause(self, error: HotplateError, longest: float) -> float:
        """Seconds to wait before the next try. Raises the failure when there is none."""
        if not is_interruption(error):
            raise error
        self.add(error)
        own = clock.jittered(retry.backoff(self.count, _PAUSE_FIRST, _PAUSE_MAX))
        pause = own if error.retry_after is None else max(error.retry_after, own)
        if pause > longest:
            raise error
        return pause

    @property
    def leave_server(self) -> bool:
        """Whether another server is to be tried now."""
        return self.count > 0 and self.count % FAILURES_PER_SERVER == 0


class Sums:
    """CRC-32C of all before each end of a chunk, so that sending can go on from there."""

    def __init__(self) -> None:
        self._places: deque[tuple[int, int]] = deque([(0, 0)])

    def at(self, offset: int) -> int | None:
        """That of all before this byte, where it is known; what was known of later bytes is dropped."""
        while self._places and self._places[-1][0] > offset:
            self._places.pop()
        return self._places[-1][1] if self._places and self._places[-1][0] == offset else None

    def add(self, whole: int | None, crc: int, end: int, length: int) -> int | None:
        """That of all before `end`, after one more chunk."""
        if whole is None:
            return None
        total = combine(whole, crc, length)
        if len(self._places) >= _PLACES_MAX:
            self._places.popleft()
        self._places.append((end, total))
        return total
