"""Computing what is missing, once, and storing it for everyone.

Who waits for whom in this process is in `runtime.fly`, what becomes of a lease in `lease`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, cast

from hotplate._aio import runtime
from hotplate._aio.lease import COMPUTE_FAILED, Held
from hotplate._aio.near import Near
from hotplate._aio.runtime import Computation, Flight
from hotplate._aio.typed import Typed
from hotplate._core import clock
from hotplate._core.flights import FailedError, FlightKey, LateError, PassedError, closed
from hotplate.errors import (
    CallCancelledError,
    CodecError,
    ComputeError,
    HotplateError,
    NotFoundError,
    PermissionDeniedError,
)
from hotplate.options import ComputeArgs, get_request, put_request, wait_seconds, writes
from hotplate.results import Hit, Lookup, Miss, Negative
from hotplate.ttl import of_wire, seconds, wire
from hotplate.v1 import cache_pb2 as pb

_log = logging.getLogger("hotplate")
T = TypeVar("T")

#: For how long nobody tries again to renew a value when that failed, where the options do not say, in seconds.
_RENEWAL_PAUSE: Final = 1.0
#: When to ask again, where the server does not say, in seconds.
_RETRY_AFTER: Final = 0.1
#: For how long callers wait for their value to be stored, in seconds. It is stored behind them after that.
_STORING_WAIT: Final = 1.0

#: By which right a computed value is stored: a lease; none is needed; there is none.
Right = Held | Literal["free", "none"]


class Computing:
    """One call of `get_or_compute`."""

    def __init__(self, space: Typed, key: str, compute: Computation[Any], options: ComputeArgs) -> None:
        self._space = space
        self._state = space.state
        self._key = key
        self._compute = compute
        self._options = options
        self._mode = options.get("cache", "use")
        age = options.get("max_age")
        self._max_age = None if age is None else seconds(age)
        self._in_thread = options.get("in_thread", False)

    async def run(self, compute: Computation[Any]) -> Any:
        """The value, from wherever it comes; `compute` in place of what was given."""
        self._compute = compute
        if self._mode == "bypass":
            return await self._computed()
        if self._mode == "only":
            return await self.only()
        state = self._state
        wait = wait_seconds(self._options) if "wait" in self._options else None
        work = self._look_compute_store
        failure: FailedError | None = None
        try:
            return await runtime.fly(state.flights, state.slots, state.tasks, self._flight_key(), work, wait)
        except FailedError as failed:
            failure = failed
        except LateError:
            _log.debug("another caller computes for longer than this one waits")
        if failure is None:
            try:
                return await self._computed()
            except Exception as error:
                failure = FailedError(error)
        stale = await self._instead(failure)
        if stale is None:
            # All callers get the same object: without this its traceback would hold the frames of the others.
            raise failure.error.with_traceback(failure.trace)
        _log.warning("a computation failed and a stale value is used: %s", type(failure.error).__name__)
        return stale.value

    @property
    def _takes_stale_for_failure(self) -> bool:
        return self._options.get("stale_if_error", False) and self._mode == "use"

    async def _instead(self, failure: FailedError) -> Hit[Any] | None:
        """The stale value, for a caller who takes it in place of a failure."""
        if not self._takes_stale_for_failure or isinstance(failure.error, PassedError):
            return None
        return cast("Hit[Any] | None", failure.stale) if failure.looked else await self._stale()

    def _flight_key(self) -> FlightKey:
        return FlightKey(
            self._space.name,
            self._key,
            self._mode == "refresh",
            self._space.serializer,
            runtime.context(),
            self._max_age,
            self._options.get("stale_while_revalidate", False),
            self._options.get("per_process", False),
        )

    def kept(self) -> Lookup[Any] | None:
        """What this process keeps. What it cannot read is left to who computes it anew."""
        if self._mode != "use":
            return None
        try:
            return self._space.kept(self._space.near_for(), self._key, self._max_age)
        except CodecError:
            return None

    async def only(self) -> Any:
        near = self._space.near_for()
        found = self._space.kept(near, self._key, self._max_age)
        if found is None:
            stale = pb.STALE_POLICY_REFUSE
            if self._options.get("stale_if_error"):
                stale = pb.STALE_POLICY_IF_ERROR
            if self._options.get("stale_while_revalidate"):
                stale = pb.STALE_POLICY_WHILE_REVALIDATE
            found = await self._space.look_up(self._get(stale), near)
        if isinstance(found, Miss):
            raise NotFoundError("it is not in the cache", reason="NOT_CACHED")
        return value_of(found)

    async def _look_compute_store(self, flight: Flight) -> Any:
        if self._mode == "refresh":
            return await self._compute_store(flight, "free")
        found, right = await self.claim(flight)
        if found is None:
            return await self._compute_store(flight, right)
        if isinstance(right, Held):
            self._renew(right)
        return value_of(found)

    async def _compute_store(self, flight: Flight, right: Right) -> Any:
        state = self._state
        try:
            await runtime.turn(state.slots, state.tasks, flight)
            began = clock.now()
            try:
                value = await self._computed()
            except Exception as error:
                raise await self._failed(right, error) from error
            finally:
                state.slots.end(flight)
            flight.computed = True
            used, right = right, "none"
            await self.store(used, value, clock.now() - began, flight)
            return value
        finally:
            end(right)

    async def _computed(self) -> Any:
        return self._space.as_read(self._key, await runtime.call(self._compute, self._in_thread))

    # Finding out who computes.

    async def claim(self, flight: Flight) -> tuple[Lookup[Any] | None, Right]:
        """Asks until it is known what to do, within the time the caller wants to wait: what is there, or None."""
        ends = clock.now() + wait_seconds(self._options)
        call_time = self._state.calls.profile.call_timeout
        may_write, was_gone = True, False
        near = self._space.near_for()
        while True:
            began = clock.now()
            asks = may_write and not self._options.get("per_process", False)
            # A longer wait is made of several calls, so that a server that froze is found out.
            longest = min(max(0.0, ends - began), call_time) if asks else 0.0
            request = self._claim_request(asks, longest)
            try:
                response, held = await self._ask(flight, request, near, call_time + longest, asks)
            except PermissionDeniedError:
                # A lease takes the right to write. Who may only read still reads.
                if not asks:
                    raise
                may_write = False
                continue
            if isinstance(response, Miss):
                # What others invalidate until it is computed nobody can tell this process: without a lease that came
                # before the cache went away it stores nothing.
                return None, held or "none"
            if asks and held is None and response.outcome == pb.GET_OUTCOME_MISS:
                # Without a lease: what was found went away while it was read. Nobody has a right to store it yet.
                if was_gone:
                    return None, "none"
                was_gone = True
                continue
            if response.outcome != pb.GET_OUTCOME_PENDING:
                return self._claimed(response, held, may_write)
            if longest <= 0 or clock.now() >= ends:
                _log.debug("another process computes for longer than this caller waits")
                return None, "none"
            # Who waited on the server asks again at once, who was sent away comes back when the server said.
            if clock.now() - began < longest / 2:
                said = of_wire(response.pending.retry_after) or _RETRY_AFTER
                await runtime.sleep(min(max(0.0, ends - clock.now()), clock.jittered(said)))

    async def _ask(
        self, flight: Flight, request: pb.GetRequest, near: Near | None, timeout: float, asks: bool
    ) -> tuple[pb.GetResponse | Miss, Held | None]:
        """One Get, and the lease that it may have brought, which is held from the moment that it is here."""
        space = self._space
        asked = None if near is None else near.ask()
        if not asks:
            response, held = await space.ask(request, timeout), None
        else:
            response, held = await self._ask_for_lease(flight, request, timeout)
        if isinstance(response, Miss):
            return response, None
        try:
            whole = await space.whole(request, response, near, asked)
        except BaseException:
            end(held or "none")
            raise
        return whole, held

    async def _ask_for_lease(
        self, flight: Flight, request: pb.GetRequest, timeout: float
    ) -> tuple[pb.GetResponse | Miss, Held | None]:
        """A Get that may bring a lease is not torn off: its callers may leave, and it goes to its end.

        When nobody waits then, the lease is given back, and nothing more is asked.
        """
        state, held = self._state, None
        with state.tasks.spared():
            state.flights.ask(flight)
            try:
                response = await self._space.ask(request, timeout, lambda: state.flights.wanted(flight))
                if not isinstance(response, Miss) and response.HasField("lease"):
                    held = Held(state, self._space.name, self._key, response.lease)
            finally:
                wanted = state.flights.asked(flight)
            if wanted:
                return response, held
            if held is not None:
                held.end()
        raise closed() if state.tasks.closing else CallCancelledError("nobody waits for the computation any more")

    def _claim_request(self, asks: bool, longest: float) -> pb.GetRequest:
        stale_ok = self._options.get("stale_while_revalidate", False)
        request = self._get(pb.STALE_POLICY_WHILE_REVALIDATE if stale_ok else pb.STALE_POLICY_REFUSE)
        if asks and longest > 0:
            request.miss_policy = pb.MISS_POLICY_LEASE_OR_WAIT
            request.wait_timeout.CopyFrom(wire(longest))
        elif asks:
            request.miss_policy = pb.MISS_POLICY_LEASE
        return request

    def _claimed(
        self, response: pb.GetResponse, held: Held | None, may_write: bool
    ) -> tuple[Lookup[Any] | None, Right]:
        try:
            found = self._space.read(self._key, response)
        except CodecError:
            _log.warning("a stored value cannot be read and is computed anew")
            found = None
        except BaseException:
            if held is not None:
                held.end()
            raise
        if found is None or isinstance(found, Miss):
            return None, held or ("free" if may_write else "none")
        if held is not None and not isinstance(found, Hit):
            held.end()
            held = None
        return found, held or "none"

    def _get(self, stale: pb.StalePolicy.ValueType) -> pb.GetRequest:
        age = {} if self._max_age is None else {"max_age": self._max_age}
        return get_request(self._space.name, self._key, stale, **age)

    # What becomes of the value, or of the failure.

    def _renew(self, held: Held) -> None:
        """Computes the next value behind the current one, in a task of its own.

        When as many computations run as may, the lease goes to someone else.
        """
        if not self._state.slots.take():
            held.end()
            return
        # What is to be given back at the end: the place, and the lease unless it goes on to whoever stores.
        owned: list[Callable[[], None]] = [self._state.slots.free, held.end]

        def ended() -> None:
            while owned:
                owned.pop()()

        try:
            self._state.tasks.spawn(self._renewed, held, owned, ended=ended)
        except RuntimeError:
            _log.warning("a value is not renewed: nothing can be started to do so")
            ended()

    async def _renewed(self, held: Held, owned: list[Callable[[], None]]) -> None:
        began = clock.now()
        try:
            value = await runtime.run_alone(self._state.flights, self._flight_key(), self._computed)
        except PassedError:
            _log.debug("a renewal made what is not stored")
        except Exception as error:
            _log.warning("a value could not be renewed and is used while it may be: %s", type(error).__name__)
            lifetime = self._options.get("remember_failure") or self._options.get("hold_off") or _RENEWAL_PAUSE
            held.fail(error, lifetime, self._options)
        else:
            cost = clock.now() - began
            self._state.slots.free()
            owned.clear()
            await self.store(held, value, cost)

    async def store(self, right: Right, value: Any, cost: float, made_in: Flight | None = None) -> None:
        """Stores a computed value, and ends the right to do so, unless what it was `made_in` is outdated.

        Waits for that a moment, and leaves it to a task of its own then. Its failure is logged and never the caller's.
        """
        request = None if right == "none" or (made_in and made_in.outdated) else self._request(value, cost)
        if request is None:
            end(right)
            return
        state, stored = self._state, runtime.Event()
        # Known for as long as it is being stored: to be told of what is invalidated meanwhile.
        storing = state.flights.alone(self._flight_key())

        def ended() -> None:
            storing.when_outdated = None
            state.flights.land(storing)
            state.stores.end(storing)
            end(right)
            stored.set()

        ends = clock.now() + _STORING_WAIT
        begun = False
        try:
            if await self._may_store(storing, made_in):
                task = state.tasks.spawn(self._store, right, request, ended=ended, cancellable=True)
                begun = True
                if not isinstance(right, Held):
                    # Without a lease the server cannot tell that it is of before an invalidation.
                    storing.when_outdated = task.cancel
                    if storing.outdated:
                        task.cancel()
        except RuntimeError:
            # No thread can be started: the process is ending, or has too many.
            _log.warning("a computed value is not stored: nothing can be started to do so")
        finally:
            if not begun:
                ended()
        await stored.wait(max(0.0, ends - clock.now()))

    async def _may_store(self, storing: Flight, made_in: Flight | None) -> bool:
        """Waits a moment for a place among the values that are being stored."""
        waiting = self._state.stores.begin(storing)
        if waiting is not None:
            await waiting.wait(_STORING_WAIT)
            if not storing.has_turn:
                _log.warning("a computed value is not stored: too many others are being stored")
                return False
        return not (storing.outdated or (made_in is not None and made_in.outdated))

    def _request(self, value: Any, cost: float) -> pb.PutRequest | None:
        """The call that stores a value; None when it cannot be made, which is logged and never the caller's failure."""
        try:
            args: dict[str, Any] = {"cost": cost, **writes(cast("Mapping[str, Any]", self._options))}
            ttl_of = self._options.get("ttl_of")
            if ttl_of is not None:
                args["ttl"] = ttl_of(value)
            request = put_request(self._space.name, self._key, self._state.setup.client_id, args)
            return self._space.encode(request, value)
        except CodecError as error:
            # Says what a serializer wants, and does not quote the value.
            _log.warning("a computed value could not be stored: %s", error)
            return None
        except Exception as error:
            # Its text may quote the value.
            _log.warning("a computed value could not be stored: %s", type(error).__name__)
            return None

    async def _store(self, right: Right, request: pb.PutRequest) -> None:
        try:
            if isinstance(right, Held):
                await right.put(request)
            else:
                await self._space.send(request)
        except HotplateError as error:
            _log.warning("a computed value could not be stored: %s", error)

    async def _failed(self, right: Right, error: Exception) -> FailedError:
        """What becomes of the lease of a computation that failed, and what its callers are told."""
        if isinstance(error, PassedError):
            return FailedError(error)
        looks = self._takes_stale_for_failure
        stale = await self._stale() if looks else None
        if isinstance(right, Held):
            remember, pause = self._options.get("remember_failure"), self._options.get("hold_off")
            # Who would rather have the failure than the stale value tries for itself.
            if stale is None and remember is not None:
                right.fail(error, remember, self._options)
            elif pause is not None:
                right.hold_off(pause)
        return FailedError(error, stale, looked=looks)

    async def _stale(self) -> Hit[Any] | None:
        try:
            found = await self._space.look_up(self._get(pb.STALE_POLICY_IF_ERROR), self._space.near_for())
        except HotplateError as error:
            _log.warning("a computation failed and whether there is a stale value is not known: %s", error)
            return None
        return found if isinstance(found, Hit) else None


def end(right: Right) -> None:
    """A right is not used any more: a lease that was not used up is given back."""
    if isinstance(right, Held):
        right.end()


def value_of(found: Lookup[Any]) -> Any:
    """The value, or the remembered failure."""
    if isinstance(found, Negative):
        raise remembered(found)
    return None if isinstance(found, Miss) else found.value


def remembered(found: Negative) -> HotplateError:
    """A remembered absence or failure, as an error."""
    if found.reason == COMPUTE_FAILED:
        return ComputeError(found.message, reason=found.reason)
    return NotFoundError(f"remembered as absent: {found.message}", reason=found.reason)
