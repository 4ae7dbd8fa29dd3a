package hotplate.internal.near;

import hotplate.v1.LogPosition;
import hotplate.v1.Position;

/**
 * How current an answer is: where the log of its key and the log of sets were when it was found valid.
 *
 * @param epoch one unbroken history
 * @param log the log of its key
 * @param key the number in that log
 * @param set the number in the log of sets
 */
public record Stamp(long epoch, int log, long key, long set) {
    /** How current an answer is; null when it does not say so for its key and for sets. */
    public static Stamp of(Position asOf) {
        if (asOf.getLogsCount() != 2) {
            return null;
        }
        LogPosition key = asOf.getLogs(0);
        LogPosition set = asOf.getLogs(1);
        boolean whole = key.getLog() >= 0
                && key.getLog() < Rule.SET_LOG
                && set.getLog() == Rule.SET_LOG
                && key.getEpoch() == set.getEpoch();
        return whole ? new Stamp(key.getEpoch(), key.getLog(), key.getNumber(), set.getNumber()) : null;
    }
}
