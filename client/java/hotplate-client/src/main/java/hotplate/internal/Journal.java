package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.v1.InvalidateRequest;
import hotplate.v1.InvalidateResponse;
import hotplate.v1.Selector;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;

/**
 * Invalidations that were made while the server was away: bounded, and carried out oldest first. None of them holds up the others for good.
 * Whether the server is away is decided in {@link Gate}.
 */
final class Journal {
    private static final System.Logger LOG = System.getLogger("hotplate");
    private static final int SELECTORS_PER_CALL = 128;
    /** How often the server may fail at one before it is widened, or dropped. */
    private static final int FAULTS_MAX = 5;

    private static final Duration FAULT_FIRST = Duration.ofMillis(100);

    private final Settings settings;
    private final Calls calls;
    private final Consumer<HotplateException> observe;
    private final ArrayDeque<Waiting> entries = new ArrayDeque<>();
    private final LongAdder queued = new LongAdder();
    private final LongAdder replayed = new LongAdder();
    private volatile int size;
    private boolean replaying;
    private boolean closing;
    /** The call that is under way, with what it is about. */
    private List<Waiting> sent = List.of();

    private CompletableFuture<?> sending = Async.done(null);

    /** An invalidation that waits for the server. */
    private static final class Waiting {
        final String namespace;
        Selector selector;
        /** Whether it goes in a call of its own: one bad selector must not take others with it. */
        boolean alone;

        int faults;
        long notBefore = System.nanoTime();

        Waiting(String namespace, Selector selector) {
            this.namespace = namespace;
            this.selector = selector;
        }
    }

    /** Empty; {@code observe} is told how each call ended, null for an answer. */
    Journal(Settings settings, Calls calls, Consumer<HotplateException> observe) {
        this.settings = settings;
        this.calls = calls;
        this.observe = observe;
    }

    /**
     * Keeps it, to be carried out as soon as the server answers.
     *
     * @throws HotplateException RESOURCE_EXHAUSTED with reason JOURNAL_FULL
     */
    void remember(InvalidateRequest request) {
        boolean begins;
        synchronized (entries) {
            if (entries.size() + request.getSelectorsCount() > settings.journalMax()) {
                throw new HotplateException(
                                ErrorKind.RESOURCE_EXHAUSTED,
                                "the cache is away and no more invalidations can be remembered: raise `journalMax`")
                        .withReason("JOURNAL_FULL");
            }
            request.getSelectorsList().forEach(one -> entries.add(new Waiting(request.getNamespace(), one)));
            queued.add(request.getSelectorsCount());
            size = entries.size();
            begins = !replaying && size > 0;
            replaying |= begins;
        }
        if (begins) {
            next();
        }
    }

    /** Invalidations that wait. */
    int pending() {
        return size;
    }

    /** Invalidations that were remembered so far. */
    long queued() {
        return queued.sum();
    }

    /** Those that were carried out. */
    long replayed() {
        return replayed.sum();
    }

    private void next() {
        calls.threads().work().execute(this::replay);
    }

    /** Carries out what waits, a call at a time. */
    private void replay() {
        List<Waiting> batch;
        CompletableFuture<InvalidateResponse> call;
        synchronized (entries) {
            if (closing) {
                return;
            }
            batch = ready(System.nanoTime());
            replaying = !entries.isEmpty();
            if (batch.isEmpty()) {
                if (replaying) {
                    calls.threads().later(untilReady(), this::next);
                }
                return;
            }
            call = send(batch);
            sent = batch;
            sending = call;
        }
        call.whenComplete((response, thrown) -> {
            HotplateException failure = thrown == null ? null : Async.failure(thrown);
            observe.accept(failure);
            synchronized (entries) {
                sent = List.of();
            }
            if (settle(batch, failure)) {
                next();
            } else {
                calls.threads().later(Retry.jittered(Breaker.PROBE_INTERVAL), this::next);
            }
        });
    }

    /** The oldest that may go in one call. */
    private List<Waiting> ready(long now) {
        List<Waiting> batch = new ArrayList<>();
        for (Waiting one : entries) {
            if (one.notBefore - now > 0) {
                continue;
            }
            boolean fits = batch.isEmpty() || !one.alone && one.namespace.equals(batch.get(0).namespace);
            if (!fits || batch.size() == SELECTORS_PER_CALL) {
                break;
            }
            batch.add(one);
            if (one.alone) {
                break;
            }
        }
        return batch;
    }

    private Duration untilReady() {
        long now = System.nanoTime();
        return entries.stream()
                .map(one -> Duration.ofNanos(Math.max(0, one.notBefore - now)))
                .min(Duration::compareTo)
                .orElse(Duration.ZERO);
    }

    private CompletableFuture<InvalidateResponse> send(List<Waiting> batch) {
        InvalidateRequest.Builder request = InvalidateRequest.newBuilder()
                .setNamespace(batch.get(0).namespace)
                .setReason("made while the server was away")
                .setClientId(settings.clientId());
        synchronized (entries) {
            batch.forEach(one -> request.addSelectors(one.selector));
        }
        return calls.invalidate(request.build());
    }

    /** What becomes of a batch. False: the server is away, and all of it waits. */
    private boolean settle(List<Waiting> batch, HotplateException failure) {
        if (failure == null || Retry.isAnswer(failure)) {
            replayed.add(batch.size());
            forget(batch);
            return true;
        }
        boolean fault = failure.kind() == ErrorKind.INTERNAL;
        if (!fault && failure.kind().isOutage()) {
            return false;
        }
        synchronized (entries) {
            if (batch.size() > 1) {
                batch.forEach(one -> one.alone = true);
                return true;
            }
            Waiting one = batch.get(0);
            if (fault && ++one.faults < FAULTS_MAX) {
                Duration pause = Retry.jittered(Retry.backoff(one.faults, FAULT_FIRST, Breaker.PROBE_INTERVAL));
                one.notBefore = System.nanoTime() + pause.toNanos();
                return true;
            }
            if (fault && !one.selector.getEverything()) {
                LOG.log(
                        System.Logger.Level.ERROR,
                        "the server fails at an invalidation made while it was away: it drops everything of its namespace instead");
                one.selector = Selector.newBuilder().setEverything(true).build();
                one.faults = 0;
                return true;
            }
        }
        LOG.log(
                System.Logger.Level.ERROR,
                "the server refused an invalidation made while it was away, which is dropped: {0}",
                failure.brief());
        forget(batch);
        return true;
    }

    private void forget(List<Waiting> batch) {
        synchronized (entries) {
            batch.forEach(entries::remove);
            size = entries.size();
        }
    }

    /** Tries all that is left once, at the end of the client; what is just being tried has its turn. */
    CompletableFuture<?> lastTry() {
        List<List<Waiting>> batches = new ArrayList<>();
        CompletableFuture<?> current;
        synchronized (entries) {
            closing = true;
            current = sending;
            List<Waiting> batch = new ArrayList<>();
            for (Waiting one : entries) {
                if (sent.contains(one)) {
                    continue;
                }
                boolean fits = batch.isEmpty() || one.namespace.equals(batch.get(0).namespace);
                if (!fits || batch.size() == SELECTORS_PER_CALL) {
                    batches.add(batch);
                    batch = new ArrayList<>();
                }
                batch.add(one);
            }
            if (!batch.isEmpty()) {
                batches.add(batch);
            }
        }
        List<CompletableFuture<?>> all = new ArrayList<>();
        all.add(Async.handle(current, (response, failure) -> Async.done(null)));
        batches.stream()
                .map(batch -> Async.handle(send(batch), (response, failure) -> {
                    if (failure == null || Retry.isAnswer(failure)) {
                        forget(batch);
                    }
                    return Async.done(null);
                }))
                .forEach(all::add);
        return CompletableFuture.allOf(all.toArray(CompletableFuture[]::new));
    }
}
