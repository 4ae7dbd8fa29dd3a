# Made from hotplate/_aio/gathering.py by tools/make_sync.py: change that one.
"""One run of a generator whose items are cached: what is there, else the right to store what it makes.

What a right is, and how it is used, lives in `computing`; what the caller of a generator sees lives in `decorators`.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from hotplate import observe
from hotplate._core import clock
from hotplate._core.flights import FlightKey
from hotplate._sync import runtime
from hotplate._sync.computing import Computing, Right, end
from hotplate._sync.typed import Typed
from hotplate.errors import CodecError, InternalError
from hotplate.options import CacheMode, ComputeArgs
from hotplate.results import Hit, Lookup

_log = logging.getLogger("hotplate")

#: Items that are kept to be stored; a generator with more is not stored.
ITEMS_MAX: Final = 100_000


class Gathering:
    """Begun by `open`, then `add` for each item and `store` after the last; `end` in any case."""

    def __init__(self, space: Typed, key: str, options: ComputeArgs) -> None:
        self._space = space
        self._key = key
        # Nobody waits for another's items: each who comes before they are stored runs the generator.
        self._computing = Computing(space, key, _nothing, {**options, "wait": 0})
        self._right: Right = "none"
        self._began = clock.now()
        self._items: list[Any] = []
        # Nobody can join it: it is there to be told of what is invalidated meanwhile.
        self._flights = space.state.flights
        self._flight = self._flights.alone(self._flight_key())

    def open(self, mode: CacheMode) -> list[Any] | None:
        """The stored items; None: they have to be made. Raises `NotFoundError` for `only` where there are none."""
        if mode == "refresh":
            self._right = "free"
            return None
        found = self._computing.kept()
        if found is None:
            with observe.operation("get", self._space.name) as seen:
                if mode == "only":
                    seen.result("hit")
                    return _items(self._computing.only())
                found = self._claim()
                seen.result("miss" if found is None else "hit")
        if not isinstance(found, Hit):
            return None
        # Nobody renews the items of a generator: who could is not to be kept from it while these are read.
        right, self._right = self._right, "none"
        end(right)
        return _items(found.value)

    def add(self, item: Any) -> None:
        """One more item was made."""
        if self._right != "none" and len(self._items) <= ITEMS_MAX:
            self._items.append(item)

    def store(self) -> None:
        """All items were made. What was invalidated since it began is not stored."""
        if len(self._items) > ITEMS_MAX:
            _log.warning("a generator made more than %d items, which are not stored", ITEMS_MAX)
            return
        if not self._flight.outdated:
            right, self._right = self._right, "none"
            self._computing.store(right, self._items, clock.now() - self._began)

    def end(self) -> None:
        """It is over: a lease that was not used is given back."""
        self._flights.land(self._flight)
        end(self._right)

    def _claim(self) -> Lookup[Any] | None:
        """Looks, in a flight of its own: a call that may bring a lease goes to its end, whoever gives up meanwhile."""
        state, brought = self._space.state, []

        def claim(flight: runtime.Flight) -> None:
            brought.append(self._computing.claim(flight))

        try:
            runtime.fly(state.flights, state.slots, state.tasks, self._flight_key(), claim, None)
        finally:
            # Also what came just when the caller gave up.
            found, self._right = brought[0] if brought else (None, "none")
        return found

    def _flight_key(self) -> FlightKey:
        return FlightKey(self._space.name, self._key, True, self._space.serializer, object())


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise CodecError("what is stored are not the items of a generator")
    return value


def _nothing() -> Any:
    raise InternalError("a generator is run by who called it")
