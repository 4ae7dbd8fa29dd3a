"""A cache in a dict, which answers calls as a server does. What it refuses is in `limits`, its clients in `fake`."""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hotplate._core.near.sets import Facts, Set
from hotplate._core.status import of_status
from hotplate.errors import HotplateError, InvalidArgumentError, UnimplementedError
from hotplate.testing import limits
from hotplate.ttl import of_wire, wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

__all__ = ["FakeServer"]

#: How long a lease lasts, and when to ask again for one, in seconds.
_LEASE: Final = 10.0
_RETRY_AFTER: Final = 0.02
#: Invalidations that are remembered for values that are being computed.
_CHANGES_MAX: Final = 10_000

_Place = tuple[str, str]


@dataclass(slots=True)
class _Stored:
    """One entry."""

    put: pb.PutRequest
    etag: str
    at: float
    idle: float = math.inf
    fresh_until: float = 0.0
    usable_until: float = 0.0
    due_at: float = math.inf
    used: float = 0.0
    hits: int = 0
    marked: bool = False

    @property
    def facts(self) -> Facts:
        put = self.put
        return Facts(put.kind, tuple(sorted(set(put.tags))), tuple(sorted(set(put.depends_on))))

    def live(self, expiration: types.Expiration, now: float) -> None:
        """Gives it a lifetime from now on."""
        fresh, stale, self.idle, ahead = limits.lives(expiration)
        self.fresh_until, self.usable_until = now + fresh, now + fresh + stale
        self.due_at = self.fresh_until - ahead if ahead else math.inf
        self.used, self.marked = now, False

    def is_usable(self, now: float) -> bool:
        return now < min(self.usable_until, self.used + self.idle)

    def is_fresh(self, now: float) -> bool:
        return now < self.fresh_until and self.is_usable(now)


@dataclass(slots=True)
class _Lease:
    """A right to store one key."""

    token: str
    until: float
    since: int


class FakeServer:
    """A cache in memory, unbounded. `now` is its clock in seconds: give your own to move time by hand.

    `failure`, when set, is what every call fails with: `fake.failure = hotplate.UnavailableError("away")`.

    Values, negatives, tags, kinds, dependencies, conditions, lifetimes, leases and listings are as a server has them,
    with its bounds, and half an hour where nothing is said. Jitter, XFetch and `spread_over` are left out, as chance
    has no place in a test.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[_Place, _Stored] = {}
        self._gone: set[_Place] = set()
        self._leases: dict[_Place, _Lease] = {}
        self._numbers = itertools.count(1)
        # What was invalidated, for what is being computed meanwhile.
        self._changes: deque[tuple[int, str, list[Set], set[str]]] = deque(maxlen=_CHANGES_MAX)
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

    # Reading.

    def _get(self, request: pb.GetRequest) -> pb.GetResponse:
        place = limits.place(request)
        found = self._entries.get(place)
        now = self._now()
        answer = self._look(place, found, request, now)
        is_hit = answer.outcome in (pb.GET_OUTCOME_HIT, pb.GET_OUTCOME_NEGATIVE)
        if found is not None and answer.outcome != pb.GET_OUTCOME_MISS and not request.peek:
            found.used, found.hits = now, found.hits + 1
        if request.miss_policy not in (pb.MISS_POLICY_LEASE, pb.MISS_POLICY_LEASE_OR_WAIT):
            return answer
        if is_hit and (found is None or now < found.due_at):
            return answer
        held = self._leases.get(place)
        if held is None or held.until <= now:
            lease = _Lease(f"{next(self._numbers):032x}", now + _LEASE, next(self._numbers))
            self._leases[place] = lease
            answer.lease.CopyFrom(pb.Lease(token=lease.token, duration=wire(_LEASE)))
        elif answer.outcome == pb.GET_OUTCOME_MISS:
            pending = pb.Pending(retry_after=wire(_RETRY_AFTER))
            return pb.GetResponse(outcome=pb.GET_OUTCOME_PENDING, pending=pending)
        return answer

    def _look(self, place: _Place, found: _Stored | None, request: pb.GetRequest, now: float) -> pb.GetResponse:
        if found is None or not found.is_usable(now):
            reason = pb.MISS_REASON_NEVER_STORED if found is None else pb.MISS_REASON_EXPIRED
            if place in self._gone:
                reason = pb.MISS_REASON_INVALIDATED
        elif request.HasField("max_age") and now - found.at > of_wire(request.max_age):
            reason = pb.MISS_REASON_TOO_OLD
        elif found.is_fresh(now):
            return self._answer(found, pb.GET_OUTCOME_HIT, now)
        elif request.stale_policy not in (pb.STALE_POLICY_UNSPECIFIED, pb.STALE_POLICY_REFUSE):
            return self._answer(found, pb.GET_OUTCOME_STALE, now)
        else:
            reason = pb.MISS_REASON_INVALIDATED if found.marked else pb.MISS_REASON_EXPIRED
        return pb.GetResponse(outcome=pb.GET_OUTCOME_MISS, miss_reason=reason)

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
        ends = found.used + found.idle
        made = types.EntryMetadata(
            etag=found.etag,
            kind=put.kind,
            content_type=put.content_type,
            encoding=put.encoding,
            tags=sorted(set(put.tags)),
            labels=put.labels,
            depends_on=sorted(set(put.depends_on)),
            size_bytes=len(put.value),
            age=wire(max(0.0, now - found.at)),
            fresh_for=wire(max(0.0, min(found.fresh_until, ends) - now)),
            usable_for=wire(max(0.0, min(found.usable_until, ends) - now)),
            served_from=types.TIER_MEMORY,
            hit_count=found.hits,
            marked_stale=found.marked,
        )
        if put.HasField("compute_cost"):
            made.compute_cost.CopyFrom(put.compute_cost)
        return made

    def _batchget(self, request: pb.BatchGetRequest) -> pb.BatchGetResponse:
        answer = pb.BatchGetResponse()
        for number, item in enumerate(request.items):
            item.namespace = request.namespace
            try:
                answer.results.append(pb.BatchGetResult(response=self._get(item)))
            except HotplateError as error:
                answer.results.append(pb.BatchGetResult(error=_item_error(number, error)))
        return answer

    def _listentries(self, request: pb.ListEntriesRequest) -> pb.ListEntriesResponse:
        limits.selectors(request.selectors)
        name = limits.namespace(request.namespace)
        sets = [Set.of(selector) for selector in request.selectors]
        now = self._now()
        answer = pb.ListEntriesResponse()
        for key, found in sorted(self._of(name), key=lambda item: item[0]):
            if found.is_usable(now) and (not sets or any(one.selects(key, found.facts) for one in sets)):
                answer.entries.append(types.Entry(key=key, metadata=self._metadata(found, now)))
        return answer

    def _getserverinfo(self, request: pb.GetServerInfoRequest) -> pb.GetServerInfoResponse:
        return pb.GetServerInfoResponse(version="fake", limits=pb.ServerLimits(batch_items_max=1_000))

    # Writing.

    def _put(self, request: pb.PutRequest) -> pb.PutResponse:
        place = limits.place(request)
        limits.described(request)
        limits.lives(request.expiration)
        self._check_cycle(place, request)
        now = self._now()
        held = self._leases.get(place)
        if request.lease_token:
            if held is None or held.token != request.lease_token or held.until <= now:
                return pb.PutResponse(outcome=pb.PUT_OUTCOME_LEASE_LOST)
            if self._was_overtaken(place, request, held.since):
                del self._leases[place]
                return pb.PutResponse(outcome=pb.PUT_OUTCOME_LEASE_LOST)
        found = self._entries.get(place)
        present = found if found is not None and found.is_usable(now) else None
        if request.HasField("precondition") and not _holds(request.precondition, present):
            metadata = None if present is None else self._metadata(present, now)
            return pb.PutResponse(outcome=pb.PUT_OUTCOME_PRECONDITION_FAILED, metadata=metadata)
        self._leases.pop(place, None)
        self._gone.discard(place)
        kept = pb.PutRequest()
        kept.CopyFrom(request)
        stored = _Stored(kept, _etag(request), now)
        stored.live(request.expiration, now)
        self._entries[place] = stored
        same = present is not None and present.etag == stored.etag and present.facts == stored.facts
        outcome = pb.PUT_OUTCOME_REFRESHED if same else pb.PUT_OUTCOME_STORED
        return pb.PutResponse(outcome=outcome, metadata=self._metadata(stored, now))

    def _batchput(self, request: pb.BatchPutRequest) -> pb.BatchPutResponse:
        answer = pb.BatchPutResponse()
        for number, item in enumerate(request.items):
            item.namespace = request.namespace
            try:
                answer.results.append(pb.BatchPutResult(response=self._put(item)))
            except HotplateError as error:
                answer.results.append(pb.BatchPutResult(error=_item_error(number, error)))
        return answer

    def _touch(self, request: pb.TouchRequest) -> pb.TouchResponse:
        found = self._entries.get(limits.place(request))
        now = self._now()
        if found is None or not found.is_usable(now):
            return pb.TouchResponse(outcome=pb.TOUCH_OUTCOME_NOT_FOUND)
        found.live(request.expiration, now)
        return pb.TouchResponse(outcome=pb.TOUCH_OUTCOME_TOUCHED, metadata=self._metadata(found, now))

    # Dropping.

    def _invalidate(self, request: pb.InvalidateRequest) -> pb.InvalidateResponse:
        name = limits.namespace(request.namespace)
        limits.invalidation(request)
        sets = [Set.of(selector) for selector in request.selectors]
        entries = dict(self._of(name))
        now = self._now()
        chosen = {key for key, found in entries.items() if any(one.selects(key, found.facts) for one in sets)}
        names = _names(sets) | self._names_of(name, chosen)
        every = set(chosen)
        while request.cascade or not request.HasField("cascade"):
            more = {
                key
                for key, found in entries.items()
                if key not in every and any(_goes_with(one, names, sets) for one in found.put.depends_on)
            }
            if not more:
                break
            every |= more
            names |= self._names_of(name, more)
        # What was there to be dropped is counted before it goes.
        matched = sum(entries[key].is_usable(now) for key in chosen)
        for key in every:
            self._drop((name, key), request.mode, now)
        self._changes.append((next(self._numbers), name, sets, names))
        for place in [place for place in self._leases if place[0] == name and _has(sets, place[1], Facts())]:
            del self._leases[place]
        return pb.InvalidateResponse(matched_count=matched, cascaded_count=len(every) - len(chosen))

    def _drop(self, place: _Place, mode: pb.InvalidateMode.ValueType, now: float) -> None:
        found = self._entries[place]
        if mode == pb.INVALIDATE_MODE_MARK_STALE and found.usable_until > found.fresh_until and found.is_usable(now):
            found.fresh_until, found.marked = min(found.fresh_until, now), True
            return
        del self._entries[place]
        self._gone.add(place)

    def _was_overtaken(self, place: _Place, put: pb.PutRequest, since: int) -> bool:
        """Whether what it is, or was made from, was invalidated since the lease was given."""
        facts = Facts(put.kind, tuple(put.tags), tuple(put.depends_on))
        return any(
            number > since
            and name == place[0]
            and (_has(sets, place[1], facts) or any(_goes_with(one, names, sets) for one in put.depends_on))
            for number, name, sets, names in self._changes
        )

    def _check_cycle(self, place: _Place, put: pb.PutRequest) -> None:
        for number, first in enumerate(put.depends_on):
            seen: set[str] = set()
            todo = [first]
            while todo:
                name = todo.pop()
                if name == place[1]:
                    raise InvalidArgumentError(
                        "what this names depends on the entry itself: leave one of both out",
                        reason="DEPENDENCY_CYCLE",
                        field=f"depends_on[{number}]",
                    )
                if name not in seen:
                    seen.add(name)
                    todo.extend(self._made_from(place[0], name))

    def _made_from(self, namespace: str, name: str) -> Iterator[str]:
        """What the entry with this name, or those with this tag, were made from."""
        for key, found in self._of(namespace):
            if key == name or (name.startswith("tag:") and name.removeprefix("tag:") in found.put.tags):
                yield from found.put.depends_on

    def _names_of(self, namespace: str, keys: Iterable[str]) -> set[str]:
        """By what others may name these in `depends_on`."""
        found = [(key, self._entries[namespace, key].put.tags) for key in keys]
        return {name for key, tags in found for name in (key, *(f"tag:{tag}" for tag in tags))}

    def _of(self, namespace: str) -> Iterator[tuple[str, _Stored]]:
        return ((place[1], found) for place, found in self._entries.items() if place[0] == namespace)

    # Leases.

    def _extendlease(self, request: pb.ExtendLeaseRequest) -> pb.ExtendLeaseResponse:
        place, now = limits.place(request), self._now()
        held = self._leases.get(place)
        if held is None or held.token != request.token or held.until <= now:
            return pb.ExtendLeaseResponse(outcome=pb.LEASE_OUTCOME_LOST)
        held.until = now + _LEASE
        lease = pb.Lease(token=request.token, duration=wire(_LEASE))
        return pb.ExtendLeaseResponse(outcome=pb.LEASE_OUTCOME_HELD, lease=lease)

    def _releaselease(self, request: pb.ReleaseLeaseRequest) -> pb.ReleaseLeaseResponse:
        place = limits.place(request)
        held = self._leases.get(place)
        if held is None or held.token != request.token:
            return pb.ReleaseLeaseResponse(outcome=pb.LEASE_OUTCOME_LOST)
        if request.HasField("failure") and place not in self._entries:
            put = pb.PutRequest(
                namespace=request.namespace,
                key=request.key,
                kind=request.kind,
                tags=request.tags,
                depends_on=request.depends_on,
                lease_token=request.token,
            )
            put.negative.CopyFrom(request.failure)
            put.expiration.CopyFrom(request.expiration)
            self._put(put)
        self._leases.pop(place, None)
        if request.HasField("hold_off"):
            # Given to nobody, until that is over.
            self._leases[place] = _Lease("", self._now() + of_wire(request.hold_off), 0)
        return pb.ReleaseLeaseResponse(outcome=pb.LEASE_OUTCOME_HELD)


def _has(sets: Iterable[Set], key: str, facts: Facts) -> bool:
    return any(one.selects(key, facts) for one in sets)


def _names(sets: Iterable[Set]) -> set[str]:
    """What selectors name, whether there is an entry or not."""
    return {one.name if one.kind == "key" else f"tag:{one.name}" for one in sets if one.kind in ("key", "tag")}


def _goes_with(name: str, names: set[str], sets: Iterable[Set]) -> bool:
    """Whether what was made from this goes as well."""
    return name in names or (not name.startswith("tag:") and _has(sets, name, Facts()))


def _etag(request: pb.PutRequest) -> str:
    content = request.value
    if request.WhichOneof("payload") == "negative":
        content = request.negative.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()[:32]


def _holds(condition: pb.Precondition, present: _Stored | None) -> bool:
    match condition.WhichOneof("condition"):
        case "absent":
            return present is None
        case "present":
            return present is not None
        case _:
            return present is not None and present.etag == condition.etag


def _item_error(number: int, error: HotplateError) -> pb.ItemError:
    codes = (code for code in range(1, 17) if of_status(code, "", b"").kind == error.kind)
    field = f"items[{number}].{error.field}" if error.field else ""
    return pb.ItemError(code=next(codes, 13), reason=error.reason or "", message=error.message, field=field)
