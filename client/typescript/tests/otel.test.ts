/** What OpenTelemetry is told: what came of operations, and no keys or values. */
import { metrics, trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { expect, it, onTestFinished } from "vitest";
import { openTelemetry } from "../src/otel.js";
import { memoryClient } from "../src/testing/index.js";

it("tells spans and counters, without keys and values", async () => {
  const spans = new InMemorySpanExporter();
  const counted = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: counted, exportIntervalMillis: 600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
  metrics.setGlobalMeterProvider(meters);
  const { client } = memoryClient({ telemetry: openTelemetry() });
  onTestFinished(async () => {
    await client.close();
    trace.disable();
    metrics.disable();
    await meters.shutdown();
  });
  const space = client.namespace("ml");
  await space.get("a-secret-key");
  await space.put("a-secret-key", "a-secret-value");
  await space.get("a-secret-key");
  await expect(space.getOrCompute("b", () => Promise.reject(new Error("a-secret-message")))).rejects.toThrow();
  const told = spans
    .getFinishedSpans()
    .map((span) => [span.name, span.attributes["hotplate.result"], span.attributes["cache.hit"]]);
  expect(told).toEqual([
    ["hotplate get", "miss", false],
    ["hotplate put", "stored", undefined],
    ["hotplate get", "hit", true],
    ["hotplate get_or_compute", undefined, undefined],
  ]);
  expect(spans.getFinishedSpans()[3]?.status.message).toBe("COMPUTE");
  await reader.forceFlush();
  const all = JSON.stringify(
    [
      spans.getFinishedSpans().map((span) => [span.name, span.attributes, span.status, span.events]),
      counted.getMetrics().map((one) => one.scopeMetrics),
    ],
    (_name, value) => (typeof value === "bigint" ? String(value) : value),
  );
  expect(all).not.toContain("secret");
  expect(all).toContain("hotplate.client.requests");
});
