"""Spans and counters for OpenTelemetry, where it is installed; and `detect`, which tells which calls were hits.

No keys, no values, and of a failure nothing but its kind: spans name the operation and the namespace. Without
`opentelemetry-api` nothing is measured.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, TypeVar

from hotplate.errors import HotplateError
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

    __slots__ = ("attributes", "outcome", "span")

    def __init__(self) -> None:
        self.outcome = "ok"
        self.span: Any = None
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
            self.attributes["cache.tier"] = found.tier
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


class _Measured:
    """One call, from its beginning to its end."""

    __slots__ = ("_name", "_namespace", "_seen", "_span")

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._seen = _Operation()
        self._span: Any = None

    def __enter__(self) -> _Operation:
        if _METER is not None:
            self._span = _METER.tracer.start_as_current_span(
                f"hotplate {self._name}",
                attributes={"hotplate.namespace": self._namespace},
                # What an exception says may come from a function of the user's, and quote what it worked on.
                record_exception=False,
                set_status_on_exception=False,
            )
            self._seen.span = self._span.__enter__()
        return self._seen

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seen = self._seen
        if kind is not None:
            seen.outcome = "error"
        if _METER is not None and self._span is not None:
            seen.span.set_attributes(seen.attributes)
            if isinstance(error, Exception):
                seen.span.set_status(
                    _METER.failed, error.kind if isinstance(error, HotplateError) else type(error).__name__
                )
            _METER.requests.add(1, {"op": self._name, "result": seen.outcome})
            self._span.__exit__(kind, error, trace)
        _note(self._name, self._namespace, seen.outcome)


def operation(name: str, namespace: str) -> _Measured:
    """Measures one call: to be used by `with`."""
    return _Measured(name, namespace)


def near_hit(name: str, namespace: str, result: str = "hit") -> None:
    """Counts a read that was answered from this process. It has no span: that would take longer than the read."""
    if _METER is not None:
        _METER.near_hits.add(1, {"op": name, "hotplate.namespace": namespace})
    _note(name, namespace, result)


def state_changed(available: bool) -> None:
    """Measures that the cache was found to be away, or back."""
    _log.warning("the cache is back") if available else _log.warning("the cache is away: going on without it")
    if _METER is not None:
        _METER.breaker.add(1, {"state": "closed" if available else "open"})


def _note(name: str, namespace: str, outcome: str) -> None:
    detected = _DETECTING.get()
    if detected is not None and len(detected.calls) < 10_000:
        detected.calls.append((name, namespace, outcome))


class _Meter:
    """Where OpenTelemetry is told."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace

        self.failed = trace.StatusCode.ERROR
        self.tracer = trace.get_tracer("hotplate")
        meter = metrics.get_meter("hotplate")
        self.requests = meter.create_counter("hotplate.client.requests", description="Calls by operation and result")
        self.near_hits = meter.create_counter("hotplate.client.near_cache.hits", description="Reads answered here")
        self.breaker = meter.create_counter("hotplate.client.breaker.state", description="Changes by new state")


def _meter() -> _Meter | None:
    try:
        return _Meter()
    except ImportError:
        return None


_METER: Final = _meter()
