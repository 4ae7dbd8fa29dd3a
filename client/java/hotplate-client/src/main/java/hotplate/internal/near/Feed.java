package hotplate.internal.near;

import com.google.protobuf.ByteString;
import hotplate.HotplateException;
import hotplate.NearFollow;
import hotplate.NearOptions;
import hotplate.internal.Async;
import hotplate.internal.BootClock;
import hotplate.internal.Calls;
import hotplate.internal.RemoteWatch;
import hotplate.internal.Retry;
import hotplate.internal.Wire;
import hotplate.v1.EventType;
import hotplate.v1.RevalidateItem;
import hotplate.v1.RevalidateRequest;
import hotplate.v1.RevalidateResult;
import hotplate.v1.RevalidateState;
import hotplate.v1.Selector;
import hotplate.v1.UpdateWatchRequest;
import hotplate.v1.WatchRequest;
import hotplate.v1.WatchResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What keeps a near cache in step: follows the changes, tells the server which keys matter, and asks whether what was kept over a gap is still
 * right. Decides nothing about entries.
 */
final class Feed implements Runnable {
    private static final System.Logger LOG = System.getLogger("hotplate");
    /** Wait before a stream that the server refused is opened again. */
    private static final Duration REFUSED_WAIT = Duration.ofSeconds(10);
    /** Keys told, or asked about, in one call. */
    private static final int KEYS_PER_CALL = 100;
    /** First and longest wait before a stream is opened again whose messages cannot be taken in. */
    private static final Duration LATE_FIRST = Duration.ofMillis(50);

    private static final Duration LATE_MAX = Duration.ofSeconds(5);
    /** Wait after a call about keys that failed. */
    private static final Duration TELL_WAIT = Duration.ofMillis(500);
    /** The server tells progress so many times in the longest silence. */
    private static final int PROGRESS_SHARE = 3;

    private final NearCore core;
    private final Calls calls;
    private final BootClock clock;
    private final String namespace;
    private final String clientId;
    private final AtomicInteger toTell = new AtomicInteger();
    private volatile RemoteWatch watch;
    private volatile boolean reopen;
    private final CountDownLatch closed = new CountDownLatch(1);

    /** {@code clientId} is the name this client writes under, where nobody else does; otherwise null: what it writes is told to it, too. */
    Feed(NearCore core, Calls calls, BootClock clock, String namespace, String clientId) {
        this.core = core;
        this.calls = calls;
        this.clock = clock;
        this.namespace = namespace;
        this.clientId = clientId;
    }

    @Override
    public void run() {
        while (isOpen()) {
            try {
                followOne();
            } catch (HotplateException refused) {
                core.lost();
                if (isOpen()) {
                    LOG.log(System.Logger.Level.WARNING, "the near cache is off: the server does not tell what changes: {0}", refused.getMessage());
                    pause(REFUSED_WAIT);
                }
            } catch (RuntimeException | Error fault) {
                // Whatever it is, it must not end this for good without a word.
                core.lost();
                if (isOpen()) {
                    LOG.log(System.Logger.Level.ERROR, "the near cache is off for now, by a fault of its own", fault);
                    pause(REFUSED_WAIT);
                }
            }
        }
    }

    /** The stream has to be opened again. */
    void reopen() {
        reopen = true;
        RemoteWatch open = watch;
        if (open != null) {
            open.wake();
        }
    }

    private boolean isOpen() {
        return closed.getCount() > 0;
    }

    /** Ends it. */
    void close() {
        closed.countDown();
        RemoteWatch open = watch;
        if (open != null) {
            open.close();
        }
    }

    /** Follows until the server refuses to be followed, which is thrown. */
    private void followOne() {
        ByteString token = ByteString.EMPTY;
        int lates = 0;
        Duration silence = core.options().progressMax();
        try (RemoteWatch open = new RemoteWatch(calls, request())) {
            watch = open;
            prepare(open, token);
            while (isOpen()) {
                if (reopen) {
                    reopen = false;
                    prepare(open, token);
                }
                RemoteWatch.Told told = open.told(silence);
                if (told == null && reopen) {
                    continue;
                }
                if (told == null && !open.isOpen()) {
                    continue;
                }
                // A server that is paused, or a line that is cut without a word, ends like one that is closed.
                if (told == null || told.lost() != null) {
                    core.lost();
                    prepare(open, token);
                    continue;
                }
                try {
                    core.take(told.message(), !token.isEmpty(), clock.now());
                    token = open.resumeToken();
                    // That a stream begins does not show that it makes sense.
                    boolean begins = told.message().getMessageCase() == WatchResponse.MessageCase.CREATED;
                    lates = begins ? lates : 0;
                    tell();
                } catch (TooLate late) {
                    core.lost();
                    lates++;
                    pause(Retry.jittered(Retry.backoff(lates, LATE_FIRST, LATE_MAX)));
                    prepare(open, token);
                }
            }
        }
    }

    private WatchRequest request() {
        NearOptions options = core.options();
        WatchRequest.Builder request = WatchRequest.newBuilder()
                .setNamespace(namespace)
                .setProgressInterval(Wire.duration(
                        "progress_interval", options.progressMax().dividedBy(PROGRESS_SHARE)))
                .setFollowKeys(options.follow() instanceof NearFollow.KeptKeys);
        if (options.keepDependents()) {
            // All there are: evictions are not among the usual ones.
            for (EventType type : EventType.values()) {
                if (type != EventType.UNRECOGNIZED && type != EventType.EVENT_TYPE_UNSPECIFIED) {
                    request.addEventTypes(type);
                }
            }
        }
        if (options.follow() instanceof NearFollow.Prefixes some) {
            some.prefixes().forEach(prefix -> request.addSelectors(Selector.newBuilder().setPrefix(prefix)));
        }
        return request.build();
    }

    /** Has the stream opened again, after the last message that was taken in. */
    private void prepare(RemoteWatch open, ByteString token) {
        NearCore.Opening opening = core.opening();
        String exclude = clientId == null || opening.hearsOwn() ? "" : clientId;
        open.reopen(token, exclude, opening.keys() == null ? List.of() : opening.keys());
    }

    private void pause(Duration wait) {
        try {
            closed.await(wait.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException interrupted) {
            // Only the end of the client interrupts this thread.
            closed.countDown();
        }
    }

    /** There may be something to tell or to ask: one call at a time. */
    void tell() {
        if (toTell.getAndIncrement() == 0) {
            calls.threads().work().execute(this::tellOne);
        }
    }

    private void tellOne() {
        int seen = toTell.get();
        step().whenComplete((more, failure) -> {
            if (!isOpen()) {
                return;
            }
            if (failure == null && more || !toTell.compareAndSet(seen, 0)) {
                calls.threads().work().execute(this::tellOne);
            }
        });
    }

    /** Tells or asks once; whether there was anything. */
    private CompletableFuture<Boolean> step() {
        UpdateWatchRequest update = core.update(KEYS_PER_CALL);
        if (update != null) {
            UpdateWatchRequest request = update.toBuilder().setNamespace(namespace).build();
            return Async.handle(calls.updateWatch(request), (response, failure) -> {
                if (failure == null) {
                    core.updated(update, response.getPosition());
                    return Async.done(true);
                }
                core.notUpdated(update, failure.isReason("TOO_MANY_KEYS"));
                // What is left to tell has its turn with the next message of the stream.
                return Async.map(calls.threads().sleep(Retry.jittered(TELL_WAIT)), none -> false);
            });
        }
        NearCore.Suspects suspects = core.suspects(KEYS_PER_CALL, clock.now());
        if (suspects.kept().isEmpty()) {
            return Async.done(false);
        }
        return Async.handle(calls.limits(), (limits, unknown) -> revalidate(suspects, 0, calls.batchItems()));
    }

    private CompletableFuture<Boolean> revalidate(NearCore.Suspects suspects, int from, int most) {
        if (from >= suspects.kept().size()) {
            return Async.done(true);
        }
        List<Kept> few = suspects.kept().subList(from, Math.min(suspects.kept().size(), from + most));
        RevalidateRequest.Builder request = RevalidateRequest.newBuilder().setNamespace(namespace);
        for (Kept one : few) {
            String[] named = NearCore.named(one);
            request.addItems(RevalidateItem.newBuilder().setKey(named[0]).setEtag(named[1]));
        }
        return Async.handle(calls.revalidate(request.build()), (response, failure) -> {
            for (int at = 0; at < few.size(); at++) {
                boolean said = failure == null && at < response.getResultsCount();
                core.confirm(suspects.asked(), few.get(at), said ? confirmation(response.getResults(at)) : null);
            }
            return revalidate(suspects, from + few.size(), most);
        });
    }

    private static NearCore.Confirmation confirmation(RevalidateResult result) {
        Stamp stamp = Stamp.of(result.getAsOf());
        if (result.getState() != RevalidateState.REVALIDATE_STATE_CURRENT || stamp == null || !result.hasFreshFor()) {
            return null;
        }
        return new NearCore.Confirmation(
                stamp,
                NearCore.nanos(Wire.duration(result.getFreshFor())),
                NearCore.nanos(Wire.duration(result.getUsableFor())));
    }
}
