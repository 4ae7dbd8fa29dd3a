"""How responses of AI services are named, for how long they live, and what is counted of their use. Makes no calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from hotplate.keys import Key
from hotplate.ttl import TTL, TtlLike

#: Lifetimes of the operations that are known by name; an operation that is not lives for an hour.
OPERATION_TTLS: Final[Mapping[str, TtlLike]] = {
    "summarize": "2h",
    "sentiment": "24h",
    "key_points": "2h",
    "questions": "1h",
    "qa": "30m",
}
DEFAULT_TTL: Final = TTL.LONG

#: How long a text is: up to 500, 5,000 and 50,000 characters, or more.
TextTier: TypeAlias = Literal["small", "medium", "large", "xlarge"]

_TIERS: Final[tuple[tuple[int, TextTier], ...]] = ((500, "small"), (5_000, "medium"), (50_000, "large"))


def tier_of(text: str) -> TextTier:
    """The size class of a text."""
    for most, name in _TIERS:
        if len(text) <= most:
            return name
    return "xlarge"


def response_key(text: str, operation: str, options: Mapping[str, Any] | None, question: str | None) -> Key:
    """The key of a response: the operation, the text (written out up to 1,000 characters), a hash of the rest."""
    key = Key("ai").id(operation).text(text)
    rest: dict[str, Any] = {}
    if options:
        rest["options"] = dict(options)
    if question is not None:
        rest["question"] = question
    return key.params(rest) if rest else key


@dataclass(slots=True)
class _Timing:
    count: int = 0
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def summary(self) -> dict[str, float]:
        mean = self.total / self.count if self.count else 0.0
        return {"count": self.count, "mean_seconds": mean, "max_seconds": self.longest}


@dataclass(slots=True)
class _Use:
    hits: int = 0
    misses: int = 0
    stored: int = 0


@dataclass(slots=True)
class Counts:
    """What was done in this process. Bounded: the 100 operations and reasons named first are told apart."""

    timings: dict[str, _Timing] = field(default_factory=dict)
    operations: dict[str, _Use] = field(default_factory=dict)
    tiers: dict[str, _Use] = field(default_factory=dict)
    invalidations: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Takes the time of something."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self.lock:
                self.timings.setdefault(what, _Timing()).add(time.perf_counter() - began)

    def used(self, operation: str, text: str, *, hit: bool | None) -> None:
        """A response was found, not found, or (None) stored."""
        with self.lock:
            for uses, name in ((self.operations, _named(self.operations, operation)), (self.tiers, tier_of(text))):
                use = uses.setdefault(name, _Use())
                use.hits += hit is True
                use.misses += hit is False
                use.stored += hit is None

    def invalidated(self, reason: str, matched: int) -> None:
        """Responses were dropped."""
        with self.lock:
            name = _named(self.invalidations, reason or "no reason given")
            self.invalidations[name] = self.invalidations.get(name, 0) + matched

    def summary(self) -> dict[str, Any]:
        """All of it, as plain values."""
        with self.lock:
            hits = sum(use.hits for use in self.operations.values())
            misses = sum(use.misses for use in self.operations.values())
            return {
                "hits": hits,
                "misses": misses,
                "hit_ratio": hits / (hits + misses) if hits + misses else 0.0,
                "operations": {name: _plain(use) for name, use in self.operations.items()},
                "text_tiers": {name: _plain(use) for name, use in self.tiers.items()},
                "timings": {name: timing.summary() for name, timing in self.timings.items()},
                "invalidated_by_reason": dict(self.invalidations),
            }


def _plain(use: _Use) -> dict[str, int]:
    return {"hits": use.hits, "misses": use.misses, "stored": use.stored}


def _named(known: Mapping[str, Any], name: str) -> str:
    return name if name in known or len(known) < 100 else "_other"
