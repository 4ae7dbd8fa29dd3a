package hotplate.opentelemetry;

import hotplate.Telemetry;
import hotplate.Tier;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import java.util.Locale;
import java.util.concurrent.Callable;

/**
 * Spans of OpenTelemetry: {@code hotplate get} and its like, with {@code hotplate.namespace}, {@code hotplate.result} and, for reads,
 * {@code cache.hit}, {@code cache.tier}, {@code hotplate.near}; and the counters {@code hotplate.client.requests} by {@code op} and
 * {@code result}, and {@code hotplate.client.near_cache.hits}. What a loader does is within the span of who began it. No keys, no values, and
 * nothing of what a loader threw. Needs {@code io.opentelemetry:opentelemetry-api}.
 *
 * <pre>{@code
 * Hotplate.builder().telemetry(new OpenTelemetrySpans(openTelemetry))
 * }</pre>
 */
public final class OpenTelemetrySpans implements Telemetry {
    private static final String NAME = "hotplate";
    private static final AttributeKey<String> NAMESPACE = AttributeKey.stringKey("hotplate.namespace");
    private static final AttributeKey<String> RESULT = AttributeKey.stringKey("hotplate.result");
    private static final AttributeKey<Boolean> NEAR = AttributeKey.booleanKey("hotplate.near");
    private static final AttributeKey<Boolean> HIT = AttributeKey.booleanKey("cache.hit");
    private static final AttributeKey<String> TIER = AttributeKey.stringKey("cache.tier");
    private static final AttributeKey<String> OP = AttributeKey.stringKey("op");
    private static final AttributeKey<String> COUNTED = AttributeKey.stringKey("result");

    private final Tracer tracer;
    private final LongCounter requests;
    private final LongCounter nearHits;

    /** Tells this one, such as {@code GlobalOpenTelemetry.get()}. */
    public OpenTelemetrySpans(OpenTelemetry telemetry) {
        tracer = telemetry.getTracer(NAME);
        Meter meter = telemetry.getMeter(NAME);
        requests = meter.counterBuilder("hotplate.client.requests")
                .setDescription("Operations of the client, by what came of them")
                .setUnit("{operation}")
                .build();
        nearHits = meter.counterBuilder("hotplate.client.near_cache.hits")
                .setDescription("Operations that this process answered by itself")
                .setUnit("{operation}")
                .build();
    }

    @Override
    public Operation begin(String name, String namespace) {
        Span span = tracer.spanBuilder("hotplate " + name)
                .setSpanKind(SpanKind.CLIENT)
                .setAttribute(NAMESPACE, namespace)
                .startSpan();
        return new One(name, span);
    }

    private final class One implements Operation {
        private final String name;
        private final Span span;
        private final Context context;

        One(String name, Span span) {
            this.name = name;
            this.span = span;
            // Also what else its caller's context holds is there for what is computed.
            this.context = Context.current().with(span);
        }

        @Override
        public void found(boolean hit, Tier tier, boolean near) {
            span.setAttribute(HIT, hit);
            span.setAttribute(NEAR, near);
            if (tier != Tier.UNKNOWN) {
                span.setAttribute(TIER, tier.name().toLowerCase(Locale.ROOT));
            }
            if (near) {
                nearHits.add(1, Attributes.of(OP, name));
            }
        }

        @Override
        public <T> T within(Callable<T> work) throws Exception {
            try (Scope scope = context.makeCurrent()) {
                return work.call();
            }
        }

        @Override
        public void end(String result, boolean failed) {
            span.setAttribute(RESULT, result);
            if (failed) {
                // The kind alone: what a computation threw may say what nobody meant to trace.
                span.setStatus(StatusCode.ERROR, result);
            }
            span.end();
            requests.add(1, Attributes.of(OP, name, COUNTED, result));
        }
    }
}
