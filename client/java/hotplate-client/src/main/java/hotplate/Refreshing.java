package hotplate;

/** What became of a refresh. */
public sealed interface Refreshing {
    /**
     * What is selected is marked stale, and is being fetched.
     *
     * @param matched entries selected; an estimate where a set selected many
     * @param refreshing entries that are fetched anew
     * @param job the job that fetches them; empty when there is nothing to fetch
     */
    record Started(long matched, long refreshing, String job) implements Refreshing {}

    /** The cache is away: remembered as an invalidation, and carried out before this client reads again. */
    record Queued() implements Refreshing {}

    /** The cache is turned off in this process. */
    record Disabled() implements Refreshing {}
}
