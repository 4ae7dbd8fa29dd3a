"""Statistics of a namespace, as users read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hotplate.results import MissReason, miss
from hotplate.ttl import of_wire
from hotplate.v1 import cache_pb2 as pb

__all__ = ["Stats"]


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters of a namespace since the server started."""

    hits: int
    """Reads answered with a fresh value."""
    stale_hits: int
    """Reads answered with a stale value that the caller meant to get."""
    negative_hits: int
    """Reads answered with a remembered absence or failure."""
    misses: int
    misses_by_reason: dict[MissReason, int]
    hit_ratio: float
    """Share of reads that found something, 0 to 1."""
    coalesced: int
    """Of the hits, those that waited for another caller's computation."""
    puts: int
    entry_count: int
    charged_bytes: int
    """Bytes charged against the limits: values, keys, tags, labels and bookkeeping."""
    saved_compute: timedelta
    """Sum of the compute cost of all hits, as far as it is known."""
    message: pb.StatsResponse = field(repr=False, compare=False)
    """All that the server said."""

    @property
    def utilization(self) -> float:
        """Share of the memory that entries may take that is used, 0 to 1; zero where there is no limit."""
        most = self.message.limits.bytes_max
        return self.charged_bytes / most if most else 0.0

    @classmethod
    def of(cls, answer: pb.StatsResponse) -> Stats:
        """Those of an answer."""
        total = answer.total
        by_reason: dict[MissReason, int] = {}
        for missed in total.misses:
            reason = miss(missed.reason).reason
            by_reason[reason] = by_reason.get(reason, 0) + missed.count
        return cls(
            hits=total.hits,
            stale_hits=total.stale_hits,
            negative_hits=total.negative_hits,
            misses=sum(by_reason.values()),
            misses_by_reason=by_reason,
            hit_ratio=total.hit_ratio,
            coalesced=total.coalesced,
            puts=total.puts,
            entry_count=total.entry_count,
            charged_bytes=total.charged_bytes,
            saved_compute=timedelta(seconds=of_wire(total.compute_saved)),
            message=answer,
        )
