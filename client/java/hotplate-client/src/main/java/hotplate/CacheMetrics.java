package hotplate;

/**
 * Is told what a client does, so that it can be counted. Called on the callers' and the client's threads: must be quick and must not
 * throw. {@code hotplate.micrometer.MicrometerMetrics} counts under the names that boards for caches in the JVM know.
 */
public interface CacheMetrics {
    /** Counts nothing. */
    CacheMetrics NONE = new CacheMetrics() {};

    /** A read of one key was answered. */
    default void read(String namespace, boolean hit, boolean near) {}

    /** A value was stored. */
    default void stored(String namespace) {}

    /** Something was invalidated. */
    default void invalidated(String namespace) {}

    /** A value was computed here, and took so long. */
    default void computed(String namespace, long nanoseconds, boolean failed) {}
}
