package hotplate.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import hotplate.Codec;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.WriteOptions;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The tests that the README shows. */
class ExampleTest {
    // region server
    @HotplateServer
    static class WithAServer {
        @Test
        void itIsComputedOnce(Hotplate hotplate) {
            HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));
            assertEquals(1, cache.get("answer", key -> 1));
            assertEquals(1, cache.get("answer", key -> 2));
        }
    }
    // end

    /** Runs it. */
    @org.junit.jupiter.api.Nested
    @HotplateServer
    class Server {
        @Test
        void runs(Hotplate hotplate) {
            new WithAServer().itIsComputedOnce(hotplate);
        }
    }

    // region memory
    @Test
    void itEndsWithItsTime() {
        MovableClock clock = new MovableClock();
        HotplateCache<Integer> cache = new InMemoryHotplate(clock).cache("ml", Codec.json(Integer.class));
        cache.put("answer", 42, WriteOptions.ttl(Duration.ofMinutes(5)));
        clock.advance(Duration.ofMinutes(5));
        assertFalse(cache.exists("answer"));
    }
    // end
}
