package hotplate;

/** How one call of {@link HotplateCache#get(CharSequence, Loader, ComputeOptions)} uses the cache. */
public enum CacheMode {
    /** Reads, computes on a miss, stores. */
    USE,
    /** Computes; neither reads nor stores. */
    BYPASS,
    /** Computes and stores; does not read. */
    REFRESH,
    /** Reads; never computes. A miss is an error of kind NOT_FOUND with reason {@code NOT_CACHED}. */
    ONLY
}
