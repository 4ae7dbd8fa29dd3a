package hotplate.internal;

import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * Time that goes on while the machine sleeps, and never goes back: what was known before a sleep is old after it. Java's own
 * monotonic clock stops during sleep on some platforms, its wall clock can be set; this one is the first, moved on by what the
 * second gained on it at once.
 */
public final class BootClock {
    private static final long JUMP_NANOS = Duration.ofMillis(500).toNanos();

    private final LongSupplier monotonic;
    private final LongSupplier wall;
    private final long began;
    private volatile long ahead;
    private volatile long slept;

    /** The platform's clocks. */
    public BootClock() {
        this(System::nanoTime, System::currentTimeMillis);
    }

    BootClock(LongSupplier monotonicNanos, LongSupplier wallMillis) {
        monotonic = monotonicNanos;
        wall = wallMillis;
        // Never zero: zero means never.
        began = monotonicNanos.getAsLong() - Duration.ofSeconds(1).toNanos();
        ahead = gained();
    }

    /** Nanoseconds since a moment before this clock was made. */
    public long now() {
        long gained = gained() - ahead;
        if (gained > JUMP_NANOS || gained < -JUMP_NANOS) {
            jumped();
        }
        return monotonic.getAsLong() - began + slept;
    }

    private long gained() {
        return wall.getAsLong() * 1_000_000 - monotonic.getAsLong();
    }

    /** A sleep, or a clock that was set forward, cannot be told apart: both make what is known old. */
    private synchronized void jumped() {
        long gained = gained();
        if (gained > ahead) {
            slept += gained - ahead;
        }
        ahead = gained;
    }
}
