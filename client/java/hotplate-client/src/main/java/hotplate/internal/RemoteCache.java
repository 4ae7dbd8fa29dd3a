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
import hotplate.v1.BatchGetRequest;
import hotplate.v1.BatchGetResponse;
import hotplate.v1.BatchGetResult;
import hotplate.v1.BatchPutRequest;
import hotplate.v1.BatchPutResponse;
import hotplate.v1.BatchPutResult;
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
import java.util.Optional;
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

    RemoteCache(RemoteHotplate client, String name, Codec<V> codec, boolean readsNear) {
        this.client = client;
        this.name = name;
        this.codec = codec;
        this.readsNear = readsNear;
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
        return new RemoteCache<>(client, name, other, readsNear);
    }

    @Override
    public HotplateCache<V> withoutNearCache() {
        return new RemoteCache<>(client, name, codec, false);
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
    private CompletableFuture<Attempt<GetResponse>> ask(String key, ReadOptions options) {
        GetRequest request = Wire.read(name, key, options).build();
        RemoteHotplate.Fill fill = fill(options);
        return Async.map(client.gate().read(() -> client.whole().get(request)), attempt -> {
            if (attempt.answer() != null) {
                fill.offer(key, attempt.answer());
            }
            return attempt;
        });
    }

    private Lookup<V> found(Attempt<GetResponse> attempt) {
        Lookup<V> found = attempt.away() != null
                ? new Lookup.Miss<>(attempt.away())
                : Wire.lookup(codec, attempt.answer());
        client.read(name, !(found instanceof Lookup.Miss), false);
        return found;
    }

    private Lookup<V> told(Kept kept, boolean shares) {
        client.read(name, true, true);
        return kept.tell(codec, shares, near.now());
    }

    /** What this process keeps of a key and a read with these options may be answered with. */
    private Kept kept(String key, ReadOptions options) {
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
        List<String> texts = new ArrayList<>();
        keys.forEach(key -> texts.add(Key.textOf(key)));
        List<ItemResult<Lookup<V>>> results = new ArrayList<>();
        List<Integer> missing = new ArrayList<>();
        for (String text : texts) {
            Kept kept = kept(text, ReadOptions.DEFAULT);
            if (kept == null) {
                missing.add(results.size());
            }
            results.add(kept == null ? null : item(() -> told(kept, false)));
        }
        for (int from = 0; from < missing.size(); ) {
            List<Integer> some = missing.subList(from, Math.min(missing.size(), from + client.calls().batchItems()));
            List<ItemResult<Lookup<V>>> answered;
            try {
                answered = batch(some.stream().map(texts::get).toList());
            } catch (HotplateException failure) {
                if (Async.await(client.calls().takesFewer(some.size(), failure))) {
                    continue;
                }
                throw failure;
            }
            for (int at = 0; at < some.size(); at++) {
                results.set(some.get(at), answered.get(at));
            }
            from += some.size();
        }
        return results;
    }

    private List<ItemResult<Lookup<V>>> batch(List<String> keys) {
        BatchGetRequest.Builder request = BatchGetRequest.newBuilder().setNamespace(name);
        keys.forEach(key -> request.addItems(Wire.read(name, key, ReadOptions.DEFAULT)));
        RemoteHotplate.Fill fill = fill(ReadOptions.DEFAULT);
        Attempt<BatchGetResponse> attempt =
                Async.await(client.gate().read(() -> client.calls().batchGet(request.build())));
        List<ItemResult<Lookup<V>>> results = new ArrayList<>();
        if (attempt.away() != null) {
            keys.forEach(key -> results.add(item(() -> found(new Attempt<>(null, attempt.away())))));
            return results;
        }
        sameLength(attempt.answer().getResultsCount(), keys.size());
        for (int at = 0; at < keys.size(); at++) {
            String key = keys.get(at);
            BatchGetResult result = attempt.answer().getResults(at);
            if (result.hasError()) {
                results.add(ItemResult.failed(Statuses.of(result.getError())));
            } else if (result.hasResponse() && !result.getResponse().getEntry().hasLarge()) {
                fill.offer(key, result.getResponse());
                results.add(item(() -> found(new Attempt<>(result.getResponse(), null))));
            } else {
                // Left out of a full answer, or too large for one.
                results.add(item(() -> lookup(key, ReadOptions.DEFAULT)));
            }
        }
        return results;
    }

    private static <T> ItemResult<T> item(Supplier<T> result) {
        try {
            return ItemResult.of(result.get());
        } catch (HotplateException failure) {
            return ItemResult.failed(failure);
        }
    }

    private static void sameLength(int answers, int items) {
        if (answers != items) {
            throw new HotplateException(
                    ErrorKind.INTERNAL, "the server answered " + answers + " of " + items + " items of a batch");
        }
    }

    @Override
    public Optional<Duration> ttl(CharSequence key) {
        GetRequest request = Wire.read(name, Key.textOf(key), ReadOptions.DEFAULT.peeking())
                .setView(EntryView.ENTRY_VIEW_METADATA)
                .build();
        GetResponse response = Async.await(client.gate().read(() -> client.calls().get(request))).answer();
        boolean there = response != null
                && response.getEntry().hasMetadata()
                && (response.getOutcome() == GetOutcome.GET_OUTCOME_HIT
                        || response.getOutcome() == GetOutcome.GET_OUTCOME_NEGATIVE);
        return there ? Optional.of(Wire.duration(response.getEntry().getMetadata().getFreshFor())) : Optional.empty();
    }

    // --- computing

    @Override
    public V get(CharSequence key, Loader<? extends V> loader, ComputeOptions options) {
        return Async.await(computed(key, options, text -> (here, atEnd) -> client.threads()
                .compute(() -> Within.run(here, () -> called(() -> loader.load(text))), atEnd)));
    }

    @Override
    public CompletableFuture<V> getAsync(CharSequence key, AsyncLoader<? extends V> loader, ComputeOptions options) {
        CompletableFuture<V> computed;
        try {
            computed = computed(key, options, text -> (here, atEnd) -> begun(here, () -> loader.load(text), atEnd));
        } catch (HotplateException failure) {
            computed = Async.failed(failure);
        }
        return Async.on(client.threads().calls(), computed);
    }

    private CompletableFuture<V> computed(CharSequence key, ComputeOptions options, Function<String, Computation.Work<V>> work) {
        String text = Key.textOf(key);
        if (options.mode() == CacheMode.BYPASS) {
            return work.apply(text).begin(client.flights().alone(), () -> {});
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
        Computation<V> computation = new Computation<>(this, text, options, work.apply(text));
        return client.flights().join(new Flights.Key(name, text, refresh, codec), computation::run);
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

    /** Calls what computes, and makes its failure one of kind COMPUTE. */
    private static <T> T called(Throwing<T> compute) {
        try {
            return compute.get();
        } catch (Throwable thrown) {
            throw failed(thrown);
        }
    }

    /** Begins what computes without a thread, away from the network's threads. */
    private CompletableFuture<V> begun(Within.Here here, Throwing<CompletionStage<? extends V>> compute, Runnable atEnd) {
        CompletableFuture<V> value = new CompletableFuture<>();
        AtomicReference<CompletableFuture<?>> running = new AtomicReference<>();
        value.whenComplete((result, failure) -> {
            atEnd.run();
            cancelWith(value, running);
        });
        client.threads().work().execute(() -> {
            if (value.isDone()) {
                return;
            }
            try {
                CompletableFuture<? extends V> stage = Within.run(here, () -> called(compute)).toCompletableFuture();
                running.set(stage);
                // Given up while it was begun.
                cancelWith(value, running);
                stage.whenComplete((result, thrown) -> {
                    if (thrown == null) {
                        value.complete(result);
                    } else {
                        value.completeExceptionally(failed(thrown));
                    }
                });
            } catch (Throwable thrown) {
                value.completeExceptionally(thrown instanceof HotplateException ? thrown : failed(thrown));
            }
        });
        return value;
    }

    private static void cancelWith(CompletableFuture<?> value, AtomicReference<CompletableFuture<?>> running) {
        CompletableFuture<?> stage = running.get();
        if (value.isCancelled() && stage != null) {
            stage.cancel(true);
        }
    }

    /** What a computation's failure is to its callers. Of an error that no program handles, the text may hold what was computed with. */
    private static HotplateException failed(Throwable thrown) {
        Throwable bare = thrown;
        while (bare instanceof java.util.concurrent.CompletionException && bare.getCause() != null) {
            bare = bare.getCause();
        }
        if (bare instanceof Error) {
            LOG.log(System.Logger.Level.ERROR, "a computation panicked: {0}", bare.getClass().getName());
            return new HotplateException(ErrorKind.COMPUTE, "the computation panicked");
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
        try {
            return Async.on(client.threads().calls(), send(putRequest(Key.textOf(key), value, options)));
        } catch (HotplateException failure) {
            return Async.failed(failure);
        }
    }

    @Override
    public Written putNegative(CharSequence key, String reason, String message, WriteOptions options) {
        PutRequest request = addressed(Wire.write(options), Key.textOf(key))
                .setNegative(Negative.newBuilder().setReason(reason).setMessage(message))
                .build();
        return Async.await(send(request));
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
        return write.covering(Async.map(client.gate().write(() -> client.whole().put(request)), attempt -> {
            write.settle(attempt);
            // Who asks from now on gets no value that was looked up before this write was answered.
            client.flights().outdate(name, request.getKey());
            return written(attempt.answer() == null ? null : Wire.written(attempt.answer()), attempt.away());
        }));
    }

    private Written written(Written answer, MissReason away) {
        Written written = away != null ? new Written.Dropped(away) : answer;
        if (written.isStored()) {
            client.settings().metrics().stored(name);
        }
        return written;
    }

    @Override
    public List<ItemResult<Written>> putAll(Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        List<PutRequest> requests = new ArrayList<>();
        values.forEach((key, value) -> requests.add(putRequest(Key.textOf(key), value, options)));
        List<ItemResult<Written>> results = new ArrayList<>();
        while (results.size() < requests.size()) {
            int from = results.size();
            List<PutRequest> some =
                    requests.subList(from, Math.min(requests.size(), from + client.calls().batchItems()));
            try {
                results.addAll(putBatch(some));
            } catch (HotplateException failure) {
                if (!Async.await(client.calls().takesFewer(some.size(), failure))) {
                    throw failure;
                }
            }
        }
        return results;
    }

    private List<ItemResult<Written>> putBatch(List<PutRequest> items) {
        BatchPutRequest request = BatchPutRequest.newBuilder().setNamespace(name).addAllItems(items).build();
        List<NearSet> sets = items.stream().map(item -> NearSet.key(item.getKey())).toList();
        RemoteHotplate.OwnWrite write = client.ownWrite(name, sets);
        Attempt<BatchPutResponse> attempt;
        try {
            attempt = Async.await(client.gate().write(() -> client.calls().batchPut(request)));
            write.settle(attempt);
        } finally {
            write.unknown();
        }
        items.forEach(item -> client.flights().outdate(name, item.getKey()));
        List<ItemResult<Written>> results = new ArrayList<>();
        if (attempt.away() != null) {
            items.forEach(item -> results.add(ItemResult.of(new Written.Dropped(attempt.away()))));
            return results;
        }
        sameLength(attempt.answer().getResultsCount(), items.size());
        for (BatchPutResult result : attempt.answer().getResultsList()) {
            results.add(
                    result.hasError()
                            ? ItemResult.failed(Statuses.of(result.getError()))
                            : ItemResult.of(written(Wire.written(result.getResponse()), null)));
        }
        return results;
    }

    @Override
    public boolean touch(CharSequence key, Ttl ttl) {
        TouchRequest request = TouchRequest.newBuilder()
                .setNamespace(name)
                .setKey(Key.textOf(key))
                .setExpiration(Wire.expiration(WriteOptions.ttl(ttl)))
                .build();
        RemoteHotplate.OwnWrite write = client.ownWrite(name, List.of(NearSet.key(request.getKey())));
        return Async.await(write.covering(Async.map(client.gate().write(() -> client.calls().touch(request)), attempt -> {
            write.settle(attempt);
            TouchOutcome outcome = attempt.answer() == null ? null : attempt.answer().getOutcome();
            return outcome == TouchOutcome.TOUCH_OUTCOME_TOUCHED || outcome == TouchOutcome.TOUCH_OUTCOME_UNCHANGED;
        })));
    }

    // --- invalidation

    @Override
    public Invalidated invalidate(List<Selector> selectors) {
        return Async.await(dropped(selectors, InvalidateRequest.newBuilder()));
    }

    @Override
    public CompletableFuture<Invalidated> invalidateAsync(List<Selector> selectors) {
        return Async.on(client.threads().calls(), dropped(selectors, InvalidateRequest.newBuilder()));
    }

    @Override
    public Invalidated markStale(List<Selector> selectors, Duration spreadOver) {
        InvalidateRequest.Builder how =
                InvalidateRequest.newBuilder().setMode(InvalidateMode.INVALIDATE_MODE_MARK_STALE);
        if (spreadOver != null) {
            how.setSpreadOver(Wire.duration("spread_over", spreadOver));
        }
        return Async.await(dropped(selectors, how));
    }

    private CompletableFuture<Invalidated> dropped(List<Selector> selectors, InvalidateRequest.Builder how) {
        if (client.gate().disabled()) {
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
        if (client.gate().disabled()) {
            client.flights().outdate(name);
            return new Refreshing.Disabled();
        }
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
                .build();
        client.flights().outdate(name);
        // What was made from what is named goes as well, and this client is not told of what it does itself.
        List<NearSet> sets = new ArrayList<>(request.getSelectorsList().stream().map(NearSet::of).toList());
        sets.add(new NearSet.Dependents());
        RemoteHotplate.OwnWrite write = client.ownWrite(name, sets);
        return write.covering(Async.map(client.gate().invalidate(request), response -> {
            if (response != null) {
                write.answered();
                // What was looked up between the first time and the answer may still be what was dropped.
                client.flights().outdate(name);
                client.settings().metrics().invalidated(name);
            }
            return response;
        }));
    }

    // --- streams and words about the namespace

    @Override
    public Preload preload(List<PreloadItem> items, PreloadOptions options) {
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
        return new RemotePreload(
                client.calls(), PreloadRequest.newBuilder().setNamespace(name).setJobId(job).build());
    }

    @Override
    public Watch watch(WatchOptions options) {
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
        return Async.await(client.calls().stats(StatsRequest.newBuilder().setNamespace(name).build()));
    }

    @Override
    public Iterable<Entry> entries(Selector... selectors) {
        ListEntriesRequest request = ListEntriesRequest.newBuilder()
                .setNamespace(name)
                .addAllSelectors(Selector.toWire(List.of(selectors)))
                .build();
        return () -> new Pages(client.calls(), request);
    }

    @Override
    public ExplainKeyResponse explain(CharSequence key) {
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
        return new RemoteReadStream(client.calls(), readRequest(key, options).build());
    }

    @Override
    public ReadStream follow(CharSequence key) {
        return new RemoteReadStream(
                client.calls(), readRequest(key, ReadOptions.DEFAULT).setFollow(true).build());
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
        return new RemoteWriteStream(client, put);
    }
}
