package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * When a failed call is tried again: how often, how soon, and never more than a share of all calls. The numbers are those of
 * {@code client/service_config.json}, which every client shares; a test compares them.
 */
public final class Retry {
    /** Tries of one call, the first included. */
    public static final int ATTEMPTS_MAX = 3;
    /** Wait before the second try. */
    public static final Duration BACKOFF_FIRST = Duration.ofMillis(20);
    /** Longest wait between tries that the client picks by itself. */
    public static final Duration BACKOFF_MAX = Duration.ofMillis(200);
    /** By what each wait is longer than the one before. */
    public static final int BACKOFF_MULTIPLIER = 2;
    /** Tokens in the budget when all is well; below half nothing is retried. */
    public static final double BUDGET_TOKENS = 100;
    /** Tokens an answer gives back; a failure takes one. */
    public static final double BUDGET_RATIO = 0.1;

    /** Reason of what this client did not send. */
    static final String NOT_SENT = "NOT_SENT";

    private double tokens = BUDGET_TOKENS;

    /** Records a call that the server answered. */
    public synchronized void succeeded() {
        tokens = Math.min(BUDGET_TOKENS, tokens + BUDGET_RATIO);
    }

    /** Records a call that found the server away, and tells whether it may be tried again. */
    public synchronized boolean failed() {
        tokens = Math.max(0, tokens - 1);
        return tokens > BUDGET_TOKENS / 2;
    }

    /** How long to wait before try number {@code next} (2 or more); null when the failure is final. */
    public static Duration waitBefore(int next, boolean safe, HotplateException failure) {
        if (next > ATTEMPTS_MAX || !safe || failure.kind() != ErrorKind.UNAVAILABLE || isAnswer(failure)) {
            return null;
        }
        return failure.retryAfter().orElseGet(() -> jittered(backoff(next - 1, BACKOFF_FIRST, BACKOFF_MAX)));
    }

    /** Whether the server did its part: what is left is done by itself, and asking again at once changes nothing. */
    public static boolean isAnswer(HotplateException failure) {
        return failure.isReason("TIER_PENDING");
    }

    /** The full wait before retry number {@code retry} (1 or more): doubling from {@code first}, never above {@code max}. */
    public static Duration backoff(int retry, Duration first, Duration max) {
        Duration wait = first;
        for (int doubled = 1; doubled < retry && wait.compareTo(max) < 0; doubled++) {
            wait = wait.multipliedBy(BACKOFF_MULTIPLIER);
        }
        return wait.compareTo(max) > 0 ? max : wait;
    }

    /** A random 80 to 120 % of a wait, so that clients that failed together do not come back together. */
    public static Duration jittered(Duration wait) {
        double share = ThreadLocalRandom.current().nextDouble(0.8, 1.2);
        return Duration.ofNanos((long) (Nanos.of(wait) * share));
    }
}
