package hotplate;

import java.util.concurrent.Callable;

/**
 * Is told of each operation of a client from its beginning to its end, as spans need it; {@link CacheMetrics} only counts. It hears neither
 * keys nor values. Called on the callers' and the client's threads: must be quick and must not throw.
 * {@code hotplate.opentelemetry.OpenTelemetrySpans} makes spans of it.
 */
@FunctionalInterface
public interface Telemetry {
    /** Tells nobody. */
    Telemetry NONE = (name, namespace) -> Operation.NONE;

    /**
     * An operation begins, on the thread of its caller.
     *
     * @param name as every language names it, such as {@code get} or {@code get_or_compute}
     * @param namespace what it is about
     */
    Operation begin(String name, String namespace);

    /** One operation. */
    interface Operation {
        /** One that nobody is told of. */
        Operation NONE = new Operation() {};

        /** A read of one key found this; {@code near} is whether the process answered it by itself, {@code tier} is UNKNOWN where it is not known. */
        default void found(boolean hit, Tier tier, boolean near) {}

        /** Runs what the operation computes as a part of it, on whatever thread that is. */
        default <T> T within(Callable<T> work) throws Exception {
            return work.call();
        }

        /**
         * It has ended. Told once.
         *
         * @param result what came of it in a word: {@code hit}, {@code stale}, {@code negative}, {@code miss}, {@code stored}, {@code done}, …,
         *     or the kind of its failure in lower case
         * @param failed whether it failed
         */
        default void end(String result, boolean failed) {}
    }
}
