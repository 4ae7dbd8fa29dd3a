package hotplate;

/** What typed reads and writes do when the cache is away. */
public enum OnError {
    /**
     * A read is a miss with its reason, a write is dropped and counted, an invalidation is remembered. The default: a cache is
     * never load-bearing.
     */
    MISS,
    /** The failure is thrown. */
    RAISE
}
