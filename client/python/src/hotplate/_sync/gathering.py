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
from hotplate._sync.computing import Computing
from hotplate._sync.lease import Held
from hotplate._sync.typed import Typed
from hotplate.errors import CodecError, InternalError
from hotplate.options import CacheMode, ComputeArgs
from hotplate.results import Hit

_log = logging.getLogger("hotplate")

#: Items that are kept to be stored; a generator with more is not stored.
ITEMS_MAX: Final = 100_000


class Gathering:
    """Begun by `open`, then `add` for each item and `store` after the last; `end` in any case."""

    def __init__(self, space: Typed, key: str, options: ComputeArgs) -> None:
        self._space = space
        # Nobody waits for another's items: each who comes before they are stored runs the generator.
        self._computing = Computing(space, key, _nothing, {**options, "wait": 0})
        self._key = key
        self._right: Any = "none"
        self._began = clock.now()
        self._items: list[Any] = []
        # Nobody can join it: it is there to be told of what is invalidated meanwhile.
        self._flights = space.state.flights
        alone = FlightKey(space.name, key, True, space.serializer, object())
        self._flight, _, self._waiter = self._flights.enter(alone)

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
                    return _items(self._computing._only())
                found, self._right = self._computing._claim()
                seen.result("miss" if found is None else "hit")
        return _items(found.value) if isinstance(found, Hit) else None

    def add(self, item: Any) -> None:
        """One more item was made."""
        if len(self._items) <= ITEMS_MAX:
            self._items.append(item)

    def store(self) -> None:
        """All items were made. What was invalidated since it began is not stored."""
        if len(self._items) > ITEMS_MAX:
            _log.warning("a generator made more than %d items, which are not stored", ITEMS_MAX)
            return
        if not self._flight.outdated:
            self._computing._store(self._right, self._items, clock.now() - self._began)

    def end(self) -> None:
        """It is over: a lease that was not used is given back."""
        self._flights.leave(self._flight, self._waiter)
        self._flights.land(self._flight)
        if isinstance(self._right, Held):
            self._right.end()


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise CodecError("what is stored are not the items of a generator")
    return value


def _nothing() -> Any:
    raise InternalError("a generator is run by who called it")
