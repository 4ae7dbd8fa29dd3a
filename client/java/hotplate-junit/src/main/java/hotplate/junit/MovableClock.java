package hotplate.junit;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/** Time that passes only when it is told to. */
public final class MovableClock {
    private final AtomicLong nanos = new AtomicLong();

    /** Begins at zero. */
    public MovableClock() {}

    /** Moves on. */
    public void advance(Duration duration) {
        nanos.addAndGet(duration.toNanos());
    }

    long nanos() {
        return nanos.get();
    }
}
