package hotplate.internal;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Knows whether the cache is worth asking: after a run of failures calls are refused at once, and one at a time is let through to
 * find out whether it is back.
 */
public final class Breaker {
    /** Failures in a row after which the cache counts as away. */
    public static final int FAILURES_MAX = 5;
    /** Time between two calls that are let through while it is away, before jitter. */
    public static final Duration PROBE_INTERVAL = Duration.ofSeconds(1);

    private final LongSupplier clock;
    private final List<Consumer<Boolean>> listeners = new ArrayList<>();
    private int failures;
    private boolean away;
    private long probeAt;
    private long opened;

    /**
     * The cache counts as there.
     *
     * @param clock nanoseconds that only grow
     */
    public Breaker(LongSupplier clock) {
        this.clock = clock;
    }

    /**
     * Whether a call may go out now. While away, one call a probe interval may; it need not report back, so a caller that gives up
     * leaves nothing stuck.
     */
    public synchronized boolean admits() {
        if (!away) {
            return true;
        }
        if (clock.getAsLong() - probeAt < 0) {
            return false;
        }
        probeAt = nextProbe();
        return true;
    }

    /** Records an answer, whatever it said. */
    public void succeeded() {
        synchronized (this) {
            failures = 0;
            if (!away) {
                return;
            }
            away = false;
        }
        tell();
    }

    /** Records that no answer came. */
    public void failed() {
        synchronized (this) {
            failures++;
            if (failures < FAILURES_MAX) {
                return;
            }
            probeAt = nextProbe();
            if (away) {
                return;
            }
            away = true;
            opened++;
        }
        tell();
    }

    private void tell() {
        List<Consumer<Boolean>> all;
        boolean there;
        synchronized (this) {
            all = List.copyOf(listeners);
            there = !away;
        }
        all.forEach(listener -> listener.accept(there));
    }

    /** Tells each change of {@link #available}. */
    public synchronized AutoCloseable listen(Consumer<Boolean> listener) {
        listeners.add(listener);
        return () -> {
            synchronized (this) {
                listeners.remove(listener);
            }
        };
    }

    /** Whether the cache counts as there. */
    public synchronized boolean available() {
        return !away;
    }

    /** Times the cache was found to be away. */
    public synchronized long opened() {
        return opened;
    }

    private long nextProbe() {
        return clock.getAsLong() + Retry.jittered(PROBE_INTERVAL).toNanos();
    }
}
