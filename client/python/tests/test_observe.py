"""What OpenTelemetry is told: operations and results, never keys or values."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hotplate import Client, observe


def test_spans_and_counters_tell_results_and_no_keys(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    spans, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([metrics])
    monkeypatch.setattr("opentelemetry.trace.get_tracer", tracers.get_tracer)
    monkeypatch.setattr("opentelemetry.metrics.get_meter", meters.get_meter)
    monkeypatch.setattr(observe, "_METER", observe._Meter())
    space = client.namespace()
    space.get("secret-key")
    space.put("secret-key", "secret value")
    space.get("secret-key")
    told = [(span.name, dict(span.attributes or {})) for span in spans.get_finished_spans()]
    assert [name for name, _ in told] == ["hotplate get", "hotplate put", "hotplate get"]
    assert told[2][1] == {"hotplate.namespace": space.name, "cache.hit": True, "cache.tier": "memory"}
    assert "secret" not in str(told)
    assert _counted(metrics) == {("get", "miss"): 1, ("put", "stored"): 1, ("get", "hit"): 1}


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
