"""What all namespaces of a client share, within one process: made anew in a child after a fork."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hotplate._aio import runtime
from hotplate._aio.calls import AsyncCalls
from hotplate._aio.near import Near
from hotplate._aio.transport import Transport
from hotplate._core.breaker import PROBE_INTERVAL
from hotplate._core.clock import jittered
from hotplate._core.flights import Flights
from hotplate._core.guard import Guard
from hotplate._core.setup import Setup
from hotplate._core.slots import Slots
from hotplate.errors import HotplateError
from hotplate.v1 import cache_pb2 as pb

_log = logging.getLogger("hotplate")

#: Namespaces of a client that have a near cache at most: each has a stream and room of its own.
_NEARS_MAX = 64


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
        self._nears: dict[str, Near | None] = {}
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
            _log.warning("a client has at most %d near caches: this namespace goes without", _NEARS_MAX)
            return None
        made = Near(namespace, options, self.calls, self.tasks, self.setup)
        return self._nears.setdefault(namespace, made)

    async def invalidate(self, request: pb.InvalidateRequest) -> pb.InvalidateResponse | None:
        """Drops entries. None: it was remembered, and is carried out later."""
        error: HotplateError | None = None
        if self.guard.goes_direct():
            try:
                answer = await self.calls.invalidate(request)
            except HotplateError as failure:
                self.guard.observe(failure)
                error = failure
            else:
                self.guard.observe(None)
                return answer
        self.guard.remember(error, request.namespace, request.selectors)
        if self.guard.begin_replay():
            self.tasks.spawn(self._replay)
        return None

    async def _replay(self) -> None:
        """Carries out what waits, oldest first, trying once a probe interval while the server is away."""
        try:
            while (batch := self.guard.next_batch()) is not None:
                try:
                    await self._observed(batch)
                    self.guard.forget(len(batch.selectors), replayed=True)
                except HotplateError as error:
                    if error.is_outage:
                        await self.tasks.sleep(jittered(PROBE_INTERVAL))
                    else:
                        await self._replay_one_by_one(batch)
        except BaseException:
            self.guard.end_replay()
            raise

    async def _replay_one_by_one(self, batch: pb.InvalidateRequest) -> None:
        """One bad selector must not take the rest of its batch with it."""
        for selector in batch.selectors:
            try:
                await self._observed(self.guard.replay_request(batch.namespace, [selector]))
                self.guard.forget(1, replayed=True)
            except HotplateError as error:
                if error.is_outage:
                    return
                _log.error("the server refused an invalidation made while it was away: %s", error)
                self.guard.forget(1, replayed=False)

    async def _observed(self, request: pb.InvalidateRequest) -> Any:
        try:
            answer = await self.calls.invalidate(request)
        except HotplateError as error:
            self.guard.observe(error)
            raise
        self.guard.observe(None)
        return answer

    async def close(self) -> None:
        """Ends everything."""
        self.tasks.stop()
        for give_up in list(self.give_ups):
            give_up()
        for near in self._nears.values():
            if near is not None:
                near.stop()
        self.calls.transport.end_streams()
        await self.tasks.close()
        await self.calls.transport.close()
