package hotplate;

import java.time.Duration;

/**
 * What a read accepts. Immutable: each call gives new options.
 *
 * @param acceptStale also stale values, which the caller means to renew
 * @param maxAge nothing older than this; null: of any age
 * @param peek looks without touching recency, idle time or statistics
 * @param slowestTier looks no further than in this tier of the server; UNKNOWN: in all
 */
public record ReadOptions(boolean acceptStale, Duration maxAge, boolean peek, Tier slowestTier) {
    /** Fresh values of any age. */
    public static final ReadOptions DEFAULT = new ReadOptions(false, null, false, Tier.UNKNOWN);

    /** Also stale values. */
    public ReadOptions acceptingStale() {
        return new ReadOptions(true, maxAge, peek, slowestTier);
    }

    /** Nothing older than this. */
    public ReadOptions maxAge(Duration age) {
        return new ReadOptions(acceptStale, age, peek, slowestTier);
    }

    /** Leaves no trace, and always asks the server. */
    public ReadOptions peeking() {
        return new ReadOptions(acceptStale, maxAge, true, slowestTier);
    }

    /** With MEMORY no answer waits for a disk or a network. */
    public ReadOptions slowestTier(Tier tier) {
        return new ReadOptions(acceptStale, maxAge, peek, tier);
    }
}
