package hotplate;

import java.time.Duration;

/**
 * What a near cache did and holds.
 *
 * @param hits reads answered from this process
 * @param misses reads that went to the server
 * @param admitted answers that were kept
 * @param refused answers that were not, by why
 * @param invalidated copies dropped because they, or a set they belong to, changed, and by this client's own writes
 * @param evicted copies that made room for others
 * @param distrusted copies dropped because changes were lost
 * @param revalidated of those, copies that the server then confirmed
 * @param losses times the stream of changes was lost
 * @param entries copies held now
 * @param bytes bytes counted for them
 * @param followed keys followed now; zero unless it follows single keys
 * @param serving whether the stream is there and has caught up, and progress is recent
 * @param progressAge time since the server was last heard; null before the first time
 */
public record NearStats(
        long hits,
        long misses,
        long admitted,
        Refusals refused,
        long invalidated,
        long evicted,
        long distrusted,
        long revalidated,
        long losses,
        long entries,
        long bytes,
        long followed,
        boolean serving,
        Duration progressAge) {
    /**
     * Why answers were not kept.
     *
     * @param notSynced the stream of changes was away or had not caught up
     * @param otherHistory they came from another server, or from before its restart
     * @param overtaken what they say changed while they were on their way
     * @param ownWrite this client wrote the same while they were on their way
     * @param notFollowed their key is not followed, or not yet
     * @param dependent they were made from others; see {@link NearOptions#keepDependents()}
     * @param tooLarge they do not fit
     */
    public record Refusals(
            long notSynced,
            long otherHistory,
            long overtaken,
            long ownWrite,
            long notFollowed,
            long dependent,
            long tooLarge) {}
}
