# Made from hotplate/_aio/computing.py by tools/make_sync.py: change that one.
"""Computing what is missing, once, and storing it for everyone.

Who waits for whom in this process is in `runtime.fly`, what becomes of a lease in `lease`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar, cast

from hotplate._core import clock
from hotplate._core.flights import FlightKey
from hotplate._sync import runtime
from hotplate._sync.lease import COMPUTE_FAILED, Held
from hotplate._sync.runtime import Computation, Flight
from hotplate._sync.typed import Typed
from hotplate.errors import CodecError, ComputeError, HotplateError, NotFoundError, PermissionDeniedError
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

#: By which right a computed value is stored: a lease; none is needed; there is none.
_Right = Held | Literal["free", "none"]


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

    def run(self, compute: Computation[Any]) -> Any:
        """The value, from wherever it comes; `compute` in place of what was given."""
        self._compute = compute
        if self._mode == "bypass":
            return self._computed()
        if self._mode == "only":
            return self._only()
        key = FlightKey(self._space.name, self._key, self._mode == "refresh", self._space.serializer, runtime.context())
        state = self._state
        return runtime.fly(state.flights, state.slots, state.tasks, key, self._look_compute_store)

    def kept(self) -> Lookup[Any] | None:
        """What this process keeps. What it cannot read is left to who computes it anew."""
        if self._mode != "use":
            return None
        try:
            return self._space.kept(self._space.near_for(), self._key, self._max_age)
        except CodecError:
            return None

    def _only(self) -> Any:
        near = self._space.near_for()
        found = self._space.kept(near, self._key, self._max_age)
        if found is None:
            stale = pb.STALE_POLICY_REFUSE
            if self._options.get("stale_if_error"):
                stale = pb.STALE_POLICY_IF_ERROR
            if self._options.get("stale_while_revalidate"):
                stale = pb.STALE_POLICY_WHILE_REVALIDATE
            found = self._space.look_up(self._get(stale), near)
        if isinstance(found, Miss):
            raise NotFoundError("it is not in the cache", reason="NOT_CACHED")
        return value_of(found)

    def _look_compute_store(self, flight: Flight) -> Any:
        if self._mode == "refresh":
            return self._compute_store(flight, "free")
        found, right = self._claim()
        if found is None:
            return self._compute_store(flight, right)
        if isinstance(right, Held):
            self._renew(right)
        return value_of(found)

    def _compute_store(self, flight: Flight, right: _Right) -> Any:
        state = self._state
        try:
            runtime.turn(state.slots, flight)
            began = clock.now()
            try:
                value = self._computed()
            except Exception as error:
                return self._fall_back(right, error)
            finally:
                state.slots.end(flight)
            flight.computed = True
            if not flight.outdated:
                self._store(right, value, clock.now() - began)
            return value
        finally:
            if isinstance(right, Held):
                right.end()

    def _computed(self) -> Any:
        return self._space.as_read(self._key, runtime.call(self._compute, self._in_thread))

    # Finding out who computes.

    def _claim(self) -> tuple[Lookup[Any] | None, _Right]:
        """Asks until it is known what to do, within the time the caller wants to wait: what is there, or None."""
        ends = clock.now() + wait_seconds(self._options)
        call_time = self._state.calls.profile.call_timeout
        may_write = True
        near = self._space.near_for()
        while True:
            began = clock.now()
            asks = may_write and not self._options.get("per_process", False)
            # A longer wait is made of several calls, so that a server that froze is found out.
            longest = min(max(0.0, ends - began), call_time) if asks else 0.0
            request = self._claim_request(asks, longest)
            try:
                response = self._space.answer(request, near, call_time + longest)
            except PermissionDeniedError:
                # A lease takes the right to write. Who may only read still reads.
                if not asks:
                    raise
                may_write = False
                continue
            if isinstance(response, Miss):
                # What others invalidate until it is computed nobody can tell this process: it stores nothing.
                return None, "none"
            if response.outcome != pb.GET_OUTCOME_PENDING:
                return self._claimed(response, may_write)
            if longest <= 0 or clock.now() >= ends:
                _log.debug("another process computes for longer than this caller waits")
                return None, "none"
            # Who waited on the server asks again at once, who was sent away comes back when the server said.
            if clock.now() - began < longest / 2:
                said = of_wire(response.pending.retry_after) or _RETRY_AFTER
                runtime.sleep(min(max(0.0, ends - clock.now()), clock.jittered(said)))

    def _claim_request(self, asks: bool, longest: float) -> pb.GetRequest:
        stale_ok = self._options.get("stale_while_revalidate", False)
        request = self._get(pb.STALE_POLICY_WHILE_REVALIDATE if stale_ok else pb.STALE_POLICY_REFUSE)
        if asks and longest > 0:
            request.miss_policy = pb.MISS_POLICY_LEASE_OR_WAIT
            request.wait_timeout.CopyFrom(wire(longest))
        elif asks:
            request.miss_policy = pb.MISS_POLICY_LEASE
        return request

    def _claimed(self, response: pb.GetResponse, may_write: bool) -> tuple[Lookup[Any] | None, _Right]:
        held = None
        if response.HasField("lease"):
            held = Held(self._state, self._space.name, self._key, response.lease)
        try:
            found = self._space.read(self._key, response)
        except CodecError as error:
            _log.warning("a stored value cannot be read and is computed anew: %s", error)
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
        self._state.tasks.spawn(self._renewed, held)

    def _renewed(self, held: Held) -> None:
        began = clock.now()
        try:
            value = runtime.run_alone(self._state.flights, self._computed)
        except Exception as error:
            _log.warning("a value could not be renewed and is used while it may be: %s", type(error).__name__)
            lifetime = self._options.get("remember_failure") or self._options.get("hold_off") or _RENEWAL_PAUSE
            held.fail(error, lifetime, self._options)
        else:
            self._store(held, value, clock.now() - began)
        finally:
            self._state.slots.free()
            held.end()

    def _store(self, right: _Right, value: Any, cost: float) -> None:
        """Stores a value, if there is a right to. Best effort: its failure is logged and never the caller's."""
        if right == "none":
            return
        try:
            args: dict[str, Any] = {"cost": cost, **writes(cast("Mapping[str, Any]", self._options))}
            ttl_of = self._options.get("ttl_of")
            if ttl_of is not None:
                args["ttl"] = ttl_of(value)
            request = put_request(self._space.name, self._key, self._state.setup.client_id, args)
            self._space.encode(request, value)
            if isinstance(right, Held):
                right.put(request)
            else:
                self._space.send(request)
        except Exception as error:
            _log.warning("a computed value could not be stored: %s", error)

    def _fall_back(self, right: _Right, error: Exception) -> Any:
        """What the caller gets whose computation failed, and what becomes of the lease."""
        stale = self._stale() if self._options.get("stale_if_error") and self._mode == "use" else None
        if isinstance(right, Held):
            remember, pause = self._options.get("remember_failure"), self._options.get("hold_off")
            # Who would rather have the failure than the stale value tries for itself.
            if stale is None and remember is not None:
                right.fail(error, remember, self._options)
            elif pause is not None:
                right.hold_off(pause)
        if stale is None:
            raise error
        _log.warning("a computation failed and a stale value is used: %s", type(error).__name__)
        return stale.value

    def _stale(self) -> Hit[Any] | None:
        try:
            found = self._space.look_up(self._get(pb.STALE_POLICY_IF_ERROR), self._space.near_for())
        except HotplateError as error:
            _log.warning("a computation failed and whether there is a stale value is not known: %s", error)
            return None
        return found if isinstance(found, Hit) else None


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
