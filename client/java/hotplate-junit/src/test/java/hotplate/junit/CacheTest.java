package hotplate.junit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.Cached;
import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.ErrorKind;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Invalidated;
import hotplate.Invalidates;
import hotplate.ItemResult;
import hotplate.Key;
import hotplate.Lookup;
import hotplate.MissReason;
import hotplate.ReadOptions;
import hotplate.ReadStream;
import hotplate.Selector;
import hotplate.Tier;
import hotplate.Ttl;
import hotplate.WriteOptions;
import hotplate.WriteStream;
import hotplate.Written;
import hotplate.micrometer.MicrometerMetrics;
import hotplate.v1.Negative;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Values in and out of a real server, of every size and codec. */
@HotplateServer
class CacheTest {
    record Metrics(double accuracy, List<String> labels) {}

    @Test
    void aValueIsReadAsItWasWritten(Hotplate hotplate) {
        HotplateCache<Metrics> cache = hotplate.cache(Codec.json(Metrics.class));
        Key key = Key.of("model", "metrics").id("abc").param("top", 10);
        Metrics metrics = new Metrics(0.1 + 0.2, List.of("é", "😀"));
        WriteOptions options = WriteOptions.ttl(Ttl.LONG).tags("model:abc").staleFor(Duration.ofMinutes(1));
        assertInstanceOf(Written.Stored.class, cache.put(key, metrics, options));
        assertInstanceOf(Written.Refreshed.class, cache.put(key, metrics, options));
        Lookup.Hit<?> hit = assertInstanceOf(Lookup.Hit.class, cache.lookup(key));
        assertEquals(metrics, hit.value());
        assertFalse(hit.stale() || hit.near());
        assertEquals(Tier.MEMORY, hit.tier());
        assertTrue(cache.ttl(key).orElseThrow().compareTo(Duration.ofMinutes(50)) > 0);
        assertTrue(cache.touch(key, Ttl.seconds(60)) && cache.exists(key));
        assertTrue(cache.ttl(key).orElseThrow().compareTo(Duration.ofMinutes(2)) < 0);
        assertEquals(new Invalidated.Done(1), cache.invalidate(Selector.tag("model:abc")));
        assertEquals(new Lookup.Miss<>(MissReason.INVALIDATED), cache.lookup(key, ReadOptions.DEFAULT));
    }

    @Test
    void everyCodecReadsWhatItWrote(Hotplate hotplate) {
        List<String> labels = List.of("a", "b");
        same(hotplate.cache(Codec.json(Metrics.class)), "json", new Metrics(1.5, labels));
        same(hotplate.cache(Codec.messagePack(Metrics.class)), "msgpack", new Metrics(-2.25, labels));
        same(hotplate.cache(Codec.text()), "text", "über");
        Negative message = Negative.newBuilder().setReason("R").setMessage("m").build();
        same(hotplate.cache(Codec.protobuf(Negative.getDefaultInstance())), "protobuf", message);
        HotplateCache<byte[]> raw = hotplate.cache(Codec.raw());
        raw.put("raw", new byte[] {0, -1});
        assertArrayEquals(new byte[] {0, -1}, raw.getIfPresent("raw").orElseThrow());
        HotplateException other = assertThrows(
                HotplateException.class, () -> hotplate.cache(Codec.json()).lookup("text"));
        assertEquals(ErrorKind.CODEC, other.kind());
        HotplateCache<Metrics> nulls = hotplate.cache(Codec.json(Metrics.class));
        nulls.put("null", null);
        assertNull(((Lookup.Hit<Metrics>) nulls.lookup("null")).value());
    }

    private static <V> void same(HotplateCache<V> cache, String key, V value) {
        assertTrue(cache.put(key, value).isStored());
        assertEquals(value, cache.getIfPresent(key).orElseThrow());
    }

    @Test
    void batchesAnswerInOrder(Hotplate hotplate) {
        HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));
        Map<String, Integer> values = new LinkedHashMap<>();
        List<String> keys = new ArrayList<>();
        for (int n = 0; n < 250; n++) {
            values.put("batch:" + n, n);
            keys.add("batch:" + n);
        }
        cache.putAll(values, WriteOptions.DEFAULT).forEach(one -> assertTrue(one.get().isStored()));
        keys.add(7, "batch:absent");
        keys.add(9, "");
        List<ItemResult<Lookup<Integer>>> found = cache.lookupAll(keys);
        assertEquals(keys.size(), found.size());
        assertFalse(found.get(7).get().isHit());
        assertEquals(ErrorKind.INVALID_ARGUMENT, found.get(9).failure().kind());
        assertEquals(249, found.get(found.size() - 1).get().toOptional().orElseThrow());
    }

    @Test
    void conditionsAndNegativesAreAnswers(Hotplate hotplate) {
        HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));
        cache.put("condition", 1);
        Written refused = cache.put("condition", 2, WriteOptions.DEFAULT.ifAbsent());
        String etag = assertInstanceOf(Written.PreconditionFailed.class, refused).etag();
        assertTrue(cache.put("condition", 3, WriteOptions.DEFAULT.ifEtag(etag)).isStored());
        cache.putNegative("absent", "NO_SUCH_MODEL", "there is none", WriteOptions.ttl(Ttl.SHORT));
        Lookup.Negative<?> negative = assertInstanceOf(Lookup.Negative.class, cache.lookup("absent"));
        assertEquals("NO_SUCH_MODEL", negative.reason());
        HotplateException bad = assertThrows(HotplateException.class, () -> cache.lookup(""));
        assertEquals("key", bad.field().orElseThrow());
        CompletableFuture<Lookup<Integer>> async = cache.lookupAsync("condition");
        assertEquals(3, async.join().toOptional().orElseThrow());
    }

    @Test
    void largeValuesGoAsStreams(Hotplate hotplate) {
        byte[] value = new byte[7 << 20];
        new Random(1).nextBytes(value);
        HotplateCache<byte[]> cache = hotplate.cache(Codec.raw());
        assertTrue(cache.put("large", value, WriteOptions.ttl(Ttl.SHORT)).isStored());
        assertArrayEquals(value, cache.getIfPresent("large").orElseThrow());
        assertArrayEquals(value, cache.lookupAll(List.of("large")).get(0).get().toOptional().orElseThrow());
        byte[] computed = cache.get("large:computed", key -> value);
        assertArrayEquals(value, computed);
        assertArrayEquals(value, cache.getIfPresent("large:computed").orElseThrow());
    }

    @Test
    void aValueThatIsBeingWrittenIsFollowed(Hotplate hotplate) throws Exception {
        HotplateCache<byte[]> cache = hotplate.cache(Codec.raw());
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        try (WriteStream stream = cache.writeStream("followed", WriteOptions.ttl(Ttl.SHORT))) {
            stream.send("one ".getBytes());
            CompletableFuture<Void> reader;
            try (ReadStream follow = cache.follow("followed")) {
                read.writeBytes(follow.next());
                reader = CompletableFuture.runAsync(() -> {
                    for (byte[] piece = follow.next(); piece != null; piece = follow.next()) {
                        read.writeBytes(piece);
                    }
                });
                stream.send("two".getBytes());
                assertTrue(stream.finish().isStored());
                reader.get();
            }
        }
        assertEquals("one two", read.toString());
        assertEquals("one two", new String(cache.getIfPresent("followed").orElseThrow()));
        try (ReadStream whole = cache.readStream("followed", ReadOptions.DEFAULT)) {
            assertEquals(7L, whole.found().toOptional().orElseThrow());
        }
        try (WriteStream given = cache.writeStream("given up", WriteOptions.DEFAULT)) {
            given.send(new byte[1]);
        }
        assertFalse(cache.exists("given up"));
    }

    @Test
    void functionsAreWrappedOnce(Hotplate hotplate) {
        HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));
        AtomicInteger runs = new AtomicInteger();
        Cached<List<String>, Integer> lengths =
                Cached.of(cache, Key.of("lengths", "v1"), ComputeOptions.ttl(Ttl.SHORT), names -> {
                    runs.incrementAndGet();
                    return String.join("", names).length();
                });
        assertEquals(5, lengths.apply(List.of("ab", "cde")));
        assertEquals(5, lengths.apply(List.of("ab", "cde")));
        assertEquals(1, runs.get());
        assertEquals(5, lengths.bypass(List.of("ab", "cde")));
        assertEquals(1, lengths.applyAsync(List.of("x"), Runnable::run).join());
        List<String> keys = new ArrayList<>();
        cache.entries(lengths.all()).forEach(entry -> keys.add(entry.getKey()));
        assertEquals(2, keys.size());
        assertTrue(keys.contains(lengths.key(List.of("x"))));
        Invalidates<String, Integer> changes = Invalidates.of(cache, Integer::parseInt, lengths.all());
        assertEquals(7, changes.apply("7"));
        assertFalse(cache.entries(lengths.all()).iterator().hasNext());
        lengths.apply(List.of("x"));
        assertThrows(NumberFormatException.class, () -> changes.apply("seven"));
        assertFalse(cache.exists(lengths.key(List.of("x"))));
    }

    @Test
    void metricsAreCountedUnderTheUsualNames(LocalServer server) {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        try (Hotplate hotplate = Hotplate.builder()
                .url(server.url("metered"))
                .metrics(new MicrometerMetrics(registry))
                .build()) {
            HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));
            cache.get("a", key -> 1);
            cache.get("a", key -> 2);
            cache.lookup("a");
        }
        assertEquals(2, registry.get("cache.gets").tag("result", "hit").counter().count());
        assertEquals(1, registry.get("cache.gets").tag("result", "miss").counter().count());
        assertEquals(1, registry.get("hotplate.computations").tag("outcome", "ok").timer().count());
        assertEquals(1, registry.get("cache.puts").counter().count());
    }
}
