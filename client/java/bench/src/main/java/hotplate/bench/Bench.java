package hotplate.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.Hotplate;
import hotplate.HotplateBuilder;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Lookup;
import hotplate.NearOptions;
import hotplate.Ttl;
import hotplate.WriteOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/**
 * Measures the client against a server, and prints one JSON object: {mode, ops_per_s, p50_us, p99_us, errors}. Modes: unary (one look-up a call), batched
 * (100 look-ups a call, each an operation), near (look-ups in this process), herd (many callers of one computation of two seconds, of this and of other
 * processes that run it at the same time; then computations and max_wait_ms are told as well).
 */
public final class Bench {
    private static final int KEYS = 1_000;
    private static final int BATCH = 100;
    private static final int LATENCIES_MAX = 1 << 20;
    private static final Duration HERD_TAKES = Duration.ofSeconds(2);

    private final String mode;
    private final long nanos;
    private final int callers;
    private final HotplateCache<byte[]> cache;
    private final LongAdder operations = new LongAdder();
    private final LongAdder errors = new LongAdder();

    private Bench(String mode, double seconds, int callers, HotplateCache<byte[]> cache) {
        this.mode = mode;
        this.nanos = (long) (seconds * 1e9);
        this.callers = callers;
        this.cache = cache;
    }

    /** Arguments: --url, --mode, --seconds, --in-flight, --value-size. */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> given = new LinkedHashMap<>();
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            given.put(arguments[at], arguments[at + 1]);
        }
        String mode = given.getOrDefault("--mode", "unary");
        HotplateBuilder builder = Hotplate.builder();
        if (given.containsKey("--url")) {
            builder.url(given.get("--url"));
        }
        if (mode.equals("near")) {
            builder.nearCache(NearOptions.DEFAULT);
        }
        try (Hotplate hotplate = builder.env().build()) {
            Bench bench = new Bench(
                    mode,
                    Double.parseDouble(given.getOrDefault("--seconds", "5")),
                    Integer.parseInt(given.getOrDefault("--in-flight", "32")),
                    hotplate.cache(Codec.raw()));
            int size = Integer.parseInt(given.getOrDefault("--value-size", "1024"));
            Map<String, Object> report = mode.equals("herd") ? bench.herd() : bench.measure(size);
            System.out.println(new ObjectMapper().writeValueAsString(report));
        }
    }

    private static String key(int number) {
        return "bench:" + number;
    }

    private Map<String, Object> measure(int size) throws Exception {
        byte[] value = new byte[size];
        new Random(1).nextBytes(value);
        for (int from = 0; from < KEYS; from += BATCH) {
            Map<String, byte[]> some = new LinkedHashMap<>();
            for (int number = from; number < from + BATCH; number++) {
                some.put(key(number), value);
            }
            cache.putAll(some, WriteOptions.ttl(Ttl.LONG)).forEach(one -> one.get());
        }
        if (mode.equals("near")) {
            untilNear();
        }
        // The virtual machine compiles what is used: that is not measured.
        run(Math.min(nanos, 2_000_000_000L));
        operations.reset();
        errors.reset();
        long began = System.nanoTime();
        long[] latencies = run(nanos);
        return report(operations.sum() / ((System.nanoTime() - began) / 1e9), latencies);
    }

    /** Until every key was kept: the stream of changes comes up behind the first reads. */
    private void untilNear() throws InterruptedException {
        long ends = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        for (int number = 0; number < KEYS && System.nanoTime() < ends; ) {
            if (cache.lookup(key(number)) instanceof Lookup.Hit<byte[]> hit && hit.near()) {
                number++;
            } else if (!cache.nearStats().orElseThrow().serving()) {
                Thread.sleep(10);
            }
        }
    }

    private long[] run(long howLong) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(callers);
        try {
            List<Future<long[]>> all = new ArrayList<>();
            long ends = System.nanoTime() + howLong;
            for (int caller = 0; caller < callers; caller++) {
                int seed = caller;
                all.add(threads.submit(() -> call(seed, ends)));
            }
            List<long[]> some = new ArrayList<>();
            for (Future<long[]> one : all) {
                some.add(one.get());
            }
            return some.stream().flatMapToLong(Arrays::stream).sorted().toArray();
        } finally {
            threads.shutdown();
        }
    }

    private long[] call(int seed, long ends) {
        Random random = new Random(seed);
        long[] latencies = new long[1_024];
        int count = 0;
        while (true) {
            long begin = System.nanoTime();
            if (begin - ends >= 0) {
                return Arrays.copyOf(latencies, count);
            }
            one(random);
            if (count == latencies.length && count < LATENCIES_MAX) {
                latencies = Arrays.copyOf(latencies, 2 * count);
            }
            if (count < latencies.length) {
                latencies[count++] = System.nanoTime() - begin;
            }
        }
    }

    private void one(Random random) {
        try {
            if (mode.equals("batched")) {
                List<String> keys = random.ints(BATCH, 0, KEYS).mapToObj(Bench::key).toList();
                cache.lookupAll(keys).forEach(result -> count(result.get()));
            } else if (mode.equals("near")) {
                count(cache.lookupShared(key(random.nextInt(KEYS))));
            } else {
                count(cache.lookup(key(random.nextInt(KEYS))));
            }
        } catch (HotplateException failed) {
            errors.increment();
        }
    }

    private void count(Lookup<byte[]> found) {
        operations.increment();
        if (!found.isHit()) {
            errors.increment();
        }
    }

    private Map<String, Object> herd() throws Exception {
        HotplateCache<Integer> herd = cache.withCodec(Codec.json(Integer.class));
        AtomicInteger computations = new AtomicInteger();
        Callable<Long> caller = () -> {
            long begin = System.nanoTime();
            try {
                herd.get("bench:herd", key -> {
                    computations.incrementAndGet();
                    Thread.sleep(HERD_TAKES.toMillis());
                    return 1;
                }, ComputeOptions.ttl(Ttl.SHORT));
                operations.increment();
            } catch (HotplateException failed) {
                errors.increment();
            }
            return System.nanoTime() - begin;
        };
        ExecutorService threads = Executors.newFixedThreadPool(callers);
        // Connections and classes are there when the herd comes.
        herd.lookup("bench:before");
        long began = System.nanoTime();
        List<Long> waits = new ArrayList<>();
        for (Future<Long> one : threads.invokeAll(java.util.Collections.nCopies(callers, caller))) {
            waits.add(one.get());
        }
        threads.shutdown();
        long[] latencies = waits.stream().mapToLong(Long::longValue).sorted().toArray();
        Map<String, Object> report = report(operations.sum() / ((System.nanoTime() - began) / 1e9), latencies);
        report.put("computations", computations.get());
        report.put("max_wait_ms", latencies[latencies.length - 1] / 1_000_000);
        return report;
    }

    private Map<String, Object> report(double perSecond, long[] sorted) {
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("mode", mode);
        report.put("ops_per_s", Math.round(perSecond * 10) / 10.0);
        report.put("p50_us", micros(sorted, 0.50));
        report.put("p99_us", micros(sorted, 0.99));
        report.put("errors", errors.sum());
        return report;
    }

    private static double micros(long[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) (share * (sorted.length - 1))] / 1_000.0;
    }
}
