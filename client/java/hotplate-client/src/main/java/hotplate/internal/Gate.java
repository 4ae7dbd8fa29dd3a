package hotplate.internal;

import hotplate.DegradationCounts;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.MissReason;
import hotplate.OnError;
import hotplate.v1.InvalidateRequest;
import hotplate.v1.InvalidateResponse;
import hotplate.v1.Selector;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;

/**
 * Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered invalidation; what it
 * remembers is carried out before anything is read or written again.
 */
final class Gate {
    private static final System.Logger LOG = System.getLogger("hotplate");
    private static final int SELECTORS_PER_CALL = 128;

    final Breaker breaker = new Breaker(System::nanoTime);
    private final Settings settings;
    private final Calls calls;
    private final ArrayDeque<Waiting> journal = new ArrayDeque<>();
    private boolean replaying;
    private final LongAdder reads = new LongAdder();
    private final LongAdder writes = new LongAdder();
    private final LongAdder queued = new LongAdder();
    private final LongAdder replayed = new LongAdder();

    /** An invalidation that waits for the server. */
    private record Waiting(String namespace, Selector selector) {}

    Gate(Settings settings, Calls calls) {
        this.settings = settings;
        this.calls = calls;
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
            return failure == null ? Async.done(new Attempt<>(answer, null)) : degraded(away, failure);
        });
    }

    /** Tells the breaker whether anyone answered, before the caller hears of it. What was given up says nothing. */
    private void observe(HotplateException failure) {
        ErrorKind kind = failure == null ? null : failure.kind();
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
        boolean direct = pending() == 0 && breaker.admits();
        CompletableFuture<InvalidateResponse> call = direct ? calls.invalidate(request) : Async.failed(wasAway());
        return Async.handle(call, (response, failure) -> {
            if (direct) {
                observe(failure);
            }
            if (failure == null) {
                return Async.done(response);
            }
            if (!goesOnWithout(failure)) {
                return Async.failed(failure);
            }
            remember(request);
            return Async.done(null);
        });
    }

    private void remember(InvalidateRequest request) {
        boolean first;
        synchronized (journal) {
            if (journal.size() + request.getSelectorsCount() > settings.journalMax()) {
                throw new HotplateException(
                                ErrorKind.RESOURCE_EXHAUSTED,
                                "the cache is away and no more invalidations can be remembered: raise `journalMax`")
                        .withReason("JOURNAL_FULL");
            }
            request.getSelectorsList().forEach(one -> journal.add(new Waiting(request.getNamespace(), one)));
            queued.add(request.getSelectorsCount());
            first = !replaying && !journal.isEmpty();
            replaying |= first;
        }
        if (first) {
            calls.threads().work().execute(this::replay);
        }
    }

    /** Invalidations that wait. */
    int pending() {
        synchronized (journal) {
            return journal.size();
        }
    }

    /** Carries out what waits, oldest first, trying once a probe interval while the server is away. */
    private void replay() {
        List<Waiting> batch = nextBatch();
        if (batch.isEmpty()) {
            return;
        }
        replay(batch, batch.size() == 1);
    }

    private void replay(List<Waiting> batch, boolean single) {
        InvalidateRequest.Builder request = InvalidateRequest.newBuilder()
                .setNamespace(batch.get(0).namespace())
                .setReason("made while the server was away")
                .setClientId(settings.clientId());
        batch.forEach(one -> request.addSelectors(one.selector()));
        calls.invalidate(request.build()).whenComplete((response, thrown) -> {
            HotplateException failure = thrown == null ? null : Async.failure(thrown);
            observe(failure);
            if (failure == null) {
                replayed.add(batch.size());
                forget(batch.size());
                next(this::replay);
            } else if (failure.kind().isOutage()) {
                calls.threads().later(Retry.jittered(Breaker.PROBE_INTERVAL), () -> next(this::replay));
            } else if (single) {
                LOG.log(System.Logger.Level.ERROR, "the server refused an invalidation made while it was away: {0}", failure.kind());
                forget(1);
                next(this::replay);
            } else {
                // One bad selector must not take the rest of its batch with it.
                next(() -> replay(batch.subList(0, 1), true));
            }
        });
    }

    private void next(Runnable step) {
        calls.threads().work().execute(step);
    }

    private List<Waiting> nextBatch() {
        List<Waiting> batch = new ArrayList<>();
        synchronized (journal) {
            for (Waiting one : journal) {
                boolean fits = batch.isEmpty() || one.namespace().equals(batch.get(0).namespace());
                if (!fits || batch.size() == SELECTORS_PER_CALL) {
                    break;
                }
                batch.add(one);
            }
            replaying = !batch.isEmpty();
        }
        return batch;
    }

    private void forget(int count) {
        synchronized (journal) {
            for (int gone = 0; gone < count; gone++) {
                journal.poll();
            }
        }
    }

    DegradationCounts counts() {
        return new DegradationCounts(reads.sum(), writes.sum(), queued.sum(), replayed.sum(), breaker.opened());
    }

    boolean disabled() {
        return settings.disabled();
    }
}
