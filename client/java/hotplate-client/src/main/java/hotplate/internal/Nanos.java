package hotplate.internal;

import java.time.Duration;

/** Durations as nanoseconds to reckon with: what is longer than the clock can count is as long as it can. */
final class Nanos {
    /** Some 73 years: may be added to a moment without overflow. */
    private static final Duration MAX = Duration.ofNanos(Long.MAX_VALUE / 4);

    private Nanos() {}

    static long of(Duration duration) {
        return duration.compareTo(MAX) > 0 ? MAX.toNanos() : Math.max(0, duration.toNanos());
    }
}
