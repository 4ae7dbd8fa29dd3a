package hotplate;

/** What became of a write. */
public sealed interface Written {
    /**
     * Stored.
     *
     * @param etag the entry's version
     */
    record Stored(String etag) implements Written {}

    /**
     * The same content was there: its lifetime was renewed.
     *
     * @param etag the entry's version
     */
    record Refreshed(String etag) implements Written {}

    /**
     * The condition does not hold; nothing changed.
     *
     * @param etag the version of the entry in the way; null when there is none
     */
    record PreconditionFailed(String etag) implements Written {}

    /**
     * It cannot fit.
     *
     * @param reason why, and what would change it
     */
    record NotAdmitted(String reason) implements Written {}

    /**
     * The cache is away or turned off: dropped and counted.
     *
     * @param reason which of both
     */
    record Dropped(MissReason reason) implements Written {}

    /** Whether the value is in the cache now. */
    default boolean isStored() {
        return this instanceof Stored || this instanceof Refreshed;
    }
}
