"""What reads, writes and invalidations answer, and how it is read from the contract's messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from hotplate._core.status import of_item
from hotplate.errors import HotplateError
from hotplate.ttl import of_wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

__all__ = [
    "DegradationCounts",
    "Hit",
    "Invalidated",
    "Lookup",
    "Miss",
    "MissReason",
    "NearStats",
    "Negative",
    "PreloadProgress",
    "Preloaded",
    "Refreshing",
    "Tier",
    "Written",
]

T = TypeVar("T")

#: Where a value was.
Tier: TypeAlias = Literal["memory", "disk", "shared", "unknown"]
#: Why a read found nothing.
MissReason: TypeAlias = Literal[
    "never_stored",
    "expired",
    "evicted",
    "invalidated",
    "not_admitted",
    "too_old",
    "tier_unavailable",
    "timeout",
    "unavailable",
    "disabled",
    "other",
]

_TIERS: Final[dict[int, Tier]] = {
    types.TIER_MEMORY: "memory",
    types.TIER_DISK: "disk",
    types.TIER_SHARED: "shared",
}
_MISSES: Final[dict[int, MissReason]] = {
    pb.MISS_REASON_NEVER_STORED: "never_stored",
    pb.MISS_REASON_EXPIRED: "expired",
    pb.MISS_REASON_EVICTED: "evicted",
    pb.MISS_REASON_INVALIDATED: "invalidated",
    pb.MISS_REASON_NOT_ADMITTED: "not_admitted",
    pb.MISS_REASON_TOO_OLD: "too_old",
    pb.MISS_REASON_TIER_UNAVAILABLE: "tier_unavailable",
}


@dataclass(frozen=True, slots=True)
class Hit(Generic[T]):
    """A value with what is known about it. Durations are in seconds."""

    value: T
    """The value."""
    stale: bool = False
    """Whether it is past its TTL."""
    age: float = 0.0
    """Time since it was stored or last confirmed."""
    fresh_for: float = 0.0
    """Time for which it stays fresh; zero when stale."""
    usable_for: float = 0.0
    """Time for which it may be used at all."""
    tier: Tier = "unknown"
    """The tier that held it."""
    etag: str = ""
    """Its version, for conditional writes: equal content has an equal one."""
    near: bool = False
    """Whether it was kept in this process, and the server was not asked."""
    content_type: str = ""
    """The media type it was stored with."""
    refresh_failure: str | None = None
    """Why renewing it failed, when that was tried last and the value stayed."""


@dataclass(frozen=True, slots=True)
class Negative:
    """A remembered absence or failure."""

    reason: str
    """For programs, such as `NOT_FOUND`."""
    message: str
    """For people."""
    fresh_for: float = 0.0
    """Seconds for which it stays fresh."""


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing that may be used."""

    reason: MissReason
    """Why."""


#: What a read found.
Lookup: TypeAlias = Hit[T] | Negative | Miss


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write."""

    outcome: Literal["stored", "refreshed", "precondition_failed", "not_admitted", "dropped"]
    """`refreshed`: the same content was there, its lifetime was renewed. `precondition_failed`: nothing changed.
    `not_admitted`: it cannot fit. `dropped`: the cache is away or turned off."""
    etag: str | None = None
    """The entry's version; of `precondition_failed`: that of the entry in the way, when there is one."""
    reason: str | None = None
    """Why, for `not_admitted` (a sentence) and `dropped` (a `MissReason`)."""

    @property
    def is_stored(self) -> bool:
        """Whether the value is in the cache now."""
        return self.outcome in ("stored", "refreshed")


@dataclass(frozen=True, slots=True)
class Invalidated:
    """What became of an invalidation."""

    outcome: Literal["done", "queued", "disabled"]
    """`queued`: the cache is away; it is remembered, and carried out before this client reads again. `disabled`: the
    cache is turned off in this process."""
    matched: int | None = None
    """Entries selected, when it was done; an estimate where a set selected many."""


@dataclass(frozen=True, slots=True)
class Refreshing:
    """What became of a refresh."""

    outcome: Literal["started", "queued", "disabled"]
    """`started`: what is selected is marked stale and being fetched; the others as in `Invalidated`."""
    matched: int | None = None
    """Entries selected; an estimate where a set selected many."""
    refreshing: int | None = None
    """Entries that are fetched anew."""
    job: str | None = None
    """The job that fetches them, for `join_preload`; empty when there is nothing to fetch."""


@dataclass(frozen=True, slots=True)
class Preloaded:
    """How one item of a preload ended."""

    key: str
    state: Literal["loaded", "skipped", "negative", "failed", "revalidated", "not_stored", "cancelled", "unknown"]
    error: HotplateError | None = None
    """Why, for `failed` and `not_stored`."""


@dataclass(frozen=True, slots=True)
class PreloadProgress:
    """How far a preload job is."""

    job_id: str
    done_count: int
    total_count: int
    loaded_bytes: int
    results: tuple[Preloaded, ...]
    """Items that ended since the progress before; after a lost connection all so far again."""
    finished: bool
    cancelled: bool


@dataclass(frozen=True, slots=True)
class DegradationCounts:
    """How often the client went on without the cache, since it was made."""

    reads_without_cache: int = 0
    """Reads that were misses because the cache was away."""
    writes_dropped: int = 0
    """Writes that were dropped."""
    invalidations_queued: int = 0
    """Invalidations that were remembered for later."""
    invalidations_replayed: int = 0
    """Remembered invalidations that were carried out."""
    outages: int = 0
    """Times the cache was found to be away."""


@dataclass(frozen=True, slots=True)
class NearStats:
    """What a near cache did since the client was made, and holds now."""

    hits: int = 0
    misses: int = 0
    admitted: int = 0
    """Answers that were kept."""
    invalidated: int = 0
    """Copies dropped because they, or a set they belong to, changed, and by this client's own writes."""
    evicted: int = 0
    """Copies that made room for others."""
    distrusted: int = 0
    """Copies dropped because changes were lost."""
    revalidated: int = 0
    """Of those, copies that the server then confirmed."""
    losses: int = 0
    """Times the stream of changes was lost."""
    entries: int = 0
    bytes: int = 0
    followed: int = 0
    """Keys followed now; zero unless it follows single keys."""
    serving: bool = False
    """Whether the stream is there, has caught up, and was heard lately."""
    refused: dict[str, int] = field(default_factory=dict)
    """Answers that were not kept, by why."""


def tier(value: int) -> Tier:
    """A tier by its name."""
    return _TIERS.get(value, "unknown")


def miss(reason: int) -> Miss:
    """Why the server found nothing."""
    return Miss(_MISSES.get(reason, "other"))


def written(response: pb.PutResponse) -> Written:
    """What the server made of a Put."""
    etag = response.metadata.etag if response.HasField("metadata") else None
    if response.outcome == pb.PUT_OUTCOME_REFRESHED:
        return Written("refreshed", etag)
    # Only `get_or_compute` puts under a lease, and it reads that outcome by itself.
    if response.outcome in (pb.PUT_OUTCOME_PRECONDITION_FAILED, pb.PUT_OUTCOME_LEASE_LOST):
        return Written("precondition_failed", etag)
    if response.outcome == pb.PUT_OUTCOME_NOT_ADMITTED:
        return Written("not_admitted", None, response.not_admitted_reason)
    return Written("stored", etag)


def negative(entry: types.Entry) -> Negative:
    """A remembered absence or failure."""
    return Negative(entry.negative.reason, entry.negative.message, of_wire(entry.metadata.fresh_for))


def hit_of(value: T, response: pb.GetResponse) -> Hit[T]:
    """A value that the server found, with what it says of it."""
    metadata = response.entry.metadata
    failure = metadata.refresh_failure
    return Hit(
        value=value,
        stale=response.outcome == pb.GET_OUTCOME_STALE,
        age=of_wire(metadata.age),
        fresh_for=of_wire(metadata.fresh_for),
        usable_for=of_wire(metadata.usable_for),
        tier=tier(response.served_from),
        etag=metadata.etag,
        content_type=metadata.content_type,
        refresh_failure=failure.reason if metadata.HasField("refresh_failure") else None,
    )


_PRELOAD_STATES: Final[
    dict[int, Literal["loaded", "skipped", "negative", "failed", "revalidated", "not_stored", "cancelled"]]
] = {
    pb.PRELOAD_STATE_LOADED: "loaded",
    pb.PRELOAD_STATE_SKIPPED: "skipped",
    pb.PRELOAD_STATE_NEGATIVE: "negative",
    pb.PRELOAD_STATE_FAILED: "failed",
    pb.PRELOAD_STATE_REVALIDATED: "revalidated",
    pb.PRELOAD_STATE_NOT_STORED: "not_stored",
    pb.PRELOAD_STATE_CANCELLED: "cancelled",
}


def progress(response: pb.PreloadResponse) -> PreloadProgress:
    """One message of a preload."""
    results = tuple(
        Preloaded(
            result.key,
            _PRELOAD_STATES.get(result.state, "unknown"),
            of_item(result.error) if result.HasField("error") else None,
        )
        for result in response.results
    )
    return PreloadProgress(
        response.job_id,
        response.done_count,
        response.total_count,
        response.loaded_bytes,
        results,
        response.finished,
        response.cancelled,
    )
