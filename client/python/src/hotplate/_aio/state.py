"""What all namespaces of a client share, within one process: made anew in a child after a fork."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from hotplate._aio import runtime
from hotplate._aio.calls import AsyncCalls
from hotplate._aio.near import Near
from hotplate._aio.transport import Transport
from hotplate._core import clock, retry
from hotplate._core.breaker import PROBE_INTERVAL
from hotplate._core.clock import jittered
from hotplate._core.flights import Flights
from hotplate._core.guard import Guard, Waiting
from hotplate._core.setup import Setup
from hotplate._core.slots import Slots
from hotplate.errors import HotplateError
from hotplate.results import Miss
from hotplate.v1 import cache_pb2 as pb

_log = logging.getLogger("hotplate")

#: Namespaces of a client that have a near cache at most: each has a stream and room of its own.
_NEARS_MAX = 64

_Invalidated: TypeAlias = Literal["done", "queued"]


class State:
    """Connections, breaker, journal, computations, near caches and tasks."""

    def __init__(self, setup: Setup, transport: Transport, told: Callable[[bool], None]) -> None:
        self.setup = setup
        self.calls = AsyncCalls(setup, transport)
        self.tasks = runtime.Tasks()
        self.guard = Guard(
            raises=setup.raises,
            disabled=setup.disabled,
            journal_max=setup.journal_max,
            client_id=setup.client_id,
            changed=told,
        )
        self.flights: Flights[runtime.Event] = Flights(runtime.Event)
        self.slots: Slots[runtime.Event] = Slots(setup.computations_max, runtime.Event)
        # Values that are being stored behind their callers: they hold no place of a computation any more.
        self.stores: Slots[runtime.Event] = Slots(setup.computations_max, runtime.Event)
        self._nears: dict[str, Near | None] = {}
        self._told_of_nears = False
        self._replay_lock = threading.Lock()
        self._replay_task: runtime.Task | None = None
        # What gives back the leases that are held: a thread that computes does not end with the client.
        self.give_ups: set[Callable[[], None]] = set()

    def near(self, namespace: str) -> Near | None:
        """The near cache of a namespace, if it has one."""
        if namespace in self._nears:
            return self._nears[namespace]
        options = self.setup.near_of(namespace)
        if options is None:
            return None
        if len(self._nears) >= _NEARS_MAX:
            if not self._told_of_nears:
                self._told_of_nears = True
                _log.warning("a client has at most %d near caches: further namespaces go without", _NEARS_MAX)
            return None
        made = Near(namespace, options, self.calls, self.tasks, self.setup)
        return self._nears.setdefault(namespace, made)

    def refused(self, *, write: bool = False) -> Miss | None:
        """What to answer without a call, if anything. Whoever asks also sees to it that what waits is carried out."""
        if self.guard.pending:
            self._begin_replay()
        return self.guard.refused(write=write)

    async def invalidate(self, request: pb.InvalidateRequest) -> tuple[_Invalidated, pb.InvalidateResponse | None]:
        """Drops entries: it was done, with the server's answer if that came, or is remembered and done later."""
        self.guard.check_open()
        error: HotplateError | None = None
        if self.guard.goes_direct():
            try:
                with self.tasks.spared():
                    answer = await self.calls.invalidate(request)
            except HotplateError as failure:
                self.guard.observe(failure)
                if self.guard.is_done(failure):
                    _log.warning("an invalidation is done, but not yet in every tier of the server: %s", failure)
                    return "done", None
                error = failure
            else:
                self.guard.observe(None)
                return "done", answer
        self.guard.remember(error, request.namespace, request.selectors)
        self._begin_replay()
        return "queued", None

    def _begin_replay(self) -> None:
        """Has what waits carried out. Who did so before may have gone with its event loop."""
        with self._replay_lock:
            runs = self._replay_task is not None and not self._replay_task.is_over
            if not self.tasks.closing and self.guard.begin_replay(runs=runs):
                self._replay_task = self.tasks.spawn(self._replay, apart=True)

    async def _replay(self) -> None:
        """Carries out what waits, oldest first, trying once a probe interval while the server is away."""
        while not self.tasks.closing and (batch := self.guard.next_batch()) is not None:
            due = max(waiting.due for waiting in batch.values())
            if due > clock.now():
                await self.tasks.sleep(due - clock.now())
                # Meanwhile something may have come that need not wait.
                continue
            if not await self._carry_out(batch):
                await self.tasks.sleep(jittered(PROBE_INTERVAL))

    async def _carry_out(self, batch: dict[int, Waiting]) -> bool:
        """Carries out some of what waits. Whether the server is there."""
        try:
            with self.tasks.spared():
                await self.calls.invalidate(self.guard.replay_request(batch))
        except HotplateError as error:
            self.guard.observe(error)
            if retry.is_answer(error):
                _log.warning("an invalidation is done, but not yet in every tier of the server: %s", error)
            elif error.is_outage and error.kind != "INTERNAL":
                return False
            elif len(batch) > 1:
                # One bad selector must not take the rest of its batch with it.
                return await self._carry_out_each(batch)
            else:
                self._not_carried_out(batch, error)
                return True
        else:
            self.guard.observe(None)
        self.guard.forget(batch, replayed=True)
        return True

    async def _carry_out_each(self, batch: dict[int, Waiting]) -> bool:
        for number, waiting in batch.items():
            if self.tasks.closing or not await self._carry_out({number: waiting}):
                return False
        return True

    def _not_carried_out(self, batch: dict[int, Waiting], error: HotplateError) -> None:
        ((number, waiting),) = batch.items()
        if error.kind != "INTERNAL":
            _log.error("the server refused an invalidation that was remembered, which is dropped: %s", error)
            self.guard.forget(batch, replayed=False)
            return
        became = self.guard.failed_at(number, waiting)
        if became == "widened":
            _log.error("the server fails at an invalidation: everything of its namespace is dropped instead: %s", error)
        elif became == "dropped":
            _log.error("the server fails at an invalidation of everything, which is given up: %s", error)

    async def _last_try(self) -> None:
        """What still waits is tried once: with the client it is lost."""
        ends = clock.now() + runtime.LAST_WORD
        tried: set[int] = set()
        while (batch := self.guard.next_batch()) is not None and not tried.intersection(batch):
            tried.update(batch)
            left = ends - clock.now()
            if left <= 0:
                break
            try:
                await self.calls.invalidate(self.guard.replay_request(batch), timeout=left)
            except HotplateError as error:
                if not retry.is_answer(error):
                    break
            self.guard.forget(batch, replayed=True)
        lost = self.guard.pending
        if lost:
            _log.error("the client was closed with %d invalidations that were not carried out: they are lost", lost)

    async def close(self) -> None:
        """Ends everything."""
        self.guard.close()
        self.tasks.stop()
        self.flights.close()
        for give_up in list(self.give_ups):
            give_up()
        for near in self._nears.values():
            if near is not None:
                near.stop()
        self.calls.transport.end_streams()
        await self.tasks.close()
        if self.guard.pending:
            await self._last_try()
        await self.calls.transport.close()
