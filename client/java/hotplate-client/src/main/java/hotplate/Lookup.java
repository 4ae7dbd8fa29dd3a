package hotplate;

import java.time.Duration;
import java.util.Optional;

/**
 * What a read found.
 *
 * @param <V> type of the values
 */
public sealed interface Lookup<V> permits Lookup.Hit, Lookup.Negative, Lookup.Miss {
    /**
     * A value with what is known about it.
     *
     * @param value the value; null where null was stored
     * @param stale whether it is past its TTL
     * @param near whether it was kept in this process, and the server was not asked
     * @param tier the tier that held it
     * @param age time since it was stored or last confirmed
     * @param freshFor time for which it stays fresh; zero when stale
     * @param usableFor time for which it may be used at all
     * @param etag its version, for conditional writes: equal content has an equal one
     * @param refreshFailure why computing it anew failed, where that was tried last and the value stayed: a short reason for programs, such as
     *     {@code COMPUTE_FAILED}; null otherwise
     */
    record Hit<V>(
            V value,
            boolean stale,
            boolean near,
            Tier tier,
            Duration age,
            Duration freshFor,
            Duration usableFor,
            String etag,
            String refreshFailure)
            implements Lookup<V> {}

    /**
     * A remembered absence or failure.
     *
     * @param reason for programs, such as {@code NOT_FOUND}
     * @param message for people
     * @param freshFor time for which it stays fresh
     */
    record Negative<V>(String reason, String message, Duration freshFor) implements Lookup<V> {}

    /**
     * Nothing that may be used.
     *
     * @param reason why
     */
    record Miss<V>(MissReason reason) implements Lookup<V> {}

    /** Whether there is a value. */
    default boolean isHit() {
        return this instanceof Hit;
    }

    /** The value, when there is one that is not null. */
    default Optional<V> toOptional() {
        return this instanceof Hit<V> hit ? Optional.ofNullable(hit.value()) : Optional.empty();
    }
}
