package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.Preload;
import hotplate.v1.CacheServiceGrpc;
import hotplate.v1.PreloadRequest;
import hotplate.v1.PreloadResponse;
import java.time.Duration;

/** A preload job, joined again by its id when its stream is lost. */
final class RemotePreload implements Preload {
    private static final int REJOINS_MAX = 8;
    private static final Duration BACKOFF_FIRST = Duration.ofMillis(50);
    private static final Duration BACKOFF_MAX = Duration.ofSeconds(5);

    private final Calls calls;
    private PreloadRequest request;
    private volatile Exchange<PreloadRequest, PreloadResponse> line;
    private int failures;
    private boolean ended;
    private volatile boolean closed;

    /** Starts nothing before {@link #next}. */
    RemotePreload(Calls calls, PreloadRequest request) {
        this.calls = calls;
        this.request = request.getJobId().isEmpty() ? request.toBuilder().setRequestId(Calls.id()).build() : request;
    }

    @Override
    public PreloadResponse next() {
        while (!ended) {
            try {
                PreloadResponse progress = advance();
                failures = 0;
                ended = progress.getFinished();
                request = request.toBuilder()
                        .clearItems()
                        .clearPinFor()
                        .clearRequestId()
                        .setJobId(progress.getJobId())
                        .build();
                return progress;
            } catch (HotplateException failure) {
                Exchange<PreloadRequest, PreloadResponse> broken = line;
                line = null;
                if (broken != null) {
                    broken.cancel();
                }
                boolean passes = failure.kind().isOutage() && !closed && !Thread.currentThread().isInterrupted();
                if (!passes || ++failures > REJOINS_MAX) {
                    ended = true;
                    throw failure;
                }
                Async.await(calls.threads().sleep(Retry.jittered(Retry.backoff(failures, BACKOFF_FIRST, BACKOFF_MAX))));
            }
        }
        return null;
    }

    private PreloadResponse advance() {
        checkOpen();
        if (line == null) {
            Pool pool = calls.pool();
            line = Exchange.of(calls, pool.forStream(pool.turn()), CacheServiceGrpc.getPreloadMethod(), request);
            checkOpen();
            if (line.awaitOpened(calls.bulkTime()) != Exchange.Wait.READY) {
                throw Statuses.timedOut(calls.bulkTime());
            }
        }
        // A job may take as long as it takes.
        line.await(null);
        PreloadResponse progress = line.take();
        if (progress == null) {
            throw new HotplateException(ErrorKind.UNAVAILABLE, "the server closed the stream");
        }
        return progress;
    }

    private void checkOpen() {
        if (closed) {
            throw new HotplateException(ErrorKind.CANCELLED, "the preload was closed");
        }
    }

    @Override
    public String jobId() {
        return request.getJobId();
    }

    @Override
    public void close() {
        closed = true;
        Exchange<PreloadRequest, PreloadResponse> current = line;
        if (current != null) {
            current.cancel();
        }
    }
}
