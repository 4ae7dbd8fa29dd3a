package hotplate.internal.near;

import hotplate.v1.LogPosition;
import hotplate.v1.Position;

/**
 * A number for each log, of one epoch.
 *
 * @param epoch one unbroken history
 * @param numbers by log
 */
record Place(long epoch, long[] numbers) {
    /** The place that a message of the stream names: all its logs are of one epoch. */
    static Place of(Position position) throws TooLate {
        if (position.getLogsCount() == 0) {
            throw new TooLate();
        }
        long epoch = position.getLogs(0).getEpoch();
        long[] numbers = new long[Rule.LOGS];
        for (LogPosition log : position.getLogsList()) {
            if (log.getLog() < 0 || log.getLog() >= Rule.LOGS || log.getEpoch() != epoch) {
                throw new TooLate();
            }
            numbers[log.getLog()] = log.getNumber();
        }
        return new Place(epoch, numbers);
    }
}
