"""One computation for many callers of a process: who waits for what, and who waits for whom.

Nobody waits here, and nothing runs here: that differs between threads and event loops.
"""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Protocol, TypeVar

from hotplate.errors import CallCancelledError, InvalidArgumentError


class Settable(Protocol):
    """What wakes who waits for it."""

    def set(self) -> None:
        """It happens."""


E = TypeVar("E", bound=Settable)

_CLOSED: Final = "the client was closed"
_GIVEN_UP: Final = "the call was given up"
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
    max_age: float | None = None
    """Who accepts an older value, or a stale one, gets what others must not get."""
    takes_stale: bool = False
    per_process: bool = False
    """Without a lease it is this process's own computation, which nobody else is to wait for."""


class FailedError(Exception):
    """The computation itself failed, by what it raised. What a caller makes of that is for each caller to say."""

    def __init__(self, error: Exception, stale: Any = None, *, looked: bool = False) -> None:
        super().__init__()
        self.error = error
        self.trace = error.__traceback__
        self.stale = stale
        """The stale value, where there is one and it was looked for."""
        self.looked = looked


class PassedError(Exception):
    """A computation ended with what is no value and no failure: its callers get this, and nothing is kept of it."""


class LateError(Exception):
    """What was waited for did not end in the time that a caller gave it."""


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
    asking: bool = False
    """A call that may bring a lease is on the wire: it goes to its end, so that the lease is not left with nobody."""
    result: Any = None
    error: BaseException | None = None
    runner: Any = None
    needed: bool = False
    """Another computation waits for it, and may hold the place that it would wait for."""
    when_outdated: Callable[[], None] | None = None
    """What to do at once then."""
    turn: E | None = None
    """What it waits for before it may compute, while it does."""
    has_turn: bool = False
    _trace: TracebackType | None = None

    def fail(self, error: BaseException) -> None:
        """It has failed. What it failed with first is what its callers get."""
        if self.error is None:
            self.error, self._trace = error, error.__traceback__

    def outcome(self) -> Any:
        """Its value, for each of its callers. Raises what it failed with."""
        if self.error is not None:
            # All get the same object: without this its traceback would have grown by each caller's frames.
            raise self.error.with_traceback(self._trace)
        return self.result


class Flights(Generic[E]):
    """The computations of a client that are under way. `event` makes what waiters wait for."""

    def __init__(self, event: Callable[[], E]) -> None:
        self._event = event
        self._lock = threading.Lock()
        # Those that may be joined.
        self._flights: dict[FlightKey, Flight[E]] = {}
        # All that have not ended, by namespace and key.
        self._running: dict[tuple[str, str], set[Flight[E]]] = {}
        self._closed = False
        self._numbers = itertools.count(1)
        # Who waits for whom, once for each time that they ask.
        self._waits: dict[int, list[int]] = {}

    def alone(self, key: FlightKey) -> Flight[E]:
        """Begins a computation that nobody joins. It is to `land` as well."""
        with self._lock:
            flight = Flight(key, next(self._numbers), self._event())
            self._running.setdefault((key.namespace, key.key), set()).add(flight)
            return flight

    def within(self, flight_id: int) -> tuple[int, int]:
        """What `WITHIN` is set to while that computation runs."""
        return (id(self), flight_id)

    def enter(self, key: FlightKey) -> tuple[Flight[E], bool, int | None]:
        """Joins a computation, or begins it: which one, whether it is new, and for which computation this waits.

        Raises `InvalidArgumentError` when it would wait for itself, `CallCancelledError` when the client was closed.
        """
        asks = WITHIN.get()
        waiter = asks[1] if asks is not None and asks[0] == id(self) else None
        place = (key.namespace, key.key)
        with self._lock:
            if self._closed:
                raise closed()
            # Whatever it accepts: it would wait for the lease that the other one has, unless that was invalidated.
            others = [other for other in self._running.get(place, ()) if not other.outdated]
            if waiter is not None and any(self._leads(other.id, waiter) for other in others):
                raise InvalidArgumentError(
                    "this computation asks for what waits for it: both would wait for ever", field="key"
                )
            flight = self._flights.get(key)
            is_new = flight is None
            if flight is None:
                flight = Flight(key, next(self._numbers), self._event())
                self._flights[key] = flight
                self._running.setdefault(place, set()).add(flight)
            else:
                flight.waiters += 1
            if waiter is not None:
                self._waits.setdefault(waiter, []).append(flight.id)
            return flight, is_new, waiter

    def leave(self, flight: Flight[E], waiter: int | None) -> bool:
        """A caller waits no more. Whether the computation is to end, as nobody is left to whom it matters."""
        with self._lock:
            if waiter is not None:
                waits = self._waits.get(waiter, [])
                if flight.id in waits:
                    waits.remove(flight.id)
                if not waits:
                    self._waits.pop(waiter, None)
            flight.waiters -= 1
            if flight.waiters or flight.computed or flight.asking:
                return False
            self._retire(flight)
            return True

    def ask(self, flight: Flight[E]) -> None:
        """A call that may bring a lease is on its way: until `asked`, the flight outlives its callers."""
        with self._lock:
            flight.asking = True

    def asked(self, flight: Flight[E]) -> bool:
        """The call has ended. Whether anyone waits for what comes of it; otherwise nobody joins any more."""
        with self._lock:
            flight.asking = False
            if flight.waiters > 0 and not self._closed:
                return True
            self._retire(flight)
            return False

    def wanted(self, flight: Flight[E]) -> bool:
        """Whether anyone waits for it, now."""
        return flight.waiters > 0 and not self._closed

    def close(self) -> None:
        """The client is being closed: nobody waits any more, and nothing begins."""
        with self._lock:
            self._closed = True
            running = [flight for flights in self._running.values() for flight in flights]
        for flight in running:
            flight.fail(closed())
            flight.ended.set()
            if flight.turn is not None:
                flight.turn.set()

    def land(self, flight: Flight[E]) -> None:
        """It has ended: who comes now begins anew."""
        with self._lock:
            self._retire(flight)
            place = (flight.key.namespace, flight.key.key)
            running = self._running.get(place, set())
            running.discard(flight)
            if not running:
                self._running.pop(place, None)

    def outdate(self, namespace: str, key: str | None = None) -> None:
        """What is under way in a namespace, or for one key, was computed from what no longer holds.

        Its callers get it, nobody else does, and it is not stored.
        """
        with self._lock:
            if key is None:
                concerned = [one for place, some in self._running.items() if place[0] == namespace for one in some]
            else:
                concerned = list(self._running.get((namespace, key), ()))
            for flight in concerned:
                flight.outdated = True
                self._retire(flight)
        for flight in concerned:
            if flight.when_outdated is not None:
                flight.when_outdated()

    def _retire(self, flight: Flight[E]) -> None:
        """Nobody joins it any more."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

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


def closed() -> CallCancelledError:
    """What every call of a closed client is answered with."""
    return CallCancelledError(_CLOSED)


def given_up() -> CallCancelledError:
    """What a call ends with whose task was told to end."""
    return CallCancelledError(_GIVEN_UP)


def is_final(error: Exception) -> bool:
    """Whether it is one of these: no other call is worth a try then."""
    return isinstance(error, CallCancelledError) and error.message in (_CLOSED, _GIVEN_UP)
