package hotplate;

/** What became of an invalidation. */
public sealed interface Invalidated {
    /**
     * Done.
     *
     * @param matched entries selected; an estimate where a set selected many
     */
    record Done(long matched) implements Invalidated {}

    /** The cache is away: remembered, and carried out before this client reads again. */
    record Queued() implements Invalidated {}

    /** The cache is turned off in this process. */
    record Disabled() implements Invalidated {}
}
