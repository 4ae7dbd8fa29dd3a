/** OpenTelemetry, for who has `@opentelemetry/api` installed: spans and counters of operations. No keys, no values. */
import { metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { HotplateError } from "./error.js";
import type { OperationFacts, Telemetry } from "./telemetry.js";
import { VERSION } from "./version.js";

const NAME = "@hotplate/client";

/**
 * Tells OpenTelemetry's global providers: spans `hotplate get` with `hotplate.namespace`, `cache.hit`, `cache.tier` and
 * `hotplate.near`; counters `hotplate.client.requests` by `op` and `result`, `hotplate.client.near_cache.hits`, and
 * `hotplate.client.availability.changes`. Without providers it costs next to nothing.
 */
export function openTelemetry(): Telemetry {
  const tracer = trace.getTracer(NAME, VERSION);
  const meter = metrics.getMeter(NAME, VERSION);
  const requests = meter.createCounter("hotplate.client.requests", {
    description: "Operations of the client, by what came of them",
    unit: "{operation}",
  });
  const nearHits = meter.createCounter("hotplate.client.near_cache.hits", {
    description: "Operations that this process answered by itself",
    unit: "{operation}",
  });
  const changes = meter.createCounter("hotplate.client.availability.changes", {
    description: "Times the cache was found to be away, or back",
    unit: "{change}",
  });
  return {
    operation: (name, namespace, facts, run) =>
      tracer.startActiveSpan(
        `hotplate ${name}`,
        { kind: SpanKind.CLIENT, attributes: { "hotplate.namespace": namespace } },
        async (span) => {
          try {
            const result = await run();
            span.setAttributes(attributesOf(facts));
            requests.add(1, { op: name, result: facts.result ?? "ok" });
            const near = facts.nearHits ?? (facts.near === true ? 1 : 0);
            if (near > 0) nearHits.add(near, { op: name });
            return result;
          } catch (failure) {
            const kind = failure instanceof HotplateError ? failure.kind : "INTERNAL";
            // The kind alone: messages of computations may say what nobody meant to trace.
            span.setStatus({ code: SpanStatusCode.ERROR, message: kind });
            requests.add(1, { op: name, result: kind.toLowerCase() });
            throw failure;
          } finally {
            span.end();
          }
        },
      ),
    available: (available) => changes.add(1, { available }),
  };
}

function attributesOf(facts: OperationFacts): Record<string, string | boolean> {
  const read =
    facts.result === "hit" || facts.result === "stale" || facts.result === "miss" || facts.result === "negative";
  return {
    ...(read ? { "cache.hit": facts.result === "hit" || facts.result === "stale" } : {}),
    ...(facts.result === undefined ? {} : { "hotplate.result": facts.result }),
    ...(facts.tier == null ? {} : { "cache.tier": facts.tier }),
    ...(facts.near === undefined ? {} : { "hotplate.near": facts.near }),
  };
}
