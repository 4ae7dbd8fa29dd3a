package hotplate.internal.near;

import hotplate.v1.LogPosition;
import hotplate.v1.WatchEvent;

/**
 * One change that the stream told.
 *
 * @param epoch one unbroken history
 * @param log where it is
 * @param number where in that log
 * @param what what changed
 */
record Change(long epoch, int log, long number, NearSet what) {
    static Change of(WatchEvent event) throws TooLate {
        LogPosition at = event.getPosition();
        if (!event.hasPosition() || at.getLog() < 0 || at.getLog() >= Rule.LOGS) {
            throw new TooLate();
        }
        NearSet what;
        if (event.hasSelector()) {
            what = NearSet.of(event.getSelector());
        } else {
            what = event.getKey().isEmpty() ? new NearSet.Everything() : NearSet.key(event.getKey());
        }
        return new Change(at.getEpoch(), at.getLog(), at.getNumber(), what);
    }

    /** Whether something with this stamp does not reflect this change. Numbers are unsigned. */
    boolean overtakes(Stamp stamp) {
        if (log == Rule.SET_LOG) {
            return Long.compareUnsigned(number, stamp.set()) > 0;
        }
        return log == stamp.log() && Long.compareUnsigned(number, stamp.key()) > 0;
    }
}
