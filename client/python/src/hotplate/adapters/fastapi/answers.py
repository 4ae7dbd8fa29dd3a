"""What the routes of `cache_router` take and answer, as OpenAPI shows it."""

from __future__ import annotations

from typing import Literal

from hotplate.adapters._extra import needed
from hotplate.results import Preloaded, miss, tier
from hotplate.statistics import Stats
from hotplate.ttl import of_wire
from hotplate.v1 import cache_pb2 as pb

try:
    from pydantic import BaseModel, Field
except ImportError as _cause:
    raise needed("fastapi", "fastapi") from _cause

__all__ = ["Dropped", "EntryInfo", "Health", "PreloadOutcome", "PreloadSession", "StatsAnswer"]


class StatsAnswer(BaseModel):
    """Counters since the server started, and what is held now."""

    available: bool = Field(description="Whether the cache answered; otherwise all numbers are zero.")
    hits: int = 0
    stale_hits: int = 0
    negative_hits: int = 0
    misses: int = 0
    hit_rate: float = Field(default=0.0, description="Share of reads that found something, 0 to 1.")
    puts: int = 0
    entries: int = 0
    max_entries: int = Field(default=0, description="Zero: no limit by number.")
    memory_used_bytes: int = 0
    memory_limit_bytes: int = 0
    utilization: float = Field(default=0.0, description="Share of the memory that is used, 0 to 1.")
    saved_compute_seconds: float = Field(default=0.0, description="What computing all hits anew would have cost.")

    @classmethod
    def of(cls, stats: Stats) -> StatsAnswer:
        """Statistics as the client has them."""
        limits = stats.message.limits
        return cls(
            available=True,
            hits=stats.hits,
            stale_hits=stats.stale_hits,
            negative_hits=stats.negative_hits,
            misses=stats.misses,
            hit_rate=stats.hit_ratio,
            puts=stats.puts,
            entries=stats.entry_count,
            max_entries=limits.entries_max,
            memory_used_bytes=stats.charged_bytes,
            memory_limit_bytes=limits.bytes_max,
            utilization=stats.utilization,
            saved_compute_seconds=stats.saved_compute.total_seconds(),
        )


class EntryInfo(BaseModel):
    """Whether an entry is cached, and its details."""

    key: str
    cached: bool
    miss_reason: str | None = Field(default=None, description="Why it is not.")
    kind: str = ""
    tags: list[str] = []
    content_type: str = ""
    size_bytes: int = 0
    age_seconds: float = 0.0
    fresh_for_seconds: float = 0.0
    access_count: int = 0
    tier: str = "unknown"
    etag: str = ""

    @classmethod
    def of(cls, key: str, answer: pb.GetResponse) -> EntryInfo:
        """What the server says of a key."""
        if answer.outcome not in (pb.GET_OUTCOME_HIT, pb.GET_OUTCOME_STALE, pb.GET_OUTCOME_NEGATIVE):
            return cls(key=key, cached=False, miss_reason=miss(answer.miss_reason).reason)
        facts = answer.entry.metadata
        return cls(
            key=key,
            cached=True,
            kind=facts.kind,
            tags=list(facts.tags),
            content_type=facts.content_type,
            size_bytes=facts.size_bytes,
            age_seconds=of_wire(facts.age),
            fresh_for_seconds=of_wire(facts.fresh_for),
            access_count=facts.hit_count,
            tier=tier(answer.served_from),
            etag=facts.etag,
        )


class Dropped(BaseModel):
    """What became of an invalidation."""

    outcome: Literal["done", "queued", "disabled"] = Field(
        description="`queued`: the cache is away, and it is carried out when it is back."
    )
    matched: int | None = Field(default=None, description="Entries that were dropped, when it was done.")


class PreloadSession(BaseModel):
    """The models of a session."""

    track_name: str = Field(min_length=1)
    car_name: str = Field(min_length=1)
    model_types: list[str] = Field(
        default=[], max_length=100, description="Empty: those that the service is set up with."
    )
    origin: str = Field(default="", description="Where the server fetches them; empty: the namespace's only origin.")
    force: bool = Field(default=False, description="Fetches what is fresh as well.")


class PreloadOutcome(BaseModel):
    """What became of one model."""

    key: str
    state: str = Field(description="loaded, skipped (it was fresh), negative, failed, not_stored, cancelled")
    error: str | None = None

    @classmethod
    def of(cls, one: Preloaded) -> PreloadOutcome:
        """A result of the preload."""
        return cls(key=one.key, state=one.state, error=None if one.error is None else one.error.message)


class Health(BaseModel):
    """Whether the cache is there. A service works on without it: `degraded` is no reason to restart it."""

    status: Literal["healthy", "degraded"]
    available: bool
    version: str | None = None
    detail: str | None = Field(default=None, description="The kind of failure.")
