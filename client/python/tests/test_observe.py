"""What OpenTelemetry is told: operations and results, never keys or values."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Run
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hotplate import AsyncClient, Client, InvalidArgumentError, observe


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> tuple[InMemorySpanExporter, InMemoryMetricReader]:
    """What OpenTelemetry is told in a test."""
    spans, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([metrics])
    monkeypatch.setattr("opentelemetry.trace.get_tracer", tracers.get_tracer)
    monkeypatch.setattr("opentelemetry.metrics.get_meter", meters.get_meter)
    monkeypatch.setattr(observe, "_METER", observe._Meter())
    return spans, metrics


def test_spans_and_counters_tell_results_and_no_keys(
    client: Client, told: tuple[InMemorySpanExporter, InMemoryMetricReader]
) -> None:
    spans, metrics = told
    space = client.namespace()
    space.get("secret-key")
    space.put("secret-key", "secret value")
    space.get("secret-key")
    seen = [(span.name, dict(span.attributes or {})) for span in spans.get_finished_spans()]
    assert [name for name, _ in seen] == ["hotplate get", "hotplate put", "hotplate get"]
    assert seen[2][1] == {"hotplate.namespace": space.name, "cache.hit": True, "cache.tier": "memory"}
    assert "secret" not in str(seen)
    assert _counted(metrics) == {("get", "miss"): 1, ("put", "stored"): 1, ("get", "hit"): 1}


def test_a_failure_is_told_by_its_kind_and_nothing_of_its_text(
    client: Client, run: Run, told: tuple[InMemorySpanExporter, InMemoryMetricReader], caplog: pytest.LogCaptureFixture
) -> None:
    spans, metrics = told
    space = client.namespace()

    def fail() -> int:
        raise ValueError("password=hunter2")

    async def in_loop(other: AsyncClient) -> None:
        with pytest.raises(ValueError, match="hunter2"):
            await other.namespace().get_or_compute("k", fail)

    with pytest.raises(ValueError, match="hunter2"):
        space.get_or_compute("k", fail)
    with pytest.raises(InvalidArgumentError):
        space.put("hunter2", 1, tags=["hunter2" * 100])
    run(in_loop)
    finished = spans.get_finished_spans()
    statuses = [(span.status.is_ok, span.status.description) for span in finished]
    assert statuses[:2] == [(False, "ValueError"), (False, "INVALID_ARGUMENT")]
    assert "ValueError" in [description for _, description in statuses[2:]]
    assert "hunter2" not in "".join(span.to_json() for span in finished)
    assert not any(span.events for span in finished)
    assert "hunter2" not in caplog.text
    assert _counted(metrics)["get_or_compute", "error"] == 2


def _counted(reader: InMemoryMetricReader) -> dict[tuple[Any, Any], Any]:
    data = reader.get_metrics_data()
    assert data is not None
    points: list[Any] = [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "hotplate.client.requests"
        for point in metric.data.data_points
    ]
    return {(point.attributes["op"], point.attributes["result"]): point.value for point in points}
