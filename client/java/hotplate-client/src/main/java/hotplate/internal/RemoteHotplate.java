package hotplate.internal;

import hotplate.Codec;
import hotplate.DegradationCounts;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.NearOptions;
import hotplate.Telemetry;
import hotplate.internal.near.Near;
import hotplate.internal.near.NearCore;
import hotplate.internal.near.NearSet;
import hotplate.v1.GetResponse;
import hotplate.v1.GetServerInfoResponse;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** The client: what all namespaces of one set of connections share, and the end of all of it. */
public final class RemoteHotplate implements Hotplate {
    private static final System.Logger LOG = System.getLogger("hotplate");
    /** Namespaces of a client that have a near cache at most: each has a stream, a thread and room of its own. */
    private static final int NEAR_MAX = 64;

    /** For how long an answer may be on its way that brings a lease. */
    private static final Duration ON_ITS_WAY = Duration.ofMillis(200);

    private static final long LAST_WORDS_SECONDS = 2;

    private final Settings settings;
    private final Threads threads;
    private final Pool pool;
    private final Calls calls;
    private final Whole whole;
    private final Gate gate;
    private final Flights flights;
    private final BootClock clock = new BootClock();
    private final Map<String, Near> nears = new HashMap<>();
    /** What has to be told to the server even when the client ends now. */
    private final Set<CompletableFuture<?>> lastWords = ConcurrentHashMap.newKeySet();
    /** What goes on behind callers, and those that wait for nothing but a computation of their own. */
    private final Set<CompletableFuture<?>> renewals = ConcurrentHashMap.newKeySet();
    /** Whether it was said that there are too many near caches. */
    private boolean warned;

    private boolean closed;

    /** Opens nothing. */
    public RemoteHotplate(Settings settings) {
        this.settings = settings;
        this.threads = new Threads(settings.callbacks());
        try {
            this.pool = new Pool(settings, threads);
        } catch (RuntimeException unusable) {
            threads.close();
            throw unusable;
        }
        this.calls = new Calls(pool, threads, settings.profile(), settings.token());
        this.whole = new Whole(calls);
        this.gate = new Gate(settings, calls);
        this.flights = new Flights(settings.computationsMax());
    }

    Calls calls() {
        return calls;
    }

    Whole whole() {
        return whole;
    }

    Gate gate() {
        return gate;
    }

    Flights flights() {
        return flights;
    }

    Threads threads() {
        return threads;
    }

    /** The near cache of a namespace; null where it has none. Made when the namespace is first used. */
    Near near(String namespace) {
        NearOptions options = settings.disabled() ? null : settings.nearOf(namespace);
        if (options == null) {
            return null;
        }
        synchronized (nears) {
            Near made = nears.get(namespace);
            if (made == null && nears.size() < NEAR_MAX && !closed) {
                String own = settings.clientIdIsOwn() ? settings.clientId() : null;
                made = new Near(options, calls, clock, namespace, own, feed -> threads.start("near", feed));
                nears.put(namespace, made);
            } else if (made == null && !closed && !warned) {
                warned = true;
                LOG.log(System.Logger.Level.WARNING, "a client has at most {0} near caches: this namespace goes without, and so do all others", NEAR_MAX);
            }
            return made;
        }
    }

    /** A question on its way to the server, whose answer may be kept. */
    static final class Fill {
        private final Near near;
        private final NearCore.Asked asked;

        /** {@code near} is null where nothing is kept. */
        Fill(Near near) {
            this.near = near;
            this.asked = near == null ? null : near.ask();
        }

        void offer(String key, GetResponse response) {
            if (near != null) {
                near.offer(asked, key, response);
            }
        }
    }

    /** A write of this client that is under way. */
    final class OwnWrite {
        private final Near near;
        private final List<NearSet> sets;
        private final long repeats;
        private boolean ended;

        private OwnWrite(Near near, List<NearSet> sets) {
            this.near = near;
            this.sets = sets;
            this.repeats = calls.repeats();
            if (near != null) {
                near.wrote(sets);
            }
        }

        /** The server has answered. To be called before the caller is. */
        synchronized void answered() {
            if (near == null || ended) {
                return;
            }
            ended = true;
            // What was sent twice may happen once more, and nobody is told when.
            if (calls.repeats() == repeats) {
                near.wrote(sets);
            } else {
                near.mayHaveWritten(sets);
            }
        }

        /** Whether it was carried out is not known, and may come. */
        synchronized void unknown() {
            if (near != null && !ended) {
                ended = true;
                near.mayHaveWritten(sets);
            }
        }

        void settle(Attempt<?> attempt) {
            if (attempt.answer() != null) {
                answered();
            } else {
                unknown();
            }
        }

        /** However a step ends, it is known to have before its caller is told. */
        <A> CompletableFuture<A> covering(CompletableFuture<A> step) {
            return Async.first(step, this::unknown);
        }
    }

    /** Takes note that this client writes what these cover. */
    OwnWrite ownWrite(String namespace, List<NearSet> sets) {
        return new OwnWrite(near(namespace), sets);
    }

    /** Counts a read. */
    void read(String namespace, boolean hit, boolean near) {
        settings.metrics().read(namespace, hit, near);
    }

    /** Counts a computation. */
    void computed(String namespace, long nanoseconds, boolean failed) {
        settings.metrics().computed(namespace, nanoseconds, failed);
    }

    Settings settings() {
        return settings;
    }

    /** Has the end of the client wait for this. */
    void lastWord(CompletableFuture<?> word) {
        lastWords.add(word);
        word.whenComplete((value, failure) -> lastWords.remove(word));
    }

    /** Has the end of the client give this up. */
    void track(CompletableFuture<?> renewal) {
        renewals.add(renewal);
        renewal.whenComplete((value, failure) -> renewals.remove(renewal));
    }

    @Override
    public <V> HotplateCache<V> cache(String namespace, Codec<V> codec) {
        String name = namespace == null || namespace.isEmpty() ? "default" : Texts.valid("namespace", namespace);
        RemoteCache<V> cache = new RemoteCache<>(this, name, Objects.requireNonNull(codec, "codec"), true, "");
        return settings.telemetry() == Telemetry.NONE ? cache : new ToldCache<>(cache, settings.telemetry());
    }

    @Override
    public String namespace() {
        return settings.namespace();
    }

    @Override
    public String clientId() {
        return settings.clientId();
    }

    @Override
    public boolean available() {
        return !settings.disabled() && gate.breaker.available();
    }

    @Override
    public AutoCloseable onAvailability(Consumer<Boolean> listener) {
        return gate.breaker.listen(new Serial(threads.calls(), gate.breaker::available, listener));
    }

    @Override
    public DegradationCounts degradation() {
        return gate.counts();
    }

    @Override
    public int invalidationsWaiting() {
        return gate.pending();
    }

    @Override
    public GetServerInfoResponse serverInfo() {
        gate.needsServer("server to ask");
        return Async.await(calls.serverInfo());
    }

    @Override
    public void close() {
        synchronized (nears) {
            if (closed) {
                return;
            }
            closed = true;
            nears.values().forEach(Near::close);
        }
        gate.close();
        flights.close(ON_ITS_WAY);
        renewals.forEach(renewal -> renewal.completeExceptionally(Threads.closed()));
        lastWord(gate.journal().lastTry());
        sayLastWords();
        int lost = gate.pending();
        if (lost > 0) {
            LOG.log(System.Logger.Level.ERROR, "the client was closed before {0} invalidations could be carried out: they are lost", lost);
        }
        pool.close();
        threads.close();
        calls.close();
    }

    private void sayLastWords() {
        try {
            CompletableFuture.allOf(lastWords.toArray(CompletableFuture[]::new)).get(LAST_WORDS_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException | ExecutionException unsaid) {
            LOG.log(System.Logger.Level.DEBUG, "the client was closed before all leases were given back: they lapse");
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
