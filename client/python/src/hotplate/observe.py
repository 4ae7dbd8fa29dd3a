"""Spans and counters for OpenTelemetry, where it is installed; and `detect`, which tells which calls were hits.

No keys and no values: spans name the operation and the namespace. Without `opentelemetry-api` nothing is measured.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from hotplate.results import Hit, Lookup, Miss

__all__ = ["Detected", "detect", "operation"]

F = TypeVar("F", bound=Callable[..., Any])

_log = logging.getLogger("hotplate")
_DETECTING: Final[contextvars.ContextVar[Detected | None]] = contextvars.ContextVar("hotplate_detect", default=None)


@dataclass(slots=True)
class Detected:
    """Which calls used the cache, and how, in the order in which they ended. At most 10,000 are remembered."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)
    """For each: operation, namespace, result (`hit`, `stale`, `negative`, `miss`, `computed`, …)."""

    @property
    def hits(self) -> int:
        """Calls that found something."""
        return sum(result in ("hit", "stale", "negative") for _, _, result in self.calls)


@contextlib.contextmanager
def detect() -> Iterator[Detected]:
    """Tells which calls within the block were hits, also those of tasks that are begun in it."""
    seen = Detected()
    token = _DETECTING.set(seen)
    try:
        yield seen
    finally:
        _DETECTING.reset(token)


class _Operation:
    """One call, as it is measured."""

    __slots__ = ("attributes", "outcome")

    def __init__(self) -> None:
        self.outcome = "ok"
        self.attributes: dict[str, Any] = {}

    def result(self, outcome: str) -> None:
        """What came of it."""
        self.outcome = outcome

    def counted(self, items: int) -> None:
        """How many items it had."""
        self.attributes["hotplate.items"] = items

    def found(self, found: Lookup[Any]) -> None:
        """What a read found."""
        if isinstance(found, Hit):
            self.outcome = "stale" if found.stale else "hit"
            self.attributes["cache.tier"] = "near" if found.near else found.tier
        else:
            self.outcome = "miss" if isinstance(found, Miss) else "negative"
        self.attributes["cache.hit"] = self.outcome != "miss"

    def computing(self, compute: F) -> F:
        """The same computation, which says here that it ran."""
        self.outcome = "hit"
        self.attributes["cache.hit"] = True

        def counted() -> Any:
            self.outcome = "computed"
            self.attributes["cache.hit"] = False
            return compute()

        return counted  # type: ignore[return-value]


@contextlib.contextmanager
def operation(name: str, namespace: str) -> Iterator[_Operation]:
    """Measures one call."""
    seen = _Operation()
    meter = _METER
    if meter is None:
        try:
            yield seen
        except BaseException:
            seen.outcome = "error"
            raise
        finally:
            _note(name, namespace, seen)
        return
    with meter.tracer.start_as_current_span(
        f"hotplate {name}", attributes={"hotplate.namespace": namespace}, record_exception=False
    ) as span:
        try:
            yield seen
        except BaseException:
            seen.outcome = "error"
            raise
        finally:
            span.set_attributes(seen.attributes)
            meter.requests.add(1, {"op": name, "result": seen.outcome})
            if seen.attributes.get("cache.tier") == "near":
                meter.near_hits.add(1, {"hotplate.namespace": namespace})
            _note(name, namespace, seen)


def state_changed(available: bool) -> None:
    """Measures that the cache was found to be away, or back."""
    _log.warning("the cache is back") if available else _log.warning("the cache is away: going on without it")
    if _METER is not None:
        _METER.breaker.add(1, {"state": "closed" if available else "open"})


def _note(name: str, namespace: str, seen: _Operation) -> None:
    detected = _DETECTING.get()
    if detected is not None and len(detected.calls) < 10_000:
        detected.calls.append((name, namespace, seen.outcome))


class _Meter:
    """Where OpenTelemetry is told."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace

        self.tracer = trace.get_tracer("hotplate")
        meter = metrics.get_meter("hotplate")
        self.requests = meter.create_counter("hotplate.client.requests", description="Calls by operation and result")
        self.near_hits = meter.create_counter("hotplate.client.near_cache.hits", description="Reads from this process")
        self.breaker = meter.create_counter("hotplate.client.breaker.state", description="Changes by new state")


def _meter() -> _Meter | None:
    try:
        return _Meter()
    except ImportError:
        return None


_METER: Final = _meter()
