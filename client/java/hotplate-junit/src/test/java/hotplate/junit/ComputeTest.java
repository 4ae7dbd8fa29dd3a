package hotplate.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.CacheMode;
import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.ErrorKind;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Lookup;
import hotplate.ReadOptions;
import hotplate.Selector;
import hotplate.Ttl;
import hotplate.WriteOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** One computation for all, whoever gives up, fails or is killed. Leases last a second here. */
@HotplateServer(arguments = {"--leases-duration", "1s"})
class ComputeTest {
    private static Hotplate client(LocalServer server) {
        return Hotplate.builder().url(server.url("compute")).build();
    }

    private static HotplateCache<Integer> numbers(Hotplate hotplate) {
        return hotplate.cache(Codec.json(Integer.class));
    }

    @Test
    void callersOfTwoProcessesAreOneComputation(LocalServer server) throws Exception {
        AtomicInteger runs = new AtomicInteger();
        ExecutorService callers = Executors.newFixedThreadPool(100);
        try (Hotplate one = client(server);
                Hotplate other = client(server)) {
            List<Future<Integer>> all = new ArrayList<>();
            for (int caller = 0; caller < 100; caller++) {
                HotplateCache<Integer> cache = numbers(caller % 2 == 0 ? one : other);
                all.add(callers.submit(() -> cache.get("herd", key -> {
                    runs.incrementAndGet();
                    // Longer than the lease lasts.
                    Thread.sleep(2_500);
                    return 7;
                })));
            }
            for (Future<Integer> some : all) {
                assertEquals(7, some.get());
            }
            assertEquals(1, runs.get());
            assertTrue(numbers(one).exists("herd"));
        } finally {
            callers.shutdownNow();
        }
    }

    @Test
    void cancellingIsTheCallersOwn(LocalServer server) throws Exception {
        try (Hotplate hotplate = client(server)) {
            HotplateCache<Integer> cache = numbers(hotplate);
            CompletableFuture<Integer> computing = new CompletableFuture<>();
            CountDownLatch began = new CountDownLatch(1);
            CompletableFuture<Integer> first = cache.getAsync("own", key -> {
                began.countDown();
                return computing;
            });
            assertTrue(began.await(60, TimeUnit.SECONDS));
            CompletableFuture<Integer> second = cache.getAsync("own", key -> computing);
            first.cancel(true);
            assertFalse(computing.isCancelled());
            computing.complete(3);
            assertEquals(3, second.get(60, TimeUnit.SECONDS));
        }
    }

    @Test
    void theLastToGiveUpInterruptsAndTheLeaseIsFree(LocalServer server) throws Exception {
        try (Hotplate hotplate = client(server);
                Hotplate other = client(server)) {
            CountDownLatch began = new CountDownLatch(1);
            CountDownLatch interrupted = new CountDownLatch(1);
            AtomicBoolean stays = new AtomicBoolean();
            Thread caller = new Thread(() -> {
                HotplateException given = assertThrows(HotplateException.class, () -> numbers(hotplate).get("given", key -> {
                    began.countDown();
                    try {
                        Thread.sleep(600_000);
                    } catch (InterruptedException end) {
                        interrupted.countDown();
                    }
                    return 1;
                }));
                stays.set(given.kind() == ErrorKind.CANCELLED && Thread.currentThread().isInterrupted());
            });
            caller.start();
            assertTrue(began.await(60, TimeUnit.SECONDS));
            caller.interrupt();
            caller.join(60_000);
            assertTrue(stays.get());
            assertTrue(interrupted.await(60, TimeUnit.SECONDS));
            assertEquals(2, numbers(other).get("given", key -> 2));
        }
    }

    @Test
    void aFailureIsToldWithItsCauseAndRememberedWhereAsked(LocalServer server) {
        try (Hotplate hotplate = client(server);
                Hotplate other = client(server)) {
            IllegalStateException cause = new IllegalStateException("no data");
            ComputeOptions remembers = ComputeOptions.DEFAULT.rememberFailure(Ttl.seconds(60));
            HotplateException own = assertThrows(
                    HotplateException.class,
                    () -> numbers(hotplate).get("fails", key -> {
                        throw cause;
                    }, remembers));
            assertEquals(ErrorKind.COMPUTE, own.kind());
            assertSame(cause, own.getCause() instanceof HotplateException inner ? inner.getCause() : own.getCause());
            HotplateException told = assertThrows(HotplateException.class, () -> untilRemembered(other));
            assertEquals("no data", told.text());
            assertTrue(told.isReason("COMPUTE_FAILED"));
            HotplateException panic = assertThrows(
                    HotplateException.class,
                    () -> numbers(hotplate).get("panics", key -> {
                        throw new AssertionError("secret");
                    }));
            assertFalse(panic.toString().contains("secret"));
            assertInstanceOf(AssertionError.class, panic.getCause());
        }
    }

    /** The lease is given back behind the caller's back. */
    private static void untilRemembered(Hotplate hotplate) throws Exception {
        Until.holds("the failure is remembered", () -> numbers(hotplate).lookup("fails") instanceof Lookup.Negative);
        numbers(hotplate).get("fails", key -> 1);
    }

    @Test
    void whatAsksForItselfIsAnErrorAndWhatAsksForAnotherIsNot(LocalServer server) {
        try (Hotplate hotplate =
                Hotplate.builder().url(server.url("nested")).computationsMax(1).build()) {
            HotplateCache<Integer> cache = numbers(hotplate);
            assertEquals(6, cache.get("outer", key -> 2 * cache.get("inner", inner -> 3)));
            HotplateException circle = assertThrows(
                    HotplateException.class,
                    () -> cache.get("circle", key -> cache.get("way", way -> cache.get("circle", again -> 1))));
            assertEquals(ErrorKind.COMPUTE, circle.kind());
            assertTrue(circle.text().contains("wait for ever"), circle.text());
        }
    }

    @Test
    void staleIsServedAndRenewedBehind(LocalServer server) throws Exception {
        try (Hotplate hotplate = client(server)) {
            HotplateCache<Integer> cache = numbers(hotplate);
            ComputeOptions options = ComputeOptions.ttl(Duration.ofHours(1))
                    .staleFor(Duration.ofHours(1))
                    .staleWhileRevalidate(true);
            assertEquals(1, cache.get("stale", key -> 1, options));
            cache.markStale(List.of(Selector.key("stale")), null);
            assertEquals(1, cache.get("stale", key -> 2, options));
            Until.holds("it is renewed", () -> cache.lookup("stale").toOptional().orElse(0) == 2);
            cache.markStale(List.of(Selector.key("stale")), null);
            assertEquals(2, cache.get("stale", key -> {
                throw new IllegalStateException("no data");
            }, options));
            Until.holds(
                    "why it was not renewed is beside it",
                    () -> cache.lookup("stale", ReadOptions.DEFAULT.acceptingStale()) instanceof Lookup.Hit<Integer> hit
                            && "COMPUTE_FAILED".equals(hit.refreshFailure()));
        }
    }

    @Test
    void modesDoWhatTheySay(LocalServer server) {
        try (Hotplate hotplate = client(server)) {
            HotplateCache<Integer> cache = numbers(hotplate);
            ComputeOptions only = ComputeOptions.DEFAULT.mode(CacheMode.ONLY);
            HotplateException absent =
                    assertThrows(HotplateException.class, () -> cache.get("mode", key -> 1, only));
            assertTrue(absent.isReason("NOT_CACHED"));
            assertEquals(1, cache.get("mode", key -> 1, ComputeOptions.DEFAULT.mode(CacheMode.BYPASS)));
            assertFalse(cache.exists("mode"));
            assertEquals(2, cache.get("mode", key -> 2, ComputeOptions.DEFAULT.mode(CacheMode.REFRESH)));
            assertEquals(2, cache.get("mode", key -> 3, only));
        }
    }

    @Test
    void whatWasInvalidatedMeanwhileIsNotStored(LocalServer server) {
        try (Hotplate hotplate = client(server);
                Hotplate other = client(server)) {
            HotplateCache<Integer> cache = numbers(hotplate);
            int own = cache.get("outdated", key -> {
                numbers(other).remove("outdated");
                return 1;
            });
            assertEquals(1, own);
            assertFalse(cache.exists("outdated"));
        }
    }

    @Test
    void closingEndsWhatRunsAndItsThreads(LocalServer server) throws Exception {
        Hotplate hotplate = client(server);
        CountDownLatch began = new CountDownLatch(1);
        CompletableFuture<Integer> forever = new CompletableFuture<>();
        CompletableFuture<Integer> caller = numbers(hotplate).getAsync("closed", key -> {
            began.countDown();
            return forever;
        });
        assertTrue(began.await(60, TimeUnit.SECONDS));
        hotplate.close();
        assertTrue(forever.isCancelled());
        Exception end = assertThrows(Exception.class, () -> caller.get(60, TimeUnit.SECONDS));
        assertInstanceOf(HotplateException.class, end.getCause());
        try (Hotplate other = client(server)) {
            assertEquals(5, numbers(other).get("closed", key -> 5));
        }
        numbersAreRefused(hotplate);
    }

    private static void numbersAreRefused(Hotplate closed) {
        HotplateException refused =
                assertThrows(HotplateException.class, () -> numbers(closed).get("closed", key -> 1));
        assertEquals(ErrorKind.CANCELLED, refused.kind());
        assertThrows(HotplateException.class, () -> numbers(closed).put("closed", 1, WriteOptions.DEFAULT));
    }
}
