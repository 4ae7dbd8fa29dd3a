package hotplate.micrometer;

import hotplate.CacheMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Counts in a Micrometer registry, under the names that boards for caches in the JVM know: {@code cache.gets} with the tag {@code result}
 * ({@code hit} or {@code miss}), {@code cache.puts}, and besides {@code hotplate.near.hits}, {@code hotplate.invalidations} and
 * {@code hotplate.computations}. The tag {@code cache} is the namespace, {@code cache.manager} is {@code hotplate}. Needs
 * {@code io.micrometer:micrometer-core}.
 *
 * <pre>{@code
 * Hotplate.builder().metrics(new MicrometerMetrics(registry))
 * }</pre>
 */
public final class MicrometerMetrics implements CacheMetrics {
    private final MeterRegistry registry;
    private final ConcurrentHashMap<String, Meters> meters = new ConcurrentHashMap<>();

    private record Meters(
            Counter hits, Counter misses, Counter near, Counter puts, Counter invalidations, Timer computed, Timer failed) {}

    /** Counts in this registry. */
    public MicrometerMetrics(MeterRegistry registry) {
        this.registry = registry;
    }

    private Meters of(String namespace) {
        return meters.computeIfAbsent(namespace, name -> new Meters(
                counter("cache.gets", name, "result", "hit"),
                counter("cache.gets", name, "result", "miss"),
                counter("hotplate.near.hits", name),
                counter("cache.puts", name),
                counter("hotplate.invalidations", name),
                timer(name, "ok"),
                timer(name, "failed")));
    }

    private Counter counter(String meter, String namespace, String... tags) {
        return Counter.builder(meter)
                .tags("cache", namespace, "cache.manager", "hotplate")
                .tags(tags)
                .register(registry);
    }

    private Timer timer(String namespace, String outcome) {
        return Timer.builder("hotplate.computations")
                .tags("cache", namespace, "cache.manager", "hotplate", "outcome", outcome)
                .register(registry);
    }

    @Override
    public void read(String namespace, boolean hit, boolean near) {
        Meters some = of(namespace);
        (hit ? some.hits : some.misses).increment();
        if (near) {
            some.near.increment();
        }
    }

    @Override
    public void stored(String namespace) {
        of(namespace).puts.increment();
    }

    @Override
    public void invalidated(String namespace) {
        of(namespace).invalidations.increment();
    }

    @Override
    public void computed(String namespace, long nanoseconds, boolean failed) {
        Meters some = of(namespace);
        (failed ? some.failed : some.computed).record(Duration.ofNanos(nanoseconds));
    }
}
