"""How many computations may run at once, and whose turn is next. Nobody waits here."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hotplate._core.flights import Flight, Settable

E = TypeVar("E", bound=Settable)


class Slots(Generic[E]):
    """Places for computations. What is only looked up, or waited for, needs none."""

    def __init__(self, places: int, event: Callable[[], E]) -> None:
        self._free = places
        self._event = event
        self._lock = threading.Lock()
        self._queue: deque[Flight[E]] = deque()

    def take(self) -> bool:
        """A place, if there is one now."""
        with self._lock:
            if self._free == 0:
                return False
            self._free -= 1
            return True

    def begin(self, flight: Flight[E]) -> E | None:
        """What to wait for before the computation may run; None: it may now. Then `flight.has_turn` says its right.

        What another computation waits for takes a place if there is one, and runs in that one's place otherwise.
        """
        with self._lock:
            if self._free > 0:
                self._free -= 1
                flight.has_turn = True
                return None
            if flight.needed:
                return None
            flight.turn = self._event()
            self._queue.append(flight)
            return flight.turn

    def need(self, flight: Flight[E]) -> None:
        """Another computation waits for this one: it must not wait for a place that the other may hold."""
        with self._lock:
            flight.needed = True
            if flight in self._queue:
                self._queue.remove(flight)
                if flight.turn is not None:
                    flight.turn.set()

    def end(self, flight: Flight[E]) -> None:
        """The computation has ended, or does not wait any more."""
        with self._lock:
            if flight in self._queue:
                self._queue.remove(flight)
            if not flight.has_turn:
                return
            flight.has_turn = False
        self.free()

    def free(self) -> None:
        """Gives a place back: to who waits longest, if anyone does."""
        with self._lock:
            if not self._queue:
                self._free += 1
                return
            flight = self._queue.popleft()
            flight.has_turn = True
            if flight.turn is not None:
                flight.turn.set()
