package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.Watch;
import hotplate.WatchItem;
import hotplate.v1.CacheServiceGrpc;
import hotplate.v1.WatchRequest;
import hotplate.v1.WatchResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A watch that resumes by its token, with growing waits between losses. */
public final class RemoteWatch implements Watch {
    private static final Duration BACKOFF_FIRST = Duration.ofMillis(50);
    private static final Duration BACKOFF_MAX = Duration.ofSeconds(5);

    private final Calls calls;
    private final CountDownLatch closed = new CountDownLatch(1);
    private WatchRequest request;
    private volatile Exchange<WatchRequest, WatchResponse> line;
    private boolean open;
    private long opensBy;
    private long opensAt;
    /** Losses in a row since the last message. */
    private int failures;

    private volatile boolean woken;
    private boolean ended;

    /**
     * What comes from a watch, as the contract says it.
     *
     * @param message a message; null for a loss
     * @param lost why the connection was lost, where it was: the watch goes on by itself
     */
    public record Told(WatchResponse message, HotplateException lost) {}

    /** Follows nothing until it is read. */
    public RemoteWatch(Calls calls, WatchRequest request) {
        this.calls = calls;
        this.request = request;
    }

    @Override
    public Optional<WatchItem> next(Duration longest) {
        long ends = longest == null ? 0 : System.nanoTime() + longest.toNanos();
        while (true) {
            Told told = told(longest == null ? null : Duration.ofNanos(Math.max(0, ends - System.nanoTime())));
            if (told == null) {
                return Optional.empty();
            }
            WatchItem item = told.lost() != null ? new WatchItem.Lost(told.lost()) : item(told.message());
            if (item != null) {
                return Optional.of(item);
            }
        }
    }

    /** What an item says; null for one that this client does not know. */
    private static WatchItem item(WatchResponse message) {
        return switch (message.getMessageCase()) {
            case CREATED -> new WatchItem.Created();
            case PRESENT -> new WatchItem.Present(message.getPresent().getEntriesList());
            case SYNCED -> new WatchItem.Synced();
            case EVENTS -> new WatchItem.Events(message.getEvents().getEventsList());
            case PROGRESS -> new WatchItem.Progress();
            case DISCONTINUITY -> new WatchItem.Discontinuity(message.getDiscontinuity().getReason());
            default -> null;
        };
    }

    /**
     * The next message or loss, as the contract says it; null when the time is over, or somebody called {@link #wake}. What is being opened
     * is kept over a wait that is over: who asks in a loop must not open and reset streams in a loop, which servers take for an attack.
     *
     * @throws HotplateException what a reconnection cannot mend
     */
    public Told told(Duration longest) {
        long ends = longest == null ? Long.MAX_VALUE : System.nanoTime() + longest.toNanos();
        while (true) {
            checkOpen();
            if (woken) {
                woken = false;
                return null;
            }
            long now = System.nanoTime();
            if (line == null && failures > 0 && opensAt - now > 0) {
                if (!sleep(longest == null ? opensAt : Math.min(opensAt, ends)) && longest != null && ends - System.nanoTime() <= 0) {
                    return null;
                }
                continue;
            }
            try {
                WatchResponse message = message(longest == null ? Long.MAX_VALUE : ends);
                if (message == null) {
                    return null;
                }
                failures = 0;
                if (!message.getResumeToken().isEmpty()) {
                    // What was there has begun to be told; the token, not a new listing, is what continues it.
                    request = request.toBuilder()
                            .setResumeToken(message.getResumeToken())
                            .setIncludePresent(false)
                            .build();
                }
                return new Told(message, null);
            } catch (HotplateException failure) {
                drop();
                checkOpen();
                if (Thread.currentThread().isInterrupted()) {
                    throw failure;
                }
                if (!failure.kind().isOutage() || calls.pool().isClosed()) {
                    ended = true;
                    throw failure;
                }
                failures++;
                opensAt = System.nanoTime()
                        + Retry.jittered(Retry.backoff(failures, BACKOFF_FIRST, BACKOFF_MAX)).toNanos();
                if (failures == 1) {
                    return new Told(null, failure);
                }
            }
        }
    }

    private void checkOpen() {
        if (closed.getCount() == 0) {
            throw new HotplateException(ErrorKind.CANCELLED, "the watch was closed");
        }
        if (ended) {
            throw new HotplateException(ErrorKind.FAILED_PRECONDITION, "the watch has ended with an error");
        }
    }

    private WatchResponse message(long ends) {
        if (line == null) {
            opensBy = System.nanoTime() + calls.time().toNanos();
            open = false;
            line = Exchange.of(
                    calls, calls.pool().forStream(calls.pool().turn()), CacheServiceGrpc.getWatchMethod(), request);
            // Who closed it meanwhile saw no stream to end: what is thrown here has this one dropped.
            checkOpen();
        }
        long until = open ? ends : Math.min(ends, opensBy);
        Exchange.Wait wait =
                line.await(until == Long.MAX_VALUE ? null : Duration.ofNanos(Math.max(0, until - System.nanoTime())));
        if (wait == Exchange.Wait.READY) {
            WatchResponse message = line.take();
            if (message == null) {
                throw new HotplateException(ErrorKind.UNAVAILABLE, "the server closed the stream");
            }
            open = true;
            return message;
        }
        if (wait == Exchange.Wait.TIMEOUT && !open && opensBy - System.nanoTime() <= 0) {
            throw Statuses.timedOut(calls.time());
        }
        return null;
    }

    /** Whether it slept to its end. Ends early when the watch is closed or somebody calls {@link #wake}. */
    private boolean sleep(long until) {
        try {
            while (!woken) {
                long left = until - System.nanoTime();
                if (left <= 0) {
                    return true;
                }
                if (closed.await(Math.min(left, 50_000_000), TimeUnit.NANOSECONDS)) {
                    return false;
                }
            }
            return false;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new HotplateException(ErrorKind.CANCELLED, "the thread was interrupted while it waited");
        }
    }

    private void drop() {
        Exchange<WatchRequest, WatchResponse> current = line;
        line = null;
        open = false;
        if (current != null) {
            current.cancel();
        }
    }

    /** Has who reads it look up. */
    public void wake() {
        woken = true;
        Exchange<WatchRequest, WatchResponse> current = line;
        if (current != null) {
            current.wake();
        }
    }

    /** Whether a stream is open. */
    public boolean isOpen() {
        return open;
    }

    /** Lets go of the stream. The next one continues after {@code token}, without what {@code exclude} did, with these keys. */
    public void reopen(ByteString token, String exclude, List<String> keys) {
        drop();
        request = request.toBuilder()
                .setResumeToken(token)
                .setExcludeClientId(exclude)
                .clearKeys()
                .addAllKeys(keys)
                .build();
    }

    @Override
    public ByteString resumeToken() {
        return request.getResumeToken();
    }

    @Override
    public Iterator<WatchItem> iterator() {
        return new Iterator<>() {
            private WatchItem ready;

            @Override
            public boolean hasNext() {
                try {
                    while (ready == null) {
                        ready = RemoteWatch.this.next(null).orElse(null);
                    }
                    return true;
                } catch (HotplateException end) {
                    if (closed.getCount() == 0) {
                        return false;
                    }
                    throw end;
                }
            }

            @Override
            public WatchItem next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("the watch was closed");
                }
                WatchItem item = ready;
                ready = null;
                return item;
            }
        };
    }

    @Override
    public void close() {
        closed.countDown();
        Exchange<WatchRequest, WatchResponse> current = line;
        if (current != null) {
            current.cancel();
        }
    }
}
