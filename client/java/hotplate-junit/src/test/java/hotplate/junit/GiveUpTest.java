package hotplate.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.Codec;
import hotplate.ErrorKind;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/** Whoever gives up leaves no lease behind, at whatever moment. Leases last ten seconds here: one that was left is seen by its wait. */
@HotplateServer
class GiveUpTest {
    private static final Duration LEASE_LEFT = Duration.ofSeconds(9);

    private static Hotplate client(LocalServer server) {
        return Hotplate.builder().url(server.url("give-up")).build();
    }

    private static void nextIsServed(HotplateCache<Integer> cache, String key) {
        long began = System.nanoTime();
        assertEquals(1, cache.get(key, some -> 1));
        assertTrue(System.nanoTime() - began < LEASE_LEFT.toNanos(), "the lease of " + key + " was left to lapse");
    }

    @Test
    void atAnyMoment(LocalServer server) {
        Random random = new Random(3);
        try (Hotplate one = client(server);
                Hotplate other = client(server)) {
            HotplateCache<Integer> cache = one.cache(Codec.json(Integer.class));
            HotplateCache<Integer> next = other.cache(Codec.json(Integer.class));
            cache.lookup("before");
            next.lookup("before");
            for (int round = 0; round < 200; round++) {
                String key = "round:" + round;
                CompletableFuture<Integer> given = cache.getAsync(key, some -> new CompletableFuture<>());
                LockSupport.parkNanos(random.nextInt(3_000_000));
                given.cancel(true);
                nextIsServed(next, key);
            }
        }
    }

    @Test
    void whenTheCodecFails(LocalServer server) {
        Codec<Integer> broken = new Codec<>() {
            @Override
            public String contentType() {
                return "application/json";
            }

            @Override
            public byte[] encode(Integer value) {
                throw new IllegalStateException("secret " + value);
            }

            @Override
            public Integer decode(byte[] bytes) {
                throw new IllegalStateException("secret");
            }
        };
        try (Hotplate hotplate = client(server);
                Hotplate other = client(server)) {
            HotplateCache<Integer> cache = hotplate.cache(broken);
            assertEquals(7, cache.get("codec", key -> 7));
            nextIsServed(other.cache(Codec.json(Integer.class)), "codec");
            HotplateException unread = assertThrows(HotplateException.class, () -> cache.lookup("codec"));
            assertEquals(ErrorKind.CODEC, unread.kind());
            assertTrue(!unread.toString().contains("secret"));
            assertEquals(8, cache.get("codec", key -> 8));
        }
    }
}
