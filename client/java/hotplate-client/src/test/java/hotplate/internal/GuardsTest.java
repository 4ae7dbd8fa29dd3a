package hotplate.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Retries, breaker, clock and places for computations, on time that the test moves. */
class GuardsTest {
    private final AtomicLong now = new AtomicLong(1);

    private void pass(long millis) {
        now.addAndGet(millis * 1_000_000);
    }

    private static HotplateException failure(ErrorKind kind) {
        return new HotplateException(kind, "away");
    }

    @Test
    void onlyUnavailableAndRepeatableCallsAreRetriedTwice() {
        HotplateException away = failure(ErrorKind.UNAVAILABLE);
        assertNotNull(Retry.waitBefore(2, true, away));
        assertNotNull(Retry.waitBefore(3, true, away));
        assertNull(Retry.waitBefore(4, true, away));
        assertNull(Retry.waitBefore(2, false, away));
        assertNull(Retry.waitBefore(2, true, away.withReason("TIER_PENDING")));
        for (ErrorKind kind : List.of(ErrorKind.INTERNAL, ErrorKind.DEADLINE_EXCEEDED, ErrorKind.RESOURCE_EXHAUSTED)) {
            assertNull(Retry.waitBefore(2, true, failure(kind)));
        }
        HotplateException asked = new HotplateException(
                ErrorKind.UNAVAILABLE, "", null, null, Duration.ofSeconds(7), java.util.Map.of(), null);
        assertEquals(Duration.ofSeconds(7), Retry.waitBefore(2, true, asked));
    }

    @Test
    void theBudgetStopsRetriesAtHalfAndRefillsSlowly() {
        Retry budget = new Retry();
        int allowed = 0;
        for (int failed = 0; failed < 200; failed++) {
            allowed += budget.failed() ? 1 : 0;
        }
        assertEquals(49, allowed);
        for (int answered = 0; answered < 500; answered++) {
            budget.succeeded();
        }
        assertFalse(budget.failed());
        for (int answered = 0; answered < 20; answered++) {
            budget.succeeded();
        }
        assertTrue(budget.failed());
    }

    @Test
    void theSharedServiceConfigSaysTheSame() throws IOException {
        JsonNode config = new ObjectMapper().readTree(Path.of("..", "..", "service_config.json").toFile());
        JsonNode policy = config.get("methodConfig").get(0).get("retryPolicy");
        assertEquals(Retry.ATTEMPTS_MAX, policy.get("maxAttempts").asInt());
        assertEquals(Retry.BACKOFF_FIRST.toMillis() / 1e3 + "s", policy.get("initialBackoff").asText());
        assertEquals(Retry.BACKOFF_MAX.toMillis() / 1e3 + "s", policy.get("maxBackoff").asText());
        assertEquals(Retry.BACKOFF_MULTIPLIER, policy.get("backoffMultiplier").asInt());
        assertEquals(Retry.BUDGET_TOKENS, config.get("retryThrottling").get("maxTokens").asDouble());
        assertEquals(Retry.BUDGET_RATIO, config.get("retryThrottling").get("tokenRatio").asDouble());
        assertEquals("[\"UNAVAILABLE\"]", policy.get("retryableStatusCodes").toString());
    }

    @Test
    void theBreakerOpensAtTheFifthFailureInARowAndProbes() {
        Breaker breaker = new Breaker(now::get);
        List<Boolean> told = new ArrayList<>();
        breaker.listen(told::add);
        for (int round = 0; round < 3; round++) {
            for (int failed = 1; failed < Breaker.FAILURES_MAX; failed++) {
                breaker.failed();
            }
            assertTrue(breaker.admits() && breaker.available());
            breaker.succeeded();
        }
        for (int failed = 0; failed < 2 * Breaker.FAILURES_MAX; failed++) {
            breaker.failed();
        }
        assertFalse(breaker.available() || breaker.admits());
        pass(790);
        assertFalse(breaker.admits(), "no probe before the shortest interval");
        pass(420);
        assertTrue(breaker.admits(), "a probe after the longest interval");
        assertFalse(breaker.admits(), "only one");
        pass(1_210);
        assertTrue(breaker.admits(), "a probe that never reports back does not block the next");
        breaker.succeeded();
        assertTrue(breaker.available() && breaker.admits() && breaker.admits());
        assertEquals(1, breaker.opened());
        assertEquals(List.of(false, true), told);
    }

    @Test
    void theClockGoesOnWhileTheMachineSleepsAndNeverBack() {
        AtomicLong wall = new AtomicLong(1_000_000);
        BootClock clock = new BootClock(now::get, wall::get);
        long before = clock.now();
        assertTrue(before > 0);
        pass(100);
        wall.addAndGet(100);
        assertEquals(100_000_000, clock.now() - before);
        // It sleeps for an hour: one clock stood still.
        wall.addAndGet(3_600_000);
        long after = clock.now();
        assertEquals(3_600_100, (after - before) / 1_000_000);
        // Somebody sets the clock back, and forward again.
        wall.addAndGet(-7_200_000);
        assertEquals(after, clock.now());
        wall.addAndGet(7_200_000);
        assertTrue(clock.now() >= after);
    }

    @Test
    void nobodyWaitsInACircle() {
        Within waits = new Within();
        assertFalse(waits.enter(1, 1));
        assertTrue(waits.enter(1, 2) && waits.enter(2, 3) && waits.enter(1, 3));
        assertFalse(waits.enter(3, 1));
        waits.leave(2, 3);
        assertFalse(waits.enter(3, 1), "still over one");
        waits.leave(1, 3);
        assertTrue(waits.enter(3, 1));
        waits.leave(3, 1);
        waits.leave(1, 2);
        assertTrue(waits.isEmpty());
    }

    @Test
    void theEndWaitsForAnswersOnTheirWay() throws Exception {
        Flights flights = new Flights(1);
        Flights.Key key = new Flights.Key("n", "k", false, hotplate.Codec.text(), null, false, false);
        CompletableFuture<Flights.Course> asking = new CompletableFuture<>();
        CompletableFuture<String> answer = new CompletableFuture<>();
        CompletableFuture<String> caller = flights.join(key, (course, here) -> {
            assertTrue(course.asks());
            asking.complete(course);
            return answer;
        });
        CompletableFuture<Void> closing = CompletableFuture.runAsync(() -> flights.close(Duration.ofSeconds(60)));
        HotplateException told = (HotplateException)
                org.junit.jupiter.api.Assertions.assertThrows(java.util.concurrent.ExecutionException.class, caller::get).getCause();
        assertEquals("the client was closed", told.text());
        assertFalse(answer.isDone() || closing.isDone());
        AtomicInteger given = new AtomicInteger();
        assertFalse(asking.join().answered(given::incrementAndGet));
        closing.get(60, java.util.concurrent.TimeUnit.SECONDS);
        assertEquals(1, given.get());
        assertTrue(answer.isCancelled());
    }

    @Test
    void placesAreServedInOrderAndNeverLost() {
        Slots slots = new Slots(1);
        CompletableFuture<Runnable> first = slots.take();
        CompletableFuture<Runnable> second = slots.take();
        CompletableFuture<Runnable> third = slots.take();
        assertNull(slots.tryTake());
        slots.leaveUnless(second, null);
        first.join().run();
        first.join().run();
        assertTrue(third.isDone() && !third.isCancelled());
        assertNull(slots.tryTake(), "given back twice is given back once");
        third.join().run();
        Runnable last = slots.tryTake();
        assertNotNull(last);
        last.run();
    }

    @Test
    void givingUpTheLastStepGivesUpTheOneThatRuns() {
        CompletableFuture<Integer> first = new CompletableFuture<>();
        CompletableFuture<Integer> second = new CompletableFuture<>();
        AtomicInteger calls = new AtomicInteger();
        CompletableFuture<Integer> whole = Async.then(first, value -> {
            calls.incrementAndGet();
            return second;
        });
        first.complete(1);
        whole.cancel(true);
        assertTrue(second.isCancelled());
        CompletableFuture<Integer> other = new CompletableFuture<>();
        Async.then(other, value -> second).cancel(true);
        assertTrue(other.isCancelled());
        assertEquals(1, calls.get());
    }

    @Test
    void aLongMessageIsShortenedBetweenCharacters() {
        assertEquals("short", Held.shortened("short"));
        assertEquals(1_023, Held.shortened("x".repeat(1_023) + "é").length());
    }
}
