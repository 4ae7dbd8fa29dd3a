package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.time.Duration;

/** How often in a row the transfer of a large value failed, and whether it goes on. */
final class Failures {
    /** Failures at one server after which another is tried, where there is one. */
    static final int PER_SERVER = 3;
    /** Reason of what arrived otherwise than it was sent. */
    static final String DAMAGED = "CHUNK_DAMAGED";

    private static final int MAX = 8;
    private static final Duration PAUSE_FIRST = Duration.ofMillis(50);
    private static final Duration PAUSE_MAX = Duration.ofSeconds(2);

    private int inARow;

    /** Something arrived. */
    void progress() {
        inARow = 0;
    }

    /** Whether it is time to try another server. */
    boolean wantAnother() {
        return inARow % PER_SERVER == 0;
    }

    /** Counts a failure; the one that is too many is thrown. */
    void count(HotplateException failure) {
        if (++inARow > MAX) {
            throw failure;
        }
    }

    /** Waits before the next try, or throws the failure when there is none. */
    void pause(Calls calls, HotplateException failure) {
        if (!isInterruption(failure) || calls.pool().isClosed() || Thread.currentThread().isInterrupted()) {
            throw failure;
        }
        count(failure);
        Duration own = Retry.jittered(Retry.backoff(inARow, PAUSE_FIRST, PAUSE_MAX));
        Duration asked = failure.retryAfter().orElse(own);
        Duration wait = asked.compareTo(own) > 0 ? asked : own;
        if (wait.compareTo(calls.bulkTime()) > 0) {
            throw failure;
        }
        Async.await(calls.threads().sleep(wait));
    }

    /**
     * Whether a stream that ended like this may go on in another one. Only this client knows the name of its upload: what took it over was its
     * own older stream, delivered late.
     */
    static boolean isInterruption(HotplateException failure) {
        return switch (failure.kind()) {
            case UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED -> true;
            case RESOURCE_EXHAUSTED -> failure.retryAfter().isPresent();
            case INTERNAL -> failure.isReason(DAMAGED);
            case FAILED_PRECONDITION -> failure.isReason("UPLOAD_TAKEN_OVER");
            default -> false;
        };
    }

    static HotplateException damaged(String what) {
        return new HotplateException(ErrorKind.INTERNAL, what).withReason(DAMAGED);
    }
}
