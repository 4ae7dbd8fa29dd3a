package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.nio.channels.ClosedByInterruptException;

/** Computations that were ended by an interrupt, which says nothing of what they compute. */
public final class Interruptions {
    private static final int CAUSES_MAX = 32;

    private Interruptions() {}

    /** Whether an interrupt is what it came from, however wrapped. */
    public static boolean ended(Throwable thrown) {
        Throwable cause = thrown;
        for (int depth = 0; cause != null && depth < CAUSES_MAX; depth++) {
            if (cause instanceof InterruptedException || cause instanceof ClosedByInterruptException) {
                return true;
            }
            cause = cause.getCause();
        }
        return false;
    }

    /** What its callers are told. */
    public static HotplateException cancelled(Throwable cause) {
        return new HotplateException(ErrorKind.CANCELLED, "the computation was interrupted", cause);
    }
}
