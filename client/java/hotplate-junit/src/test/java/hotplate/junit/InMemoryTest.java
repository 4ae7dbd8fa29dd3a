package hotplate.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.ErrorKind;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Invalidated;
import hotplate.Loader;
import hotplate.Lookup;
import hotplate.MissReason;
import hotplate.ReadOptions;
import hotplate.Selector;
import hotplate.Ttl;
import hotplate.WatchOptions;
import hotplate.WriteOptions;
import hotplate.Written;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The cache in memory answers as a server does, as far as it goes. */
class InMemoryTest {
    private final MovableClock clock = new MovableClock();
    private final Hotplate hotplate = new InMemoryHotplate(clock);
    private final HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));

    @Test
    void lifetimesEnd() {
        cache.put("a", 1, WriteOptions.ttl(Duration.ofSeconds(10)).staleFor(Duration.ofSeconds(10)));
        clock.advance(Duration.ofSeconds(9));
        assertTrue(cache.exists("a"));
        clock.advance(Duration.ofSeconds(1));
        assertEquals(new Lookup.Miss<>(MissReason.EXPIRED), cache.lookup("a"));
        assertTrue(((Lookup.Hit<Integer>) cache.lookup("a", ReadOptions.DEFAULT.acceptingStale())).stale());
        clock.advance(Duration.ofSeconds(10));
        assertFalse(cache.lookup("a", ReadOptions.DEFAULT.acceptingStale()).isHit());
        assertEquals(new Lookup.Miss<>(MissReason.NEVER_STORED), cache.lookup("b"));
    }

    @Test
    void selectorsSelectAndDependentsFollow() {
        cache.put("model:a", 1, WriteOptions.DEFAULT.tags("t"));
        cache.put("report:a", 2, WriteOptions.DEFAULT.dependsOn("model:a"));
        cache.put("page:a", 3, WriteOptions.DEFAULT.dependsOn("report:a"));
        cache.put("other", 4);
        assertEquals(new Invalidated.Done(1), cache.invalidate(Selector.tag("t")));
        assertFalse(cache.exists("model:a") || cache.exists("report:a") || cache.exists("page:a"));
        assertTrue(cache.exists("other"));
        assertEquals(new Invalidated.Done(1), cache.invalidate(Selector.glob("oth*")));
    }

    @Test
    void aComputationRunsOnceAndNotForItself() {
        CompletableFuture<Integer> computing = new CompletableFuture<>();
        CompletableFuture<Integer> one = cache.getAsync("c", key -> computing);
        CompletableFuture<Integer> other = cache.getAsync("c", key -> CompletableFuture.completedFuture(2));
        computing.complete(1);
        assertEquals(1, one.join());
        assertEquals(1, other.join());
        HotplateException circle = assertThrows(
                HotplateException.class, () -> cache.get("d", key -> cache.get("d", again -> 1)));
        assertEquals(ErrorKind.COMPUTE, circle.kind());
        assertFalse(cache.exists("d"));
    }

    @Test
    void conditionsHold() {
        assertInstanceOf(Written.PreconditionFailed.class, cache.put("e", 1, WriteOptions.DEFAULT.ifPresent()));
        assertTrue(cache.put("e", 1, WriteOptions.DEFAULT.ifAbsent()).isStored());
        assertInstanceOf(Written.Refreshed.class, cache.put("e", 1));
        assertEquals(2, cache.lookupAll(List.of("e", "f")).size());
    }

    @Test
    void whatItHasNotIsSaid() {
        HotplateException none = assertThrows(HotplateException.class, () -> cache.watch(WatchOptions.DEFAULT));
        assertEquals(ErrorKind.UNIMPLEMENTED, none.kind());
    }

    private static HotplateCache<Integer> numbers(MovableClock clock) {
        return new InMemoryHotplate(clock).cache("n", Codec.json(Integer.class));
    }

    @Test
    void aComputationRunsOnceAlsoWhenItIsQuick() throws Exception {
        HotplateCache<Integer> cache = numbers(new MovableClock());
        java.util.concurrent.ExecutorService callers = java.util.concurrent.Executors.newFixedThreadPool(4);
        try {
            for (int round = 0; round < 500; round++) {
                String key = "k" + round;
                java.util.concurrent.atomic.AtomicInteger runs = new java.util.concurrent.atomic.AtomicInteger();
                java.util.concurrent.Callable<Integer> caller = () -> cache.get(key, some -> runs.incrementAndGet());
                for (java.util.concurrent.Future<Integer> one : callers.invokeAll(java.util.Collections.nCopies(4, caller))) {
                    assertEquals(1, one.get());
                }
            }
        } finally {
            callers.shutdownNow();
        }
    }

    @Test
    void failuresAndStaleValuesAreAsWithAServer() {
        MovableClock clock = new MovableClock();
        HotplateCache<Integer> cache = numbers(clock);
        int[] runs = {0};
        Loader<Integer> fails = key -> {
            runs[0]++;
            throw new IllegalStateException("no");
        };
        ComputeOptions remembers = ComputeOptions.DEFAULT.rememberFailure(Ttl.seconds(60));
        for (int caller = 0; caller < 3; caller++) {
            HotplateException told =
                    assertThrows(HotplateException.class, () -> cache.get("f", fails, remembers));
            assertEquals(ErrorKind.COMPUTE, told.kind());
            assertEquals("no", told.text());
        }
        assertEquals(1, runs[0]);
        ComputeOptions stale = ComputeOptions.ttl(Duration.ofMinutes(1)).staleFor(Duration.ofHours(1));
        assertEquals(1, cache.get("s", key -> 1, stale));
        clock.advance(Duration.ofMinutes(2));
        assertEquals(1, cache.get("s", fails, stale.staleIfError(true)));
        assertEquals(1, cache.get("s", key -> 2, stale.staleWhileRevalidate(true)));
        assertEquals(2, cache.get("s", key -> 3, stale));
        assertThrows(HotplateException.class, () -> cache.invalidate(List.of()));
        CompletableFuture<Integer> computing = new CompletableFuture<>();
        cache.getAsync("given", key -> computing).cancel(true);
        assertTrue(computing.isCancelled());
    }

    @Test
    void theSameKeyElsewhereIsSomethingElse() {
        HotplateCache<Integer> users = hotplate.cache("users", Codec.json(Integer.class));
        HotplateCache<Integer> accounts = hotplate.cache("accounts", Codec.json(Integer.class));
        HotplateCache<Integer> other = new InMemoryHotplate(clock).cache("users", Codec.json(Integer.class));
        assertEquals(3, users.get("1", key -> accounts.get(key, again -> other.get(again, last -> 3))));
    }

    @Test
    void aRenewalMayWaitForOtherThreads() {
        ComputeOptions options = ComputeOptions.ttl(Duration.ofMinutes(1)).staleFor(Duration.ofHours(1)).staleWhileRevalidate(true);
        cache.put("factor", 2);
        cache.get("w", key -> 1, options);
        clock.advance(Duration.ofMinutes(2));
        Loader<Integer> asks =
                key -> CompletableFuture.supplyAsync(() -> cache.get("factor", none -> 0)).get(20, TimeUnit.SECONDS);
        assertEquals(1, cache.get("w", asks, options));
        assertEquals(2, cache.get("w", key -> 3, options));
    }

    @Test
    void aStaleValueThatCannotBeReadLeavesTheFailureAsItIs() {
        cache.withCodec(Codec.text()).put("t", "text");
        CompletableFuture<Integer> failing = cache.getAsync(
                "t",
                key -> CompletableFuture.failedFuture(new IllegalStateException("no")),
                ComputeOptions.DEFAULT.staleIfError(true));
        Exception told = assertThrows(Exception.class, () -> failing.get(20, TimeUnit.SECONDS));
        assertEquals(ErrorKind.COMPUTE, assertInstanceOf(HotplateException.class, told.getCause()).kind());
    }

    @Test
    void anInterruptedComputationIsNoFailureThatIsRemembered() {
        ComputeOptions remembers = ComputeOptions.DEFAULT.rememberFailure(Ttl.seconds(60));
        HotplateException told = assertThrows(HotplateException.class, () -> cache.get("i", key -> {
            throw new InterruptedException();
        }, remembers));
        assertTrue(Thread.interrupted());
        assertEquals(ErrorKind.CANCELLED, told.kind());
        assertEquals(1, cache.get("i", key -> 1, remembers));
    }
}
