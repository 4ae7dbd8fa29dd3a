"""The near-cache rule: which answers may be kept, and when what is kept may be served.

It knows positions and sets, no values, no clock and no network.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hotplate._core.near.sets import Facts, Set

#: Logs of a server: 0 to 63 hold changes of keys, the last one changes of sets.
LOGS: Final = 65
#: The log of changes of sets.
SET_LOG: Final = LOGS - 1


class TooLateError(Exception):
    """The stream has to be opened again: what it says is too old to be relied on."""


@dataclass(frozen=True, slots=True)
class Place:
    """A number for each log, of one epoch."""

    epoch: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """How current an answer is: where the log of its key and the log of sets were when it was found valid."""

    epoch: int
    log: int
    key: int
    set: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change that the stream told."""

    epoch: int
    log: int
    number: int
    what: Set

    def overtakes(self, stamp: Stamp) -> bool:
        """Whether something with this stamp does not reflect the change."""
        if self.log == SET_LOG:
            return self.number > stamp.set
        return self.log == stamp.log and self.number > stamp.key


class Line(enum.Enum):
    """How the stream is."""

    LOST = 0
    CATCHING_UP = 1
    SYNCED = 2


class Rule:
    """What the near cache knows of one namespace's changes.

    Nothing is served and kept until a stream is there. `fences_max` bounds what is remembered of the stream, and of
    what this client wrote.
    """

    def __init__(self, progress_max: float, fences_max: int) -> None:
        self._progress_max = progress_max
        self._fences_max = fences_max
        self._line = Line.LOST
        self._heard_at = 0.0
        self._epoch = 0
        self._numbers = [0] * LOGS
        # Changes that were told, for answers that left before them; the oldest give way to the floors.
        self._fences: deque[Change] = deque()
        # An answer that is not as current as this may have been overtaken by what was forgotten.
        self._floors = [0] * LOGS
        self._own: deque[tuple[int, Set]] = deque()
        self._own_now = 0
        self._own_floor = 0

    def created(self, at: Place, continued: bool, now: float) -> bool:
        """The stream exists; whether what is kept may stay. One that goes on serves only when it has caught up."""
        self._heard_at = now
        if continued and at.epoch == self._epoch:
            self._line = Line.CATCHING_UP
            return True
        self._start_over(at)
        return False

    def hear(self, now: float) -> None:
        """A message came.

        After a silence that is longer than allowed, what waited in between is too old: a program or machine that was
        paused would otherwise take it for news.
        """
        if self._line is Line.LOST or now - self._heard_at >= self._progress_max:
            self._line = Line.LOST
            raise TooLateError
        self._heard_at = now

    def progress(self, at: Place) -> None:
        """Everything up to here was told."""
        self._same_history(at.epoch)
        self._numbers = [max(pair) for pair in zip(self._numbers, at.numbers, strict=True)]
        self._line = Line.SYNCED

    def changed(self, change: Change) -> None:
        """Remembers a change. Call it after what it covers was dropped."""
        self._same_history(change.epoch)
        self._numbers[change.log] = max(change.number, self._numbers[change.log])
        self._fences.append(change)
        if len(self._fences) > self._fences_max:
            oldest = self._fences.popleft()
            self._floors[oldest.log] = max(oldest.number, self._floors[oldest.log])

    def discontinued(self, at: Place) -> None:
        """Changes up to here were lost; from here on the stream is complete."""
        self._start_over(at)

    def lost(self) -> None:
        """The stream is gone."""
        self._line = Line.LOST

    def ticket(self) -> int:
        """What this client has written so far: take it before asking."""
        return self._own_now

    def wrote(self, sets: Sequence[Set]) -> None:
        """This client writes, or has written, what these cover. To be told before the call and when it has ended."""
        self._own_now += 1
        self._own.extend((self._own_now, one) for one in sets)
        while len(self._own) > self._fences_max:
            oldest, _ = self._own.popleft()
            self._own_floor = max(oldest, self._own_floor)

    def unfit(self, key: str, facts: Facts, stamp: Stamp, ticket: int) -> str | None:
        """Why an answer may not be kept; None when it may."""
        if self._line is not Line.SYNCED:
            return "not_synced"
        if stamp.epoch != self._epoch or stamp.log >= SET_LOG:
            return "other_history"
        own = (written > ticket and one.selects(key, facts) for written, one in self._own)
        if ticket < self._own_floor or any(own):
            return "own_write"
        if stamp.key < self._floors[stamp.log] or stamp.set < self._floors[SET_LOG]:
            return "overtaken"
        if stamp.key >= self._numbers[stamp.log] and stamp.set >= self._numbers[SET_LOG]:
            return None
        after = (fence.overtakes(stamp) and fence.what.selects(key, facts) for fence in self._fences)
        return "overtaken" if any(after) else None

    @property
    def serves_until(self) -> float:
        """Until when what is kept may be served, if nothing else is heard; zero: not at all."""
        return self._heard_at + self._progress_max if self._line is Line.SYNCED else 0.0

    @property
    def synced(self) -> bool:
        """Whether the stream is there and has caught up."""
        return self._line is Line.SYNCED

    def _same_history(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._line = Line.LOST
            raise TooLateError

    def _start_over(self, at: Place) -> None:
        self._epoch = at.epoch
        self._numbers = list(at.numbers)
        self._floors = list(at.numbers)
        self._fences.clear()
        self._line = Line.SYNCED
