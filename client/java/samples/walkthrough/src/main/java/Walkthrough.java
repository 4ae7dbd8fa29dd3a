import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.Key;
import hotplate.Lookup;
import hotplate.NearOptions;
import hotplate.Selector;
import hotplate.Ttl;
import hotplate.Watch;
import hotplate.WatchItem;
import hotplate.WatchOptions;
import hotplate.WriteOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The first five minutes with the Java client, against the server that HOTPLATE_URL names. What it prints, it has checked. The blocks of the README
 * are regions of this file.
 */
public final class Walkthrough {
    private static final AtomicInteger TRAININGS = new AtomicInteger();

    private Walkthrough() {}

    // region record
    record Metrics(String model, double accuracy) {}
    // end

    private static Metrics train(String model) {
        TRAININGS.incrementAndGet();
        return new Metrics(model, 0.91);
    }

    /** Goes through all of it. */
    public static void main(String[] arguments) throws Exception {
        compute();
        putAndGet();
        tags();
        nearCache();
        watch();
        System.out.println("done");
    }

    private static void compute() throws Exception {
        TRAININGS.set(0);
        // region compute
        try (Hotplate hotplate = Hotplate.fromEnv()) {
            HotplateCache<Metrics> cache = hotplate.cache(Codec.json(Metrics.class));
            Key key = Key.of("model", "metrics").id("abc-123").param("top", 10);
            ComputeOptions options = ComputeOptions.ttl(Ttl.LONG).tags("model:abc-123");

            Metrics computed = cache.get(key, k -> train("abc-123"), options);
            Metrics stored = cache.get(key, k -> train("abc-123"), options);
            CompletableFuture<Metrics> later =
                    cache.getAsync(key, k -> CompletableFuture.supplyAsync(() -> train("abc-123")), options);
            System.out.println(computed.accuracy() + ", trained " + TRAININGS.get() + " time");
            // end
            check(computed, stored);
            check(computed, later.get());
            check(1, TRAININGS.get());
        }
    }

    private static void putAndGet() {
        try (Hotplate hotplate = Hotplate.fromEnv()) {
            HotplateCache<Metrics> cache = hotplate.cache(Codec.json(Metrics.class));
            // region lookup
            cache.put("model:xyz", new Metrics("xyz", 0.87), WriteOptions.ttl(Duration.ofHours(1)));

            Lookup<Metrics> found = cache.lookup("model:xyz");
            if (found instanceof Lookup.Hit<Metrics> hit) {
                System.out.println(hit.value().accuracy() + " from " + hit.tier());
            } else if (found instanceof Lookup.Negative<Metrics> negative) {
                System.out.println("known to be absent: " + negative.reason());
            } else if (found instanceof Lookup.Miss<Metrics> miss) {
                System.out.println("not there: " + miss.reason());
            }
            // end
            check(0.87, found.toOptional().orElseThrow().accuracy());
        }
    }

    private static void tags() {
        try (Hotplate hotplate = Hotplate.fromEnv()) {
            HotplateCache<Metrics> cache = hotplate.cache(Codec.json(Metrics.class));
            // region invalidate
            cache.put("report:1", new Metrics("abc", 0.5), WriteOptions.ttl(Ttl.DAY).tags("model:abc"));
            cache.put("report:2", new Metrics("abc", 0.6), WriteOptions.ttl(Ttl.DAY).tags("model:abc"));

            System.out.println(cache.invalidate(Selector.tag("model:abc")));
            System.out.println(cache.getIfPresent("report:1").isPresent());
            // end
            check(false, cache.exists("report:1") || cache.exists("report:2"));
        }
    }

    private static void nearCache() throws InterruptedException {
        // region near
        try (Hotplate hotplate = Hotplate.builder().env().nearCache(NearOptions.bytes(32 << 20)).build()) {
            HotplateCache<Metrics> cache = hotplate.cache(Codec.json(Metrics.class));
            cache.put("model:near", new Metrics("near", 0.7));
            // Served from this process once the stream of changes is there.
            while (!(cache.lookupShared("model:near") instanceof Lookup.Hit<Metrics> hit && hit.near())) {
                Thread.sleep(20);
            }
            System.out.println("near hits: " + (cache.nearStats().orElseThrow().hits() > 0));
        }
        // end
    }

    private static void watch() {
        List<String> changed = new ArrayList<>();
        // region watch
        try (Hotplate hotplate = Hotplate.fromEnv()) {
            HotplateCache<Metrics> cache = hotplate.cache(Codec.json(Metrics.class));
            try (Watch watch = cache.watch(WatchOptions.of(Selector.prefix("watched:")))) {
                while (changed.isEmpty()) {
                    Optional<WatchItem> item = watch.next(Duration.ofSeconds(30));
                    if (item.orElseThrow() instanceof WatchItem.Created) {
                        cache.put("watched:1", new Metrics("w", 0.8));
                    } else if (item.get() instanceof WatchItem.Events told) {
                        told.events().forEach(event -> changed.add(event.getKey()));
                    }
                }
            }
            System.out.println("changed: " + changed);
        }
        // end
        check(List.of("watched:1"), changed);
    }

    private static void check(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }
}
