"""One computation for many callers of a process: who waits for what, and who waits for whom.

Nobody waits here, and nothing runs here: that differs between threads and event loops.
"""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from hotplate.errors import InvalidArgumentError

E = TypeVar("E")

#: The computation that this is called from: its table and its number there.
WITHIN: Final[contextvars.ContextVar[tuple[int, int] | None]] = contextvars.ContextVar("hotplate_within", default=None)


@dataclass(frozen=True, slots=True)
class FlightKey:
    """What a computation is shared by: equal only when a caller may take another's result."""

    namespace: str
    key: str
    refresh: bool
    serializer: object
    """Two serializers may read other values from the same bytes."""
    context: Hashable
    """Which event loop, or none: what waits on one loop cannot be woken from another."""


@dataclass(slots=True, eq=False)
class Flight(Generic[E]):
    """A computation under way. `ended` is the event that its waiters wait for, of whichever sort."""

    key: FlightKey
    id: int
    ended: E
    waiters: int = 1
    outdated: bool = False
    """Something that concerns it was invalidated or written since it began: it is not stored."""
    computed: bool = False
    """It has its value: from here on it is finished even when nobody waits."""
    result: Any = None
    error: BaseException | None = None
    runner: Any = None
    needed: bool = False
    """Another computation waits for it, and may hold the place that it would wait for."""
    turn: E | None = None
    """What it waits for before it may compute, while it does."""
    has_turn: bool = False


class Flights(Generic[E]):
    """The computations of a client that are under way. `event` makes what waiters wait for."""

    def __init__(self, event: Callable[[], E]) -> None:
        self._event = event
        self._lock = threading.Lock()
        self._flights: dict[FlightKey, Flight[E]] = {}
        self._numbers = itertools.count(1)
        # Who waits for whom, once for each time that they ask.
        self._waits: dict[int, list[int]] = {}

    def number(self) -> int:
        """A number for a computation that nobody joins."""
        return next(self._numbers)

    def within(self, flight_id: int) -> tuple[int, int]:
        """What `WITHIN` is set to while that computation runs."""
        return (id(self), flight_id)

    def enter(self, key: FlightKey) -> tuple[Flight[E], bool, int | None]:
        """Joins a computation, or begins it: which one, whether it is new, and for which computation this waits.

        Raises `InvalidArgumentError` when it would wait for itself.
        """
        asks = WITHIN.get()
        waiter = asks[1] if asks is not None and asks[0] == id(self) else None
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                flight = Flight(key, next(self._numbers), self._event())
                self._flights[key] = flight
                self._wait(waiter, flight.id)
                return flight, True, waiter
            if waiter is not None and self._leads(flight.id, waiter):
                raise InvalidArgumentError(
                    "this computation asks for what waits for it: both would wait for ever", field="key"
                )
            self._wait(waiter, flight.id)
            flight.waiters += 1
            return flight, False, waiter

    def leave(self, flight: Flight[E], waiter: int | None) -> bool:
        """A caller waits no more. Whether nobody is left to whom the computation matters."""
        with self._lock:
            if waiter is not None:
                waits = self._waits.get(waiter, [])
                if flight.id in waits:
                    waits.remove(flight.id)
                if not waits:
                    self._waits.pop(waiter, None)
            if self._flights.get(flight.key) is not flight:
                # One that left the table has no count of waiters: it runs to its end.
                return False
            flight.waiters -= 1
            if flight.waiters or flight.computed:
                return False
            del self._flights[flight.key]
            return True

    def land(self, flight: Flight[E]) -> None:
        """It has ended: who comes now begins anew."""
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]

    def outdate(self, namespace: str, key: str | None = None) -> None:
        """What is under way in a namespace, or for one key, was computed from what no longer holds.

        Its callers get it, nobody else does, and it is not stored.
        """
        with self._lock:
            concerned = [
                flight
                for flight in self._flights.values()
                if flight.key.namespace == namespace and key in (None, flight.key.key)
            ]
            for flight in concerned:
                flight.outdated = True
                del self._flights[flight.key]

    def _wait(self, waiter: int | None, flight_id: int) -> None:
        if waiter is not None:
            self._waits.setdefault(waiter, []).append(flight_id)

    def _leads(self, start: int, goal: int) -> bool:
        seen, todo = {start}, [start]
        while todo:
            current = todo.pop()
            if current == goal:
                return True
            fresh = [other for other in self._waits.get(current, ()) if other not in seen]
            seen.update(fresh)
            todo.extend(fresh)
        return False
