"""Clients whose cache is a dict in this process: for unit tests that need no server.

Everything between the surface and the calls is the real client: keys, serializers, single flight, leases, decorators.
What the fake does not do is refused with `UnimplementedError`: watches, preloads, streams, statistics, dependencies.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hotplate._aio.client import AsyncClient
from hotplate._aio.state import State as AsyncState
from hotplate._core.near.sets import Facts, Set
from hotplate._core.status import of_status
from hotplate._sync.client import Client
from hotplate._sync.state import State
from hotplate.errors import HotplateError, InvalidArgumentError, UnimplementedError
from hotplate.keys import KEY_BYTES_MAX
from hotplate.ttl import TTL, of_wire, wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

__all__ = ["FakeServer", "fake_async_client", "fake_client"]

#: Lifetime where nothing is said, and how long a lease lasts, in seconds.
_TTL: Final = 3_600.0
_LEASE: Final = 10.0
_RETRY_AFTER: Final = 0.02


@dataclass(slots=True)
class _Stored:
    """One entry."""

    put: pb.PutRequest
    etag: str
    at: float
    fresh_until: float
    usable_until: float


class FakeServer:
    """A cache in memory, unbounded. `now` is its clock in seconds: give your own to move time by hand.

    `failure`, when set, is what every call fails with: `fake.failure = hotplate.UnavailableError("away")`.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], _Stored] = {}
        self._leases: dict[tuple[str, str], tuple[str, float]] = {}
        self._numbers = itertools.count(1)
        self.failure: HotplateError | None = None
        self.calls: int = 0
        """Calls that arrived."""

    def handle(self, method: str, request: Any) -> Any:
        """Answers one call of `hotplate.v1.CacheService`."""
        with self._lock:
            self.calls += 1
            if self.failure is not None:
                raise self.failure
            handler = getattr(self, f"_{method.lower()}", None)
            if handler is None:
                raise UnimplementedError(f"the fake does not do {method}: use hotplate.testing.local_server()")
            return handler(request)

    def _get(self, request: pb.GetRequest) -> pb.GetResponse:
        place = _place(request)
        found = self._entries.get(place)
        now = self._now()
        lease_wanted = request.miss_policy in (pb.MISS_POLICY_LEASE, pb.MISS_POLICY_LEASE_OR_WAIT)
        if found is not None and now < found.fresh_until and not self._is_too_old(found, request):
            return self._answer(found, pb.GET_OUTCOME_HIT, now)
        stale = found is not None and now < found.usable_until
        accepts = request.stale_policy not in (pb.STALE_POLICY_UNSPECIFIED, pb.STALE_POLICY_REFUSE)
        if found is not None and stale and accepts:
            answer = self._answer(found, pb.GET_OUTCOME_STALE, now)
        else:
            reason = pb.MISS_REASON_NEVER_STORED if found is None else pb.MISS_REASON_EXPIRED
            if found is not None and now < found.fresh_until:
                reason = pb.MISS_REASON_TOO_OLD
            answer = pb.GetResponse(outcome=pb.GET_OUTCOME_MISS, miss_reason=reason)
        if lease_wanted:
            held = self._leases.get(place)
            if held is None or held[1] <= now:
                token = f"{next(self._numbers):032x}"
                self._leases[place] = (token, now + _LEASE)
                answer.lease.CopyFrom(pb.Lease(token=token, duration=wire(_LEASE)))
            elif answer.outcome == pb.GET_OUTCOME_MISS:
                pending = pb.Pending(retry_after=wire(_RETRY_AFTER))
                return pb.GetResponse(outcome=pb.GET_OUTCOME_PENDING, pending=pending)
        return answer

    def _is_too_old(self, found: _Stored, request: pb.GetRequest) -> bool:
        return request.HasField("max_age") and self._now() - found.at > of_wire(request.max_age)

    def _answer(self, found: _Stored, outcome: pb.GetOutcome.ValueType, now: float) -> pb.GetResponse:
        if found.put.WhichOneof("payload") == "negative":
            outcome = pb.GET_OUTCOME_NEGATIVE
        entry = types.Entry(key=found.put.key, metadata=self._metadata(found, now))
        if outcome == pb.GET_OUTCOME_NEGATIVE:
            entry.negative.CopyFrom(found.put.negative)
        else:
            entry.value = found.put.value
        return pb.GetResponse(outcome=outcome, entry=entry, served_from=types.TIER_MEMORY)

    def _metadata(self, found: _Stored, now: float) -> types.EntryMetadata:
        put = found.put
        return types.EntryMetadata(
            etag=found.etag,
            kind=put.kind,
            content_type=put.content_type,
            encoding=put.encoding,
            tags=sorted(set(put.tags)),
            labels=put.labels,
            depends_on=sorted(set(put.depends_on)),
            size_bytes=len(put.value),
            age=wire(max(0.0, now - found.at)),
            fresh_for=wire(max(0.0, found.fresh_until - now)),
            usable_for=wire(max(0.0, found.usable_until - now)),
            served_from=types.TIER_MEMORY,
        )

    def _batchget(self, request: pb.BatchGetRequest) -> pb.BatchGetResponse:
        answer = pb.BatchGetResponse()
        for item in request.items:
            item.namespace = request.namespace
            try:
                answer.results.append(pb.BatchGetResult(response=self._get(item)))
            except HotplateError as error:
                answer.results.append(pb.BatchGetResult(error=_item_error(error)))
        return answer

    def _put(self, request: pb.PutRequest) -> pb.PutResponse:
        place = _place(request)
        now = self._now()
        held = self._leases.pop(place, None)
        if request.lease_token and (held is None or held[0] != request.lease_token or held[1] <= now):
            if held is not None:
                self._leases[place] = held
            return pb.PutResponse(outcome=pb.PUT_OUTCOME_LEASE_LOST)
        found = self._entries.get(place)
        present = found if found is not None and now < found.usable_until else None
        if request.HasField("precondition") and not _holds(request.precondition, present):
            metadata = None if present is None else self._metadata(present, now)
            return pb.PutResponse(outcome=pb.PUT_OUTCOME_PRECONDITION_FAILED, metadata=metadata)
        fresh, stale = _lives(request.expiration)
        kept = pb.PutRequest()
        kept.CopyFrom(request)
        stored = _Stored(kept, f"{next(self._numbers):x}", now, now + fresh, now + fresh + stale)
        self._entries[place] = stored
        return pb.PutResponse(outcome=pb.PUT_OUTCOME_STORED, metadata=self._metadata(stored, now))

    def _batchput(self, request: pb.BatchPutRequest) -> pb.BatchPutResponse:
        answer = pb.BatchPutResponse()
        for item in request.items:
            item.namespace = request.namespace
            try:
                answer.results.append(pb.BatchPutResult(response=self._put(item)))
            except HotplateError as error:
                answer.results.append(pb.BatchPutResult(error=_item_error(error)))
        return answer

    def _touch(self, request: pb.TouchRequest) -> pb.TouchResponse:
        found = self._entries.get(_place(request))
        now = self._now()
        if found is None or now >= found.usable_until:
            return pb.TouchResponse(outcome=pb.TOUCH_OUTCOME_NOT_FOUND)
        fresh, stale = _lives(request.expiration)
        found.fresh_until, found.usable_until = now + fresh, now + fresh + stale
        return pb.TouchResponse(outcome=pb.TOUCH_OUTCOME_TOUCHED, metadata=self._metadata(found, now))

    def _invalidate(self, request: pb.InvalidateRequest) -> pb.InvalidateResponse:
        sets = [Set.of(selector) for selector in request.selectors]
        now = self._now()
        matched = 0
        for place, found in list(self._entries.items()):
            facts = Facts(found.put.kind, tuple(found.put.tags), tuple(found.put.depends_on))
            if place[0] != request.namespace or not any(one.selects(place[1], facts) for one in sets):
                continue
            matched += now < found.usable_until
            if request.mode == pb.INVALIDATE_MODE_MARK_STALE and now < found.usable_until:
                found.fresh_until = min(found.fresh_until, now)
            else:
                del self._entries[place]
        self._leases = {place: lease for place, lease in self._leases.items() if place[0] != request.namespace}
        return pb.InvalidateResponse(matched_count=matched)

    def _extendlease(self, request: pb.ExtendLeaseRequest) -> pb.ExtendLeaseResponse:
        place, now = _place(request), self._now()
        held = self._leases.get(place)
        if held is None or held[0] != request.token or held[1] <= now:
            return pb.ExtendLeaseResponse(outcome=pb.LEASE_OUTCOME_LOST)
        self._leases[place] = (request.token, now + _LEASE)
        lease = pb.Lease(token=request.token, duration=wire(_LEASE))
        return pb.ExtendLeaseResponse(outcome=pb.LEASE_OUTCOME_HELD, lease=lease)

    def _releaselease(self, request: pb.ReleaseLeaseRequest) -> pb.ReleaseLeaseResponse:
        place = _place(request)
        held = self._leases.get(place)
        if held is None or held[0] != request.token:
            return pb.ReleaseLeaseResponse(outcome=pb.LEASE_OUTCOME_LOST)
        del self._leases[place]
        if request.HasField("failure") and place not in self._entries:
            put = pb.PutRequest(namespace=request.namespace, key=request.key, kind=request.kind, tags=request.tags)
            put.negative.CopyFrom(request.failure)
            put.expiration.CopyFrom(request.expiration)
            self._put(put)
        return pb.ReleaseLeaseResponse(outcome=pb.LEASE_OUTCOME_HELD)

    def _listentries(self, request: pb.ListEntriesRequest) -> pb.ListEntriesResponse:
        sets = [Set.of(selector) for selector in request.selectors]
        now = self._now()
        answer = pb.ListEntriesResponse()
        for (namespace, key), found in sorted(self._entries.items(), key=lambda item: item[0]):
            facts = Facts(found.put.kind, tuple(found.put.tags), tuple(found.put.depends_on))
            selected = not sets or any(one.selects(key, facts) for one in sets)
            if namespace == request.namespace and selected and now < found.usable_until:
                answer.entries.append(types.Entry(key=key, metadata=self._metadata(found, now)))
        return answer

    def _getserverinfo(self, request: pb.GetServerInfoRequest) -> pb.GetServerInfoResponse:
        return pb.GetServerInfoResponse(version="fake", limits=pb.ServerLimits(batch_items_max=1_000))


def _place(request: Any) -> tuple[str, str]:
    if not 1 <= len(request.key.encode()) <= KEY_BYTES_MAX:
        raise InvalidArgumentError("a key has 1 to 1,024 bytes", reason="BAD_KEY", field="key")
    return (request.namespace or "default", request.key)


def _lives(expiration: types.Expiration) -> tuple[float, float]:
    if expiration.WhichOneof("lifetime") == "ttl":
        fresh = of_wire(expiration.ttl)
    elif expiration.ttl_class:
        classes = {one.value: one.default_seconds for one in TTL}
        if expiration.ttl_class not in classes:
            raise InvalidArgumentError(
                f"no TTL class `{expiration.ttl_class}`", reason="UNKNOWN_TTL_CLASS", field="expiration.ttl_class"
            )
        fresh = float(classes[expiration.ttl_class])
    else:
        fresh = _TTL
    return fresh, of_wire(expiration.stale_for)


def _holds(condition: pb.Precondition, present: _Stored | None) -> bool:
    match condition.WhichOneof("condition"):
        case "absent":
            return present is None
        case "present":
            return present is not None
        case _:
            return present is not None and present.etag == condition.etag


def _item_error(error: HotplateError) -> pb.ItemError:
    codes = (code for code in range(1, 17) if of_status(code, "", b"").kind == error.kind)
    return pb.ItemError(code=next(codes, 13), reason=error.reason or "", message=error.message, field=error.field or "")


class _AsyncTransport:
    """The calls of an asyncio client, answered by a fake."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def turn(self) -> int:
        return 0

    async def unary(self, method: str, request: Any, timeout: float, turn: int) -> Any:
        return self._server.handle(method, request)

    async def stream(self, method: str, request: Any, turn: int, timeout: float) -> Any:
        return self._server.handle(method, request)

    async def close(self) -> None:
        return None

    def end_streams(self) -> None:
        return None

    def before_fork(self) -> None:
        return None

    def after_fork(self) -> None:
        return None


class _Transport:
    """The calls of a threaded client, answered by a fake."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def turn(self) -> int:
        return 0

    def unary(self, method: str, request: Any, timeout: float, turn: int) -> Any:
        return self._server.handle(method, request)

    def stream(self, method: str, request: Any, turn: int, timeout: float) -> Any:
        return self._server.handle(method, request)

    def close(self) -> None:
        return None

    def end_streams(self) -> None:
        return None

    def before_fork(self) -> None:
        return None

    def after_fork(self) -> None:
        return None


class _FakeAsyncClient(AsyncClient):
    def __init__(self, server: FakeServer, **settings: Any) -> None:
        self._server = server
        super().__init__(**settings)

    def _new_state(self) -> AsyncState:
        transport: Any = _AsyncTransport(self._server)
        return AsyncState(self._setup, transport, self._changed)


class _FakeClient(Client):
    def __init__(self, server: FakeServer, **settings: Any) -> None:
        self._server = server
        super().__init__(**settings)

    def _new_state(self) -> State:
        transport: Any = _Transport(self._server)
        return State(self._setup, transport, self._changed)


def fake_client(server: FakeServer | None = None, **settings: Any) -> Client:
    """A threaded client over a fake; `settings` are those of `hotplate.Client`. Several may share one `server`."""
    return _FakeClient(server or FakeServer(), **settings)


def fake_async_client(server: FakeServer | None = None, **settings: Any) -> AsyncClient:
    """An asyncio client over a fake; `settings` are those of `hotplate.AsyncClient`."""
    return _FakeAsyncClient(server or FakeServer(), **settings)
