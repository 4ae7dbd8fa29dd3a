package hotplate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import hotplate.opentelemetry.OpenTelemetrySpans;
import io.grpc.Status;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What OpenTelemetry is told, and what it is not. */
class SpansTest {
    private final InMemorySpanExporter spans = InMemorySpanExporter.create();
    private final OpenTelemetrySdk telemetry = OpenTelemetrySdk.builder()
            .setTracerProvider(SdkTracerProvider.builder()
                    .addSpanProcessor(SimpleSpanProcessor.create(spans))
                    .build())
            .build();

    private static String said(SpanData span, String name) {
        return String.valueOf(span.getAttributes().asMap().entrySet().stream()
                .filter(one -> one.getKey().getKey().equals(name))
                .map(one -> one.getValue())
                .findFirst()
                .orElse(null));
    }

    @Test
    void everyOperationIsASpanWithoutKeysAndValues() throws Exception {
        try (Scripted server = new Scripted();
                Hotplate hotplate = Hotplate.builder()
                        .url(server.url())
                        .onError(OnError.RAISE)
                        .telemetry(new OpenTelemetrySpans(telemetry))
                        .build()) {
            HotplateCache<String> cache = hotplate.cache(Codec.text());
            Span caller = telemetry.getTracer("test").spanBuilder("caller").startSpan();
            String[] within = new String[2];
            try (io.opentelemetry.context.Scope scope = caller.makeCurrent()) {
                cache.get("secret:key", key -> {
                    within[0] = Span.current().getSpanContext().getSpanId();
                    return "secret value";
                });
                cache.getAsync("secret:later", key -> {
                    within[1] = Span.current().getSpanContext().getTraceId();
                    return CompletableFuture.completedFuture("secret value");
                }).get(60, TimeUnit.SECONDS);
                server.get = Scripted.says(request -> Scripted.hit("secret value"));
                cache.lookup("secret:key");
                cache.put("secret:key", "secret value");
                server.get = Scripted.says(Scripted::miss);
                assertThrows(HotplateException.class, () -> cache.get("secret:key", key -> {
                    throw new IllegalStateException("secret text");
                }));
                server.invalidate = Scripted.fails(Status.PERMISSION_DENIED);
                assertThrows(HotplateException.class, () -> cache.remove("secret:key"));
            }
            Scripted.until("all have ended", () -> spans.getFinishedSpanItems().size() == 6);
            List<SpanData> all = spans.getFinishedSpanItems();
            assertEquals(
                    List.of(
                            "hotplate get_or_compute",
                            "hotplate get_or_compute",
                            "hotplate get",
                            "hotplate put",
                            "hotplate get_or_compute",
                            "hotplate invalidate"),
                    all.stream().map(SpanData::getName).toList());
            assertEquals(all.get(0).getSpanId(), within[0]);
            assertEquals(caller.getSpanContext().getTraceId(), within[1]);
            assertEquals("true", said(all.get(2), "cache.hit"));
            assertEquals("hit", said(all.get(2), "hotplate.result"));
            assertEquals("stored", said(all.get(3), "hotplate.result"));
            assertEquals("compute", said(all.get(4), "hotplate.result"));
            assertEquals(StatusCode.ERROR, all.get(5).getStatus().getStatusCode());
            for (SpanData span : all) {
                assertEquals("t", span.getAttributes().get(AttributeKey.stringKey("hotplate.namespace")));
                assertEquals(caller.getSpanContext().getSpanId(), span.getParentSpanId());
                assertFalse(span.toString().contains("secret"), span::toString);
            }
        }
    }
}
