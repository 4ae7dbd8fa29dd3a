package hotplate.internal;

import hotplate.CacheMode;
import hotplate.ComputeOptions;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.Lookup;
import hotplate.MissReason;
import hotplate.ReadOptions;
import hotplate.Ttl;
import hotplate.WriteOptions;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetRequest;
import hotplate.v1.GetResponse;
import hotplate.v1.MissPolicy;
import hotplate.v1.PutRequest;
import hotplate.v1.StalePolicy;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Computing what is missing, once for all processes, and storing it for everyone: looks the key up, takes its lease when nobody has it or
 * waits for who has, computes, stores. Who waits in this process lives in {@link Flights}, what becomes of a lease in {@link Held}.
 */
final class Computation<V> {
    private static final System.Logger LOG = System.getLogger("hotplate");
    private static final Duration RETRY_AFTER = Duration.ofMillis(100);
    private static final Duration RENEWAL_PAUSE = Duration.ofSeconds(1);
    /** For how long callers wait for the storing of what was computed for them. */
    private static final Duration STORING_MAX = Duration.ofSeconds(1);

    private final RemoteCache<V> cache;
    private final RemoteHotplate client;
    private final String key;
    private final ComputeOptions options;
    private final Work<V> work;
    private final Work<V> behind;

    /** What computes the value. */
    @FunctionalInterface
    interface Work<V> {
        /** Begins; fails with kind COMPUTE. {@code atEnd} is run when it has ended, which may be after it was given up. */
        CompletableFuture<V> begin(Within.Here here, Runnable atEnd);
    }

    /**
     * What came of it for all who waited: a value, or the computation's failure and, where it was asked for, what there is in place of it.
     *
     * @param value the value; also null where there is a failure
     * @param failure of the computation; null where there is a value
     * @param stale what may be used instead; null where nobody looked
     */
    record Landed<V>(V value, HotplateException failure, Lookup<V> stale) {
        static <V> Landed<V> of(V value) {
            return new Landed<>(value, null, null);
        }
    }

    /** The right by which a computed value is stored: a lease, none needed, or none. */
    private record Right(Held lease, boolean free) {}

    /** {@code behind} computes what nobody waits for: the next value of a stale one. */
    Computation(RemoteCache<V> cache, String key, ComputeOptions options, Work<V> work, Work<V> behind) {
        this.cache = cache;
        this.client = cache.client();
        this.key = key;
        this.options = options;
        this.work = work;
        this.behind = behind;
    }

    /** Finds the value or computes it. */
    CompletableFuture<Landed<V>> run(Flights.Course course, Within.Here here) {
        if (options.mode() == CacheMode.REFRESH) {
            return compute(course, here, new Right(null, true));
        }
        return claim(course, here, true, System.nanoTime() + Nanos.of(options.waitMax()));
    }

    /** Asks until it is known what to do, within the time the caller wants to wait. */
    private CompletableFuture<Landed<V>> claim(Flights.Course course, Within.Here here, boolean mayWrite, long ends) {
        long began = System.nanoTime();
        long left = Math.max(0, ends - began);
        boolean leases = !options.perProcess() && mayWrite;
        boolean waits = leases && left > 0;
        Duration time = client.calls().time();
        GetRequest.Builder request = Wire.read(cache.name(), key, reading());
        // A longer wait is made of several calls, so that a server that froze is found out.
        Duration asked = Duration.ofNanos(Math.min(left, time.toNanos()));
        if (waits) {
            request.setMissPolicy(MissPolicy.MISS_POLICY_LEASE_OR_WAIT).setWaitTimeout(Wire.duration("wait", asked));
            time = time.plus(asked);
        } else if (leases) {
            request.setMissPolicy(MissPolicy.MISS_POLICY_LEASE);
        }
        RemoteHotplate.Fill fill = cache.fill(ReadOptions.DEFAULT);
        Calls calls = client.calls().withTimeout(time);
        GetRequest built = request.build();
        if (leases && !course.asks()) {
            return Async.failed(Async.cancelled());
        }
        return Async.handle(onWork(client.gate().read(() -> calls.get(built))), (attempt, failure) -> {
            Held held = attempt != null && attempt.answer() != null && attempt.answer().hasLease()
                    ? new Held(client, cache.name(), key, attempt.answer().getLease())
                    : null;
            if (leases && !course.answered(() -> giveBack(held))) {
                return Async.failed(Async.cancelled());
            }
            // A lease takes the right to write. Who may only read still reads.
            if (failure != null && failure.kind() == ErrorKind.PERMISSION_DENIED && leases) {
                return claim(course, here, false, ends);
            }
            if (failure != null) {
                return Async.failed(failure);
            }
            // What others invalidate until it is computed nobody can tell this process: it stores nothing.
            if (attempt.away() != null) {
                return compute(course, here, new Right(null, false));
            }
            GetResponse response = attempt.answer();
            if (response.getOutcome() != GetOutcome.GET_OUTCOME_PENDING) {
                return whole(course, here, built, response, fill, held, mayWrite);
            }
            giveBack(held);
            long now = System.nanoTime();
            if (!waits || now - ends >= 0) {
                return compute(course, here, new Right(null, false));
            }
            // Who waited on the server asks again at once, who was sent away comes back when the server said.
            if (now - began >= asked.toNanos() / 2) {
                return claim(course, here, mayWrite, ends);
            }
            boolean said = response.getPending().hasRetryAfter();
            Duration pause = said ? Wire.duration(response.getPending().getRetryAfter()) : RETRY_AFTER;
            Duration wait = Duration.ofNanos(Math.min(ends - now, Nanos.of(Retry.jittered(pause))));
            return Async.then(client.threads().sleep(wait), none -> claim(course, here, mayWrite, ends));
        });
    }

    private ReadOptions reading() {
        return new ReadOptions(
                options.staleWhileRevalidate(), options.maxAge(), false, ReadOptions.DEFAULT.slowestTier());
    }

    private static void giveBack(Held held) {
        if (held != null) {
            held.close();
        }
    }

    /** What is answered is read by a codec, which is no work for the network's threads. */
    private <A> CompletableFuture<A> onWork(CompletableFuture<A> answer) {
        return Async.on(client.threads().work(), answer);
    }

    /** Reads the value that is too large for the answer, if it is; the lease that came with it is held meanwhile. */
    private CompletableFuture<Landed<V>> whole(
            Flights.Course course,
            Within.Here here,
            GetRequest asked,
            GetResponse response,
            RemoteHotplate.Fill fill,
            Held held,
            boolean mayWrite) {
        if (!response.getEntry().hasLarge()) {
            fill.offer(key, response);
            return claimed(course, here, response, held, mayWrite);
        }
        AtomicBoolean taken = new AtomicBoolean();
        CompletableFuture<Attempt<GetResponse>> read =
                onWork(client.gate().read(() -> client.whole().rest(asked, response)));
        CompletableFuture<Landed<V>> landed = Async.handle(read, (full, unread) -> {
            taken.set(true);
            if (unread != null || full.away() != null) {
                giveBack(held);
                return unread != null ? Async.failed(unread) : compute(course, here, new Right(null, false));
            }
            fill.offer(key, full.answer());
            return claimed(course, here, full.answer(), held, mayWrite);
        });
        landed.whenComplete((value, failure) -> {
            if (!taken.get()) {
                giveBack(held);
            }
        });
        return landed;
    }

    private CompletableFuture<Landed<V>> claimed(
            Flights.Course course, Within.Here here, GetResponse response, Held held, boolean mayWrite) {
        try {
            return read(course, here, response, held, mayWrite);
        } catch (RuntimeException | Error fault) {
            giveBack(held);
            throw fault;
        }
    }

    private CompletableFuture<Landed<V>> read(
            Flights.Course course, Within.Here here, GetResponse response, Held held, boolean mayWrite) {
        try {
            Lookup<V> found = Wire.lookup(cache.codec(), response);
            if (found instanceof Lookup.Hit<V> hit) {
                client.read(cache.name(), true, false);
                if (held != null) {
                    renew(held);
                }
                return Async.done(Landed.of(hit.value()));
            }
            if (found instanceof Lookup.Negative<V> negative) {
                client.read(cache.name(), true, false);
                giveBack(held);
                return Async.failed(remembered(negative.reason(), negative.message()));
            }
        } catch (HotplateException unreadable) {
            if (unreadable.kind() != ErrorKind.CODEC) {
                throw unreadable;
            }
            LOG.log(System.Logger.Level.WARNING, "a stored value cannot be read by this codec and is computed anew");
        }
        client.read(cache.name(), false, false);
        return compute(course, here, new Right(held, held == null && mayWrite));
    }

    private CompletableFuture<Landed<V>> compute(Flights.Course course, Within.Here here, Right right) {
        CompletableFuture<Runnable> turn = client.flights().turn(course);
        AtomicBoolean begun = new AtomicBoolean();
        AtomicBoolean stores = new AtomicBoolean();
        CompletableFuture<Landed<V>> whole = Async.then(turn, atEnd -> {
            long began = System.nanoTime();
            begun.set(true);
            return Async.handle(work.begin(here, atEnd), (value, failure) -> {
                long took = System.nanoTime() - began;
                client.computed(cache.name(), took, failure != null);
                if (failure != null) {
                    return fallBack(right.lease(), failure);
                }
                course.computed();
                if (!course.mayStore()) {
                    return Async.done(Landed.of(value));
                }
                stores.set(true);
                return soon(store(right, value, took), value);
            });
        });
        whole.whenComplete((value, failure) -> {
            // What was given up while its place came gives that back; to give it back twice does nothing.
            if (!begun.get()) {
                turn.thenAccept(Runnable::run);
            }
            if (!stores.get()) {
                giveBack(right.lease());
            }
        });
        return whole;
    }

    /** The value, when it is stored; or soon, and storing goes on behind. */
    private CompletableFuture<Landed<V>> soon(CompletableFuture<Void> stored, V value) {
        CompletableFuture<Landed<V>> told = new CompletableFuture<>();
        stored.whenComplete((none, failure) -> told.complete(Landed.of(value)));
        if (!told.isDone()) {
            CompletableFuture<Void> patience = client.threads().sleep(STORING_MAX);
            patience.whenComplete((none, failure) -> told.complete(Landed.of(value)));
            told.whenComplete((landed, failure) -> patience.cancel(false));
        }
        return told;
    }

    /** Computes the next value behind the current one. When as many computations run as may, the lease goes to someone else. */
    private void renew(Held held) {
        Runnable place = client.flights().slot();
        if (place == null) {
            held.close();
            return;
        }
        long began = System.nanoTime();
        CompletableFuture<V> computed = behind.begin(client.flights().alone(), place);
        client.track(computed);
        computed.whenComplete((value, thrown) -> {
            client.computed(cache.name(), System.nanoTime() - began, thrown != null);
            if (thrown == null) {
                store(new Right(held, false), value, System.nanoTime() - began);
                return;
            }
            HotplateException failure = Async.failure(thrown);
            LOG.log(System.Logger.Level.WARNING, "a value could not be renewed and is used while it may be: {0}", failure.kind());
            if (failure.kind() == ErrorKind.CANCELLED) {
                held.close();
            } else {
                held.giveBack(beside(failure));
            }
        });
    }

    /**
     * A failure beside a value that may still be used: the server keeps both, and lets nobody try again while the failure is remembered.
     */
    private GiveBack beside(HotplateException failure) {
        Ttl lifetime = options.rememberFailure() != null
                ? options.rememberFailure()
                : Ttl.of(options.holdOff() != null ? options.holdOff() : RENEWAL_PAUSE);
        return new GiveBack.Failure(failure, lifetime, options.write());
    }

    /** Stores a value, if there is a right to, and gives the lease back then. Goes on when nobody waits for it; ends with the client. */
    private CompletableFuture<Void> store(Right right, V value, long took) {
        if (right.lease() == null && !right.free()) {
            return Async.done(null);
        }
        WriteOptions write = options.write().cost() == null ? options.write().cost(Duration.ofNanos(took)) : options.write();
        CompletableFuture<Void> stored;
        try {
            PutRequest request = cache.putRequest(key, value, write);
            stored = right.lease() != null ? right.lease().put(request) : Async.map(cache.send(request), written -> null);
        } catch (HotplateException cannot) {
            stored = Async.failed(cannot);
        }
        client.track(stored);
        stored.whenComplete((none, thrown) -> {
            giveBack(right.lease());
            if (thrown != null) {
                LOG.log(System.Logger.Level.WARNING, "a computed value could not be stored: {0}", Async.failure(thrown).brief());
            }
        });
        return stored;
    }

    /** What comes of a computation that failed, and what becomes of the lease. */
    private CompletableFuture<Landed<V>> fallBack(Held held, HotplateException failure) {
        if (failure.kind() == ErrorKind.CANCELLED) {
            // It was ended, which says nothing about the next that is begun.
            giveBack(held);
            return Async.done(new Landed<>(null, failure, null));
        }
        boolean accepts = options.staleIfError() && options.mode() == CacheMode.USE;
        CompletableFuture<Lookup<V>> stale = accepts ? stale() : Async.done(null);
        return Async.then(stale, found -> {
            boolean there = found instanceof Lookup.Hit;
            if (held != null) {
                // Who would rather have the failure than the stale value tries for itself.
                boolean remembers = !there && options.rememberFailure() != null;
                GiveBack without =
                        options.holdOff() == null ? new GiveBack.Next() : new GiveBack.HoldOff(options.holdOff());
                held.giveBack(
                        remembers
                                ? new GiveBack.Failure(failure, options.rememberFailure(), options.write())
                                : without);
            }
            return Async.done(new Landed<>(null, failure, found));
        });
    }

    /** What one caller gets of what all of them waited for: in place of a failure a stale value, where this one accepts it. */
    CompletableFuture<V> told(Landed<V> landed) {
        HotplateException failure = landed.failure();
        if (failure == null) {
            return Async.done(landed.value());
        }
        boolean accepts = options.staleIfError() && options.mode() == CacheMode.USE;
        if (!accepts || failure.kind() == ErrorKind.CANCELLED) {
            return Async.failed(failure);
        }
        CompletableFuture<Lookup<V>> stale = landed.stale() != null ? Async.done(landed.stale()) : stale();
        return Async.then(stale, found -> {
            if (!(found instanceof Lookup.Hit<V> hit)) {
                return Async.failed(failure);
            }
            LOG.log(System.Logger.Level.WARNING, "a computation failed and a stale value is used");
            return Async.done(hit.value());
        });
    }

    private CompletableFuture<Lookup<V>> stale() {
        GetRequest request = Wire.read(cache.name(), key, ReadOptions.DEFAULT.maxAge(options.maxAge()))
                .setStalePolicy(StalePolicy.STALE_POLICY_IF_ERROR)
                .build();
        return Async.handle(onWork(client.gate().read(() -> client.whole().get(request))), (attempt, failure) -> {
            if (failure == null && attempt.answer() != null) {
                return Async.done(readable(attempt.answer()));
            }
            LOG.log(System.Logger.Level.WARNING, "a computation failed and whether there is a stale value is not known");
            return Async.done(new Lookup.Miss<>(MissReason.OTHER));
        });
    }

    /** What was found; nothing, where this codec cannot read it: the failure in place of which it would be used says more. */
    private Lookup<V> readable(GetResponse answer) {
        try {
            return Wire.lookup(cache.codec(), answer);
        } catch (HotplateException unreadable) {
            LOG.log(System.Logger.Level.WARNING, "a computation failed and the stale value cannot be read: {0}", unreadable.brief());
            return new Lookup.Miss<>(MissReason.OTHER);
        }
    }

    /** What a caller is told of a remembered failure or absence. */
    static HotplateException remembered(String reason, String message) {
        boolean failed = reason.equals(Held.COMPUTE_FAILED);
        ErrorKind kind = failed ? ErrorKind.COMPUTE : ErrorKind.NOT_FOUND;
        return new HotplateException(kind, failed ? message : "remembered as absent: " + message).withReason(reason);
    }
}
