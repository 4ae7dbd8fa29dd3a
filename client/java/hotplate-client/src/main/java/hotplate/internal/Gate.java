package hotplate.internal;

import hotplate.DegradationCounts;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.MissReason;
import hotplate.OnError;
import hotplate.v1.InvalidateRequest;
import hotplate.v1.InvalidateResponse;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;

/**
 * Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered invalidation; what it
 * remembers is carried out before anything is read or written again: see {@link Journal}.
 */
final class Gate {
    private static final System.Logger LOG = System.getLogger("hotplate");

    final Breaker breaker = new Breaker(System::nanoTime);
    private final Settings settings;
    private final Calls calls;
    private final Journal journal;
    private volatile boolean closed;
    private final LongAdder reads = new LongAdder();
    private final LongAdder writes = new LongAdder();

    Gate(Settings settings, Calls calls) {
        this.settings = settings;
        this.calls = calls;
        this.journal = new Journal(settings, calls, this::observe);
    }

    Journal journal() {
        return journal;
    }

    /** A read; its absence is counted. */
    <A> CompletableFuture<Attempt<A>> read(Supplier<CompletableFuture<A>> call) {
        return counted(reads, call);
    }

    /** A write; its absence is counted. */
    <A> CompletableFuture<Attempt<A>> write(Supplier<CompletableFuture<A>> call) {
        return counted(writes, call);
    }

    private <A> CompletableFuture<Attempt<A>> counted(LongAdder away, Supplier<CompletableFuture<A>> call) {
        if (closed) {
            return Async.failed(Threads.closed());
        }
        if (settings.disabled()) {
            away.increment();
            return Async.done(new Attempt<>(null, MissReason.DISABLED));
        }
        // What this client invalidated may still be stored: reading it would undo the invalidation.
        if (pending() > 0 || !breaker.admits()) {
            return degraded(away, wasAway());
        }
        return Async.handle(call.get(), (answer, failure) -> {
            observe(failure);
            if (failure != null && closed) {
                return Async.failed(Threads.closed());
            }
            return failure == null ? Async.done(new Attempt<>(answer, null)) : degraded(away, failure);
        });
    }

    /**
     * Tells the breaker whether anyone answered, before the caller hears of it. What was given up, what was never sent and what ended with
     * this client say nothing.
     */
    private void observe(HotplateException failure) {
        ErrorKind kind = failure == null ? null : failure.kind();
        if (failure != null && (failure.isReason(Retry.NOT_SENT) || calls.pool().isClosed())) {
            return;
        }
        boolean silent = kind == ErrorKind.UNAVAILABLE || kind == ErrorKind.DEADLINE_EXCEEDED;
        if (silent && !Retry.isAnswer(failure)) {
            breaker.failed();
        } else {
            breaker.succeeded();
        }
    }

    private <A> CompletableFuture<Attempt<A>> degraded(LongAdder away, HotplateException failure) {
        if (!goesOnWithout(failure)) {
            return Async.failed(failure);
        }
        away.increment();
        boolean late = failure.kind() == ErrorKind.DEADLINE_EXCEEDED;
        return Async.done(new Attempt<>(null, late ? MissReason.TIMEOUT : MissReason.UNAVAILABLE));
    }

    private boolean goesOnWithout(HotplateException failure) {
        return settings.onError() == OnError.MISS && failure.kind().isOutage();
    }

    private static HotplateException wasAway() {
        return new HotplateException(ErrorKind.UNAVAILABLE, "the cache was away a moment ago");
    }

    /** An invalidation; null: it was remembered. */
    CompletableFuture<InvalidateResponse> invalidate(InvalidateRequest request) {
        if (closed) {
            return Async.failed(Threads.closed());
        }
        boolean direct = journal.pending() == 0 && breaker.admits();
        CompletableFuture<InvalidateResponse> call = direct ? calls.invalidate(request) : Async.failed(wasAway());
        return Async.handle(call, (response, failure) -> {
            if (direct) {
                observe(failure);
            }
            if (failure == null) {
                return Async.done(response);
            }
            if (closed) {
                return Async.failed(Threads.closed());
            }
            if (!goesOnWithout(failure)) {
                return Async.failed(failure);
            }
            if (Retry.isAnswer(failure)) {
                // The server did its part. What it still owes others is theirs to wait for, and repeating changes nothing.
                LOG.log(
                        System.Logger.Level.WARNING,
                        "an invalidation is done on its server, and pending in {0}",
                        failure.details().getOrDefault("pending", "a slower tier"));
                return Async.done(InvalidateResponse.getDefaultInstance());
            }
            journal.remember(request);
            return Async.done(null);
        });
    }

    /** Invalidations that wait. */
    int pending() {
        return journal.pending();
    }

    DegradationCounts counts() {
        return new DegradationCounts(reads.sum(), writes.sum(), journal.queued(), journal.replayed(), breaker.opened());
    }

    boolean disabled() {
        return settings.disabled();
    }

    /**
     * For what has no answer without a server.
     *
     * @throws HotplateException FAILED_PRECONDITION where the cache is turned off; CANCELLED when the client was closed
     */
    void needsServer(String what) {
        if (closed) {
            throw Threads.closed();
        }
        if (settings.disabled()) {
            throw new HotplateException(
                    ErrorKind.FAILED_PRECONDITION,
                    "the cache is turned off (HOTPLATE_DISABLE, or `disabled`), and without it there is no " + what);
        }
    }

    boolean isClosed() {
        return closed;
    }

    /** Lets nothing through any more. */
    void close() {
        closed = true;
    }
}
