package hotplate.internal;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import hotplate.AsyncLoader;
import hotplate.CacheMode;
import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.ErrorKind;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Invalidated;
import hotplate.ItemResult;
import hotplate.Key;
import hotplate.Loader;
import hotplate.Lookup;
import hotplate.MissReason;
import hotplate.NearStats;
import hotplate.Preload;
import hotplate.PreloadOptions;
import hotplate.ReadOptions;
import hotplate.ReadStream;
import hotplate.Refreshing;
import hotplate.Selector;
import hotplate.Ttl;
import hotplate.Watch;
import hotplate.WatchOptions;
import hotplate.WriteOptions;
import hotplate.WriteStream;
import hotplate.Written;
import hotplate.internal.near.Kept;
import hotplate.internal.near.Near;
import hotplate.internal.near.NearSet;
import hotplate.v1.Entry;
import hotplate.v1.EntryView;
import hotplate.v1.ExplainKeyRequest;
import hotplate.v1.ExplainKeyResponse;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetRequest;
import hotplate.v1.GetResponse;
import hotplate.v1.InvalidateMode;
import hotplate.v1.InvalidateRequest;
import hotplate.v1.InvalidateResponse;
import hotplate.v1.ListEntriesRequest;
import hotplate.v1.Negative;
import hotplate.v1.PreloadItem;
import hotplate.v1.PreloadRequest;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.ReadValueRequest;
import hotplate.v1.RefreshFrom;
import hotplate.v1.StatsRequest;
import hotplate.v1.StatsResponse;
import hotplate.v1.TouchOutcome;
import hotplate.v1.TouchRequest;
import hotplate.v1.WatchRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;

/** Typed access to one namespace of a server. Computing what is missing lives in {@link Computation}. */
final class RemoteCache<V> implements HotplateCache<V> {
    private static final System.Logger LOG = System.getLogger("hotplate");
    private static final int EVENTS_MAX = 100;

    private final RemoteHotplate client;
    private final String name;
    private final Codec<V> codec;
    private final boolean readsNear;
    private final Near near;

    /** Why something is invalidated; empty where nobody said. */
    private final String because;

    RemoteCache(RemoteHotplate client, String name, Codec<V> codec, boolean readsNear, String because) {
        this.client = client;
        this.name = name;
        this.codec = codec;
        this.readsNear = readsNear;
        this.because = because;
        this.near = client.near(name);
    }

    RemoteHotplate client() {
        return client;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Codec<V> codec() {
        return codec;
    }

    @Override
    public <T> HotplateCache<T> withCodec(Codec<T> other) {
        return new RemoteCache<>(client, name, other, readsNear, because);
    }

    @Override
    public HotplateCache<V> withoutNearCache() {
        return new RemoteCache<>(client, name, codec, false, because);
    }

    @Override
    public HotplateCache<V> because(String reason) {
        return new RemoteCache<>(client, name, codec, readsNear, Texts.valid("reason", reason));
    }

    // --- reads

    @Override
    public Lookup<V> lookup(CharSequence key, ReadOptions options) {
        String text = Key.textOf(key);
        Kept kept = kept(text, options);
        // Read on the caller's thread.
        return kept != null ? told(kept, false) : found(Async.await(ask(text, options)));
    }

    @Override
    public CompletableFuture<Lookup<V>> lookupAsync(CharSequence key, ReadOptions options) {
        try {
            String text = Key.textOf(key);
            Kept kept = kept(text, options);
            if (kept != null) {
                return Async.done(told(kept, false));
            }
            CompletableFuture<Attempt<GetResponse>> asked = ask(text, options);
            return Async.map(Async.on(client.threads().calls(), asked), this::found);
        } catch (HotplateException failure) {
            return Async.failed(failure);
        }
    }

    @Override
    public Lookup<V> lookupShared(CharSequence key) {
        String text = Key.textOf(key);
        Kept kept = kept(text, ReadOptions.DEFAULT);
        return kept != null ? told(kept, true) : found(Async.await(ask(text, ReadOptions.DEFAULT)));
    }

    /** Asks the server. */
    CompletableFuture<Attempt<GetResponse>> ask(String key, ReadOptions options) {
        GetRequest request = Wire.read(name, key, options).build();
        RemoteHotplate.Fill fill = fill(options);
        return Async.map(client.gate().read(() -> client.whole().get(request)), attempt -> {
            if (attempt.answer() != null) {
                fill.offer(key, attempt.answer());
            }
            return attempt;
        });
    }

    Lookup<V> found(Attempt<GetResponse> attempt) {
        Lookup<V> found = attempt.away() != null
                ? new Lookup.Miss<>(attempt.away())
                : Wire.lookup(codec, attempt.answer());
        client.read(name, !(found instanceof Lookup.Miss), false);
        return found;
    }

    Lookup<V> told(Kept kept, boolean shares) {
        client.read(name, true, true);
        return kept.tell(codec, shares, near.now());
    }

    /** What this process keeps of a key and a read with these options may be answered with. */
    Kept kept(String key, ReadOptions options) {
        Near some = nearFor(options);
        return some == null ? null : some.hit(key, options.maxAge());
    }

    /** To be taken before the server is asked, and offered the answer. */
    RemoteHotplate.Fill fill(ReadOptions options) {
        return new RemoteHotplate.Fill(nearFor(options));
    }

    /** A read that is to leave no trace, or is turned off, is not answered from here. */
    private Near nearFor(ReadOptions options) {
        return readsNear && !options.peek() && !client.gate().disabled() ? near : null;
    }

    @Override
    public List<ItemResult<Lookup<V>>> lookupAll(Collection<? extends CharSequence> keys) {
        return Async.await(new GetMany<>(this, keys).run());
    }

    @Override
    public CompletableFuture<List<ItemResult<Lookup<V>>>> lookupAllAsync(Collection<? extends CharSequence> keys) {
        return Async.on(client.threads().calls(), new GetMany<>(this, keys).run());
    }

    @Override
    public Optional<Duration> ttl(CharSequence key) {
        return Async.await(lifetime(key));
    }

    @Override
    public CompletableFuture<Optional<Duration>> ttlAsync(CharSequence key) {
        return begun(() -> lifetime(key));
    }

    private CompletableFuture<Optional<Duration>> lifetime(CharSequence key) {
        GetRequest request = Wire.read(name, Key.textOf(key), ReadOptions.DEFAULT.peeking())
                .setView(EntryView.ENTRY_VIEW_METADATA)
                .build();
        return Async.map(client.gate().read(() -> client.calls().get(request)), attempt -> {
            GetResponse response = attempt.answer();
            boolean there = response != null
                    && response.getEntry().hasMetadata()
                    && (response.getOutcome() == GetOutcome.GET_OUTCOME_HIT
                            || response.getOutcome() == GetOutcome.GET_OUTCOME_NEGATIVE);
            return there
                    ? Optional.of(Wire.duration(response.getEntry().getMetadata().getFreshFor()))
                    : Optional.empty();
        });
    }

    /** A call whose future is handed out: what fails before it begins is its failure, too. */
    private <A> CompletableFuture<A> begun(Supplier<CompletableFuture<A>> call) {
        try {
            return Async.on(client.threads().calls(), call.get());
        } catch (HotplateException failure) {
            return Async.failed(failure);
        }
    }

    // --- computing

    @Override
    public V get(CharSequence key, Loader<? extends V> loader, ComputeOptions options) {
        Objects.requireNonNull(loader, "loader");
        Function<String, Computation.Work<V>> behind = text -> (here, atEnd) -> client.threads()
                .compute(() -> Within.run(here, () -> called(() -> loader.load(text))), atEnd);
        if (options.callersThread()) {
            CallersThread caller = new CallersThread(client.threads());
            Function<String, Computation.Work<V>> work = text -> (here, atEnd) ->
                    caller.compute(() -> Within.run(here, () -> called(() -> loader.load(text))), atEnd);
            return caller.await(computed(key, options, work, behind));
        }
        return Async.await(computed(key, options, behind, behind));
    }

    @Override
    public CompletableFuture<V> getAsync(CharSequence key, AsyncLoader<? extends V> loader, ComputeOptions options) {
        Objects.requireNonNull(loader, "loader");
        Function<String, Computation.Work<V>> work = text -> (here, atEnd) -> begun(here, () -> loader.load(text), atEnd);
        return begun(() -> computed(key, options, work, work));
    }

    /** {@code behind} computes what nobody waits for. */
    private CompletableFuture<V> computed(
            CharSequence key,
            ComputeOptions options,
            Function<String, Computation.Work<V>> work,
            Function<String, Computation.Work<V>> behind) {
        String text = Key.textOf(key);
        if (options.mode() == CacheMode.BYPASS) {
            return bypassed(work.apply(text));
        }
        ReadOptions reading = new ReadOptions(
                options.staleWhileRevalidate(), options.maxAge(), false, ReadOptions.DEFAULT.slowestTier());
        if (options.mode() == CacheMode.ONLY) {
            return Async.then(Async.on(client.threads().work(), ask(text, reading)), attempt -> only(found(attempt)));
        }
        if (options.mode() == CacheMode.USE) {
            CompletableFuture<V> kept = keptValue(text, reading);
            if (kept != null) {
                return kept;
            }
        }
        boolean refresh = options.mode() == CacheMode.REFRESH;
        Computation<V> computation = new Computation<>(this, text, options, work.apply(text), behind.apply(text));
        Flights.Key shared = new Flights.Key(
                name, text, refresh, codec, options.maxAge(), options.staleWhileRevalidate(), options.perProcess());
        return Async.then(client.flights().join(shared, computation::run), computation::told);
    }

    /** A computation without the cache. It ends with the client. */
    private CompletableFuture<V> bypassed(Computation.Work<V> work) {
        if (client.gate().isClosed()) {
            return Async.failed(Threads.closed());
        }
        CompletableFuture<V> value = work.begin(client.flights().alone(), () -> {});
        client.track(value);
        return value;
    }

    /** What this process keeps; null for nothing. What it cannot read is left to who computes it anew. */
    private CompletableFuture<V> keptValue(String key, ReadOptions reading) {
        Kept kept = kept(key, reading);
        if (kept == null) {
            return null;
        }
        try {
            Lookup<V> told = told(kept, false);
            return told instanceof Lookup.Miss ? null : only(told);
        } catch (HotplateException unreadable) {
            return null;
        }
    }

    private static <V> CompletableFuture<V> only(Lookup<V> found) {
        if (found instanceof Lookup.Hit<V> hit) {
            return Async.done(hit.value());
        }
        if (found instanceof Lookup.Negative<V> negative) {
            return Async.failed(Computation.remembered(negative.reason(), negative.message()));
        }
        return Async.failed(
                new HotplateException(ErrorKind.NOT_FOUND, "it is not in the cache").withReason("NOT_CACHED"));
    }

    /** Something of the caller's that may throw anything. */
    @FunctionalInterface
    private interface Throwing<T> {
        T get() throws Exception;
    }

    /** Calls what computes, and makes its failure one of kind COMPUTE; CANCELLED, where this thread was interrupted meanwhile. */
    private static <T> T called(Throwing<T> compute) {
        try {
            return compute.get();
        } catch (Throwable thrown) {
            boolean interrupted = thrown instanceof Exception && Thread.currentThread().isInterrupted();
            throw interrupted ? Interruptions.cancelled(thrown) : failed(thrown);
        }
    }

    /** Begins what computes without a thread, away from the network's threads. */
    private CompletableFuture<V> begun(Within.Here here, Throwing<CompletionStage<? extends V>> compute, Runnable atEnd) {
        CompletableFuture<V> value = new CompletableFuture<>();
        AtomicReference<CompletableFuture<?>> running = new AtomicReference<>();
        value.whenComplete((result, failure) -> {
            atEnd.run();
            giveUp(running.get());
        });
        Callable<Void> beginning = () -> {
            if (!value.isDone()) {
                CompletionStage<? extends V> stage = Within.run(here, () -> called(compute));
                CompletableFuture<? extends V> future =
                        Objects.requireNonNull(stage, "the loader returned no stage").toCompletableFuture();
                running.set(future);
                // Given up while it was begun.
                if (value.isDone()) {
                    giveUp(future);
                }
                future.whenComplete((result, thrown) -> {
                    if (thrown == null) {
                        value.complete(result);
                    } else {
                        value.completeExceptionally(failed(thrown));
                    }
                });
            }
            return null;
        };
        // Not on a thread where steps of the client go on: what begins it may wait all the same.
        client.threads().compute(beginning, () -> {}).whenComplete((none, failure) -> {
            if (failure != null) {
                value.completeExceptionally(failure instanceof HotplateException ? failure : failed(failure));
            }
        });
        return value;
    }

    private static void giveUp(CompletableFuture<?> running) {
        if (running != null && !running.isDone()) {
            running.cancel(true);
        }
    }

    /**
     * What a computation's failure is to its callers. Of an error that no program handles, the text is told to nobody else; its cause, with the
     * stack, is for who asked in this process.
     */
    private static HotplateException failed(Throwable thrown) {
        Throwable bare = thrown;
        while (bare instanceof java.util.concurrent.CompletionException && bare.getCause() != null) {
            bare = bare.getCause();
        }
        if (Interruptions.ended(bare)) {
            return Interruptions.cancelled(bare);
        }
        if (bare instanceof Error) {
            LOG.log(System.Logger.Level.ERROR, "a computation panicked: {0}", bare.getClass().getName());
            return new HotplateException(ErrorKind.COMPUTE, "the computation panicked", bare);
        }
        // A computation that waits for itself is told so, as is who asked for it.
        boolean ownFault = bare instanceof HotplateException own && own.kind() == ErrorKind.COMPUTE;
        String text = ownFault ? ((HotplateException) bare).text() : bare.getMessage();
        return new HotplateException(ErrorKind.COMPUTE, text == null ? bare.getClass().getName() : text, bare);
    }

    // --- writes

    @Override
    public Written put(CharSequence key, V value, WriteOptions options) {
        return Async.await(send(putRequest(Key.textOf(key), value, options)));
    }

    @Override
    public CompletableFuture<Written> putAsync(CharSequence key, V value, WriteOptions options) {
        return begun(() -> {
            PutRequest request = putRequest(Key.textOf(key), value, options);
            // The caller may use its array again before it is sent.
            ByteString own = ByteString.copyFrom(request.getValue().asReadOnlyByteBuffer());
            return send(request.toBuilder().setValue(own).build());
        });
    }

    @Override
    public Written putNegative(CharSequence key, String reason, String message, WriteOptions options) {
        return Async.await(send(negative(key, reason, message, options)));
    }

    @Override
    public CompletableFuture<Written> putNegativeAsync(CharSequence key, String reason, String message, WriteOptions options) {
        return begun(() -> send(negative(key, reason, message, options)));
    }

    private PutRequest negative(CharSequence key, String reason, String message, WriteOptions options) {
        Negative none = Negative.newBuilder()
                .setReason(Texts.valid("reason", reason))
                .setMessage(Texts.valid("message", message))
                .build();
        return addressed(Wire.write(options), Key.textOf(key)).setNegative(none).build();
    }

    PutRequest putRequest(String key, V value, WriteOptions options) {
        ByteString bytes = UnsafeByteOperations.unsafeWrap(codec.encodeChecked(value));
        return addressed(Wire.write(options), key).setValue(bytes).setContentType(codec.contentType()).build();
    }

    private PutRequest.Builder addressed(PutRequest.Builder request, String key) {
        return request.setNamespace(name).setKey(key).setClientId(client.clientId());
    }

    CompletableFuture<Written> send(PutRequest request) {
        RemoteHotplate.OwnWrite write = client.ownWrite(name, List.of(NearSet.key(request.getKey())));
        CompletableFuture<Attempt<PutResponse>> sent =
                write.covering(Async.map(client.gate().write(() -> client.whole().put(request)), attempt -> {
                    write.settle(attempt);
                    return attempt;
                }));
        // Who asks from now on gets no value that was looked up before this write was answered, however that was.
        return Async.map(
                Async.first(sent, () -> client.flights().outdate(name, request.getKey())),
                attempt -> written(attempt.answer() == null ? null : Wire.written(attempt.answer()), attempt.away()));
    }

    Written written(Written answer, MissReason away) {
        Written written = away != null ? new Written.Dropped(away) : answer;
        if (written.isStored()) {
            client.settings().metrics().stored(name);
        }
        return written;
    }

    @Override
    public List<ItemResult<Written>> putAll(Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        return Async.await(new PutMany<>(this, values, options).run());
    }

    @Override
    public CompletableFuture<List<ItemResult<Written>>> putAllAsync(
            Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        return Async.on(client.threads().calls(), new PutMany<>(this, values, options).run());
    }

    @Override
    public boolean touch(CharSequence key, Ttl ttl) {
        return Async.await(touched(key, ttl));
    }

    @Override
    public CompletableFuture<Boolean> touchAsync(CharSequence key, Ttl ttl) {
        return begun(() -> touched(key, ttl));
    }

    private CompletableFuture<Boolean> touched(CharSequence key, Ttl ttl) {
        TouchRequest request = TouchRequest.newBuilder()
                .setNamespace(name)
                .setKey(Key.textOf(key))
                .setExpiration(Wire.expiration(WriteOptions.ttl(ttl)))
                .build();
        RemoteHotplate.OwnWrite write = client.ownWrite(name, List.of(NearSet.key(request.getKey())));
        return write.covering(Async.map(client.gate().write(() -> client.calls().touch(request)), attempt -> {
            write.settle(attempt);
            TouchOutcome outcome = attempt.answer() == null ? null : attempt.answer().getOutcome();
            return outcome == TouchOutcome.TOUCH_OUTCOME_TOUCHED || outcome == TouchOutcome.TOUCH_OUTCOME_UNCHANGED;
        }));
    }

    // --- invalidation

    @Override
    public Invalidated invalidate(List<Selector> selectors) {
        return Async.await(dropped(selectors, InvalidateRequest.newBuilder()));
    }

    @Override
    public CompletableFuture<Invalidated> invalidateAsync(List<Selector> selectors) {
        return begun(() -> dropped(selectors, InvalidateRequest.newBuilder()));
    }

    @Override
    public Invalidated markStale(List<Selector> selectors, Duration spreadOver) {
        return Async.await(marked(selectors, spreadOver));
    }

    @Override
    public CompletableFuture<Invalidated> markStaleAsync(List<Selector> selectors, Duration spreadOver) {
        return begun(() -> marked(selectors, spreadOver));
    }

    private CompletableFuture<Invalidated> marked(List<Selector> selectors, Duration spreadOver) {
        InvalidateRequest.Builder how =
                InvalidateRequest.newBuilder().setMode(InvalidateMode.INVALIDATE_MODE_MARK_STALE);
        if (spreadOver != null) {
            how.setSpreadOver(Wire.duration("spread_over", spreadOver));
        }
        return dropped(selectors, how);
    }

    private CompletableFuture<Invalidated> dropped(List<Selector> selectors, InvalidateRequest.Builder how) {
        if (client.gate().disabled() && !client.gate().isClosed()) {
            client.flights().outdate(name);
            return Async.done(new Invalidated.Disabled());
        }
        return Async.map(
                change(selectors, how),
                response -> response == null
                        ? new Invalidated.Queued()
                        : new Invalidated.Done(response.getMatchedCount()));
    }

    @Override
    public Refreshing refresh(List<Selector> selectors, RefreshFrom from) {
        if (client.gate().disabled() && !client.gate().isClosed()) {
            client.flights().outdate(name);
            return new Refreshing.Disabled();
        }
        Texts.valid("origin", from.getOrigin());
        texts("parameters", from.getParametersMap());
        InvalidateRequest.Builder how =
                InvalidateRequest.newBuilder().setMode(InvalidateMode.INVALIDATE_MODE_REFRESH).setRefresh(from);
        InvalidateResponse response = Async.await(change(selectors, how));
        return response == null
                ? new Refreshing.Queued()
                : new Refreshing.Started(
                        response.getMatchedCount(), response.getRefreshingCount(), response.getRefreshJobId());
    }

    /** Carries it out; null: it was remembered. */
    private CompletableFuture<InvalidateResponse> change(List<Selector> selectors, InvalidateRequest.Builder how) {
        InvalidateRequest request = how.setNamespace(name)
                .addAllSelectors(Selector.toWire(selectors))
                .setClientId(client.clientId())
                .setReason(because)
                .build();
        client.flights().outdate(name);
        // What was made from what is named goes as well, and this client is not told of what it does itself.
        List<NearSet> sets = new ArrayList<>(request.getSelectorsList().stream().map(NearSet::of).toList());
        sets.add(new NearSet.Dependents());
        RemoteHotplate.OwnWrite write = client.ownWrite(name, sets);
        CompletableFuture<InvalidateResponse> sent = client.gate().invalidate(request);
        // At the end of the client it may still be carried out.
        client.lastWord(sent);
        CompletableFuture<InvalidateResponse> changed = write.covering(Async.map(sent, response -> {
            if (response != null) {
                write.answered();
                client.settings().metrics().invalidated(name);
            }
            return response;
        }));
        // What was looked up between the first time and the end, whatever that is, may still be what was dropped.
        return Async.first(changed, () -> client.flights().outdate(name));
    }

    private static void texts(String field, Map<String, String> pairs) {
        pairs.forEach((key, value) -> {
            Texts.valid(field, key);
            Texts.valid(field, value);
        });
    }

    // --- streams and words about the namespace

    @Override
    public Preload preload(List<PreloadItem> items, PreloadOptions options) {
        client.gate().needsServer("preload");
        for (PreloadItem item : items) {
            Texts.valid("key", item.getKey());
            Texts.valid("origin", item.getOrigin());
            texts("parameters", item.getParametersMap());
        }
        PreloadRequest.Builder request = PreloadRequest.newBuilder()
                .setNamespace(name)
                .addAllItems(items)
                .setForce(options.force())
                .setMaxParallelism(options.parallelism());
        if (options.pinFor() != null) {
            request.setPinFor(Wire.duration("pin_for", options.pinFor()));
        }
        return new RemotePreload(client.calls(), request.build());
    }

    @Override
    public Preload joinPreload(String job) {
        client.gate().needsServer("preload");
        return new RemotePreload(
                client.calls(), PreloadRequest.newBuilder().setNamespace(name).setJobId(Texts.valid("job_id", job)).build());
    }

    @Override
    public Watch watch(WatchOptions options) {
        client.gate().needsServer("watch");
        WatchRequest.Builder request = WatchRequest.newBuilder()
                .setNamespace(name)
                .addAllSelectors(Selector.toWire(options.selectors()))
                .setContent(options.content())
                .addAllEventTypes(options.events())
                .setIncludePresent(options.includePresent())
                .setResumeToken(options.resumeToken());
        if (options.progressInterval() != null) {
            request.setProgressInterval(Wire.duration("progress_interval", options.progressInterval()));
        }
        if (options.excludeOwn()) {
            request.setExcludeClientId(client.clientId());
        }
        return new RemoteWatch(client.calls(), request.build());
    }

    @Override
    public StatsResponse stats() {
        client.gate().needsServer("statistics");
        return Async.await(client.calls().stats(StatsRequest.newBuilder().setNamespace(name).build()));
    }

    @Override
    public Iterable<Entry> entries(Selector... selectors) {
        client.gate().needsServer("listing");
        ListEntriesRequest request = ListEntriesRequest.newBuilder()
                .setNamespace(name)
                .addAllSelectors(Selector.toWire(List.of(selectors)))
                .build();
        return () -> new Pages(client.calls(), request);
    }

    @Override
    public ExplainKeyResponse explain(CharSequence key) {
        client.gate().needsServer("explanation");
        ExplainKeyRequest request = ExplainKeyRequest.newBuilder()
                .setNamespace(name)
                .setKey(Key.textOf(key))
                .setMaxEvents(EVENTS_MAX)
                .build();
        return Async.await(client.calls().explainKey(request));
    }

    @Override
    public Optional<NearStats> nearStats() {
        return near == null ? Optional.empty() : Optional.of(near.stats());
    }

    @Override
    public ReadStream readStream(CharSequence key, ReadOptions options) {
        return read(readRequest(key, options).build());
    }

    @Override
    public ReadStream follow(CharSequence key) {
        return read(readRequest(key, ReadOptions.DEFAULT).setFollow(true).build());
    }

    private ReadStream read(ReadValueRequest request) {
        if (client.gate().isClosed()) {
            throw Threads.closed();
        }
        return client.gate().disabled() ? new Off.Reading() : new RemoteReadStream(client.calls(), request);
    }

    private ReadValueRequest.Builder readRequest(CharSequence key, ReadOptions options) {
        GetRequest get = Wire.read(name, Key.textOf(key), options).build();
        ReadValueRequest.Builder request = ReadValueRequest.newBuilder()
                .setNamespace(name)
                .setKey(get.getKey())
                .setStalePolicy(get.getStalePolicy())
                .setSlowestTier(get.getSlowestTier());
        return get.hasMaxAge() ? request.setMaxAge(get.getMaxAge()) : request;
    }

    @Override
    public WriteStream writeStream(CharSequence key, WriteOptions options) {
        PutRequest put =
                addressed(Wire.write(options), Key.textOf(key)).setContentType(codec.contentType()).build();
        if (client.gate().isClosed()) {
            throw Threads.closed();
        }
        return client.gate().disabled() ? new Off.Writing() : new RemoteWriteStream(client, put);
    }
}
