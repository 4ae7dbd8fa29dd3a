package hotplate;

import java.time.Duration;

/**
 * The timeouts of a client. Pick the one for the place it runs in.
 *
 * @param connectTimeout to establish a connection, TLS included
 * @param callTimeout for a call on one key, retries included; for a stream, to be opened
 * @param bulkTimeout for a call on many entries (batches, listings, invalidations, statistics), retries included
 */
public record Profile(Duration connectTimeout, Duration callTimeout, Duration bulkTimeout) {
    /** A developer's machine, with debuggers and cold starts: 2 s, 5 s, 15 s. The default. */
    public static final Profile LOCAL = of(2_000, 5_000, 15_000);
    /** A service next to its cache: 500 ms, 1 s, 5 s. */
    public static final Profile IN_CLUSTER = of(500, 1_000, 5_000);
    /** A service that would rather compute than wait: 250 ms, 250 ms, 1 s. */
    public static final Profile LOW_LATENCY = of(250, 250, 1_000);
    /** Jobs that move much and wait long: 10 s, 30 s, 120 s. */
    public static final Profile BATCH = of(10_000, 30_000, 120_000);

    private static Profile of(long connect, long call, long bulk) {
        return new Profile(Duration.ofMillis(connect), Duration.ofMillis(call), Duration.ofMillis(bulk));
    }

    /**
     * The profile with this name: {@code local}, {@code in_cluster}, {@code low_latency} or {@code batch}.
     *
     * @throws HotplateException CONFIGURATION for any other name
     */
    public static Profile named(String name) {
        return switch (name) {
            case "local" -> LOCAL;
            case "in_cluster" -> IN_CLUSTER;
            case "low_latency" -> LOW_LATENCY;
            case "batch" -> BATCH;
            default -> throw HotplateException.configuration(
                    "unknown profile: use `local`, `in_cluster`, `low_latency` or `batch`");
        };
    }

    /** The same with this deadline for every call. */
    public Profile withTimeout(Duration timeout) {
        return new Profile(connectTimeout, timeout, timeout);
    }
}
