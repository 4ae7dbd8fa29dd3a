package hotplate;

/**
 * How often a client went on without the cache, since it was made.
 *
 * @param readsWithoutCache reads that were misses because the cache was away
 * @param writesDropped writes that were dropped
 * @param invalidationsQueued invalidations that were remembered for later
 * @param invalidationsReplayed remembered invalidations that were carried out
 * @param outages times the cache was found to be away
 */
public record DegradationCounts(
        long readsWithoutCache,
        long writesDropped,
        long invalidationsQueued,
        long invalidationsReplayed,
        long outages) {}
