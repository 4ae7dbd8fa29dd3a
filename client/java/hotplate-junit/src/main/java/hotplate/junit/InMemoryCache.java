package hotplate.junit;

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
import hotplate.NearStats;
import hotplate.Preload;
import hotplate.PreloadOptions;
import hotplate.ReadOptions;
import hotplate.ReadStream;
import hotplate.Refreshing;
import hotplate.Selector;
import hotplate.Tier;
import hotplate.Ttl;
import hotplate.Watch;
import hotplate.WatchOptions;
import hotplate.WriteOptions;
import hotplate.WriteStream;
import hotplate.Written;
import hotplate.internal.Interruptions;
import hotplate.v1.Entry;
import hotplate.v1.ExplainKeyResponse;
import hotplate.v1.PreloadItem;
import hotplate.v1.RefreshFrom;
import hotplate.v1.StatsGroup;
import hotplate.v1.StatsResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** One namespace of an {@link InMemoryHotplate}. */
final class InMemoryCache<V> implements HotplateCache<V> {
    /** What is being computed on this thread. */
    private static final ThreadLocal<Set<Computing>> RUNNING = ThreadLocal.withInitial(HashSet::new);

    private static final System.Logger LOG = System.getLogger("hotplate");
    private static final String COMPUTE_FAILED = "COMPUTE_FAILED";
    private static final int SELECTORS_MAX = 128;

    private final String name;
    private final Shelf shelf;
    private final Codec<V> codec;

    /** What callers share a computation by: also what they accept. */
    private record Computing(
            Shelf shelf, String key, Codec<?> codec, Duration maxAge, boolean staleWhileRevalidate, boolean perProcess) {}

    InMemoryCache(String name, Shelf shelf, Codec<V> codec) {
        this.name = name;
        this.shelf = shelf;
        this.codec = codec;
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
        return new InMemoryCache<>(name, shelf, other);
    }

    @Override
    public HotplateCache<V> withoutNearCache() {
        return this;
    }

    /** Nobody is told of reasons here. */
    @Override
    public HotplateCache<V> because(String reason) {
        return this;
    }

    @Override
    public Lookup<V> lookup(CharSequence key, ReadOptions options) {
        String text = Key.textOf(key);
        Shelf.Item item = shelf.get(text, options.acceptStale(), options.maxAge(), !options.peek());
        return item == null ? new Lookup.Miss<>(shelf.whyNot(text, options.maxAge())) : told(item);
    }

    private Lookup<V> told(Shelf.Item item) {
        long now = shelf.now();
        Duration fresh = Duration.ofNanos(Math.max(0, item.freshUntil() - now));
        if (item.bytes() == null) {
            return new Lookup.Negative<>(item.reason(), item.message(), fresh);
        }
        return new Lookup.Hit<>(
                codec.decodeChecked(item.contentType(), "", item.bytes().clone()),
                !item.fresh(now),
                false,
                Tier.MEMORY,
                Duration.ofNanos(now - item.storedAt()),
                fresh,
                Duration.ofNanos(item.usableUntil() - now),
                item.etag(),
                null);
    }

    @Override
    public CompletableFuture<Lookup<V>> lookupAsync(CharSequence key, ReadOptions options) {
        try {
            return CompletableFuture.completedFuture(lookup(key, options));
        } catch (HotplateException failure) {
            return CompletableFuture.failedFuture(failure);
        }
    }

    @Override
    public Lookup<V> lookupShared(CharSequence key) {
        return lookup(key);
    }

    @Override
    public List<ItemResult<Lookup<V>>> lookupAll(Collection<? extends CharSequence> keys) {
        List<ItemResult<Lookup<V>>> results = new ArrayList<>();
        for (CharSequence key : keys) {
            try {
                results.add(ItemResult.of(lookup(key)));
            } catch (HotplateException failure) {
                results.add(ItemResult.failed(failure));
            }
        }
        return results;
    }

    @Override
    public CompletableFuture<List<ItemResult<Lookup<V>>>> lookupAllAsync(Collection<? extends CharSequence> keys) {
        return CompletableFuture.completedFuture(lookupAll(keys));
    }

    @Override
    public V get(CharSequence key, Loader<? extends V> loader, ComputeOptions options) {
        try {
            return getAsync(key, text -> CompletableFuture.completedFuture(loader.load(text)), options).join();
        } catch (CompletionException failed) {
            throw failed.getCause() instanceof HotplateException own ? own : failed(failed.getCause());
        }
    }

    @Override
    @SuppressWarnings("unchecked")
    public CompletableFuture<V> getAsync(CharSequence key, AsyncLoader<? extends V> loader, ComputeOptions options) {
        String text;
        try {
            text = Key.textOf(key);
        } catch (HotplateException unfit) {
            return CompletableFuture.failedFuture(unfit);
        }
        Computing computing = new Computing(
                shelf, text, codec, options.maxAge(), options.staleWhileRevalidate(), options.perProcess());
        boolean shares = options.mode() == CacheMode.USE;
        if (shares && RUNNING.get().stream().anyMatch(one -> one.shelf == shelf && one.key.equals(text))) {
            return CompletableFuture.failedFuture(new HotplateException(
                    ErrorKind.INVALID_ARGUMENT, "this computation asks for what waits for it: both would wait for ever"));
        }
        Shelf.Running mine = new Shelf.Running();
        Shelf.Running shared = null;
        Found<V> found;
        // What is there and what is being computed is one look: in between, somebody could have stored it.
        synchronized (shelf) {
            found = found(text, options);
            if (found == null) {
                shared = shares ? shelf.computations.putIfAbsent(computing, mine) : null;
                (shared == null ? mine : shared).waiters++;
            }
        }
        // What computes may wait for other threads, which read here.
        if (found != null && found.renewing() != null) {
            compute(renewing(text), found.renewing(), loader, options);
        }
        if (found != null) {
            return found.told();
        }
        Shelf.Running joined = shared == null ? mine : shared;
        CompletableFuture<Object> place = joined.outcome.copy();
        place.whenComplete((value, failure) -> leave(computing, joined));
        if (shared == null) {
            compute(computing, mine, loader, options);
        }
        CompletableFuture<V> told = new CompletableFuture<>();
        place.whenComplete((value, failure) -> tell(told, text, (V) value, failure, options));
        told.whenComplete((value, failure) -> place.cancel(true));
        return told;
    }

    /** What a caller is told without computing, and the computation of the next value that it has to begin; null for none. */
    private record Found<V>(CompletableFuture<V> told, Shelf.Running renewing) {
        static <V> Found<V> failed(HotplateException failure) {
            return new Found<>(CompletableFuture.failedFuture(failure), null);
        }
    }

    /** What there is without computing; null for nothing. */
    private Found<V> found(String key, ComputeOptions options) {
        if (options.mode() != CacheMode.USE && options.mode() != CacheMode.ONLY) {
            return null;
        }
        Lookup<V> found;
        try {
            found = lookup(key, new ReadOptions(options.staleWhileRevalidate(), options.maxAge(), false, Tier.UNKNOWN));
        } catch (HotplateException unreadable) {
            if (options.mode() == CacheMode.ONLY) {
                return Found.failed(unreadable);
            }
            return null;
        }
        if (found instanceof Lookup.Hit<V> hit) {
            boolean renews = hit.stale() && options.mode() == CacheMode.USE;
            return new Found<>(CompletableFuture.completedFuture(hit.value()), renews ? renew(key) : null);
        } else if (found instanceof Lookup.Negative<V> negative) {
            boolean failed = negative.reason().equals(COMPUTE_FAILED);
            String said = failed ? negative.message() : "remembered as absent: " + negative.message();
            return Found.failed(
                    new HotplateException(failed ? ErrorKind.COMPUTE : ErrorKind.NOT_FOUND, said).withReason(negative.reason()));
        } else if (options.mode() == CacheMode.ONLY) {
            return Found.failed(
                    new HotplateException(ErrorKind.NOT_FOUND, "it is not in the cache").withReason("NOT_CACHED"));
        }
        return null;
    }

    private Computing renewing(String key) {
        return new Computing(shelf, key, codec, null, false, false);
    }

    /**
     * Takes the turn to compute the next value of a stale one, which the caller does on its own thread before it goes on; null: someone else
     * has it.
     */
    private Shelf.Running renew(String key) {
        Shelf.Running running = new Shelf.Running();
        running.waiters = 1;
        return shelf.computations.putIfAbsent(renewing(key), running) == null ? running : null;
    }

    /** What one caller gets: in place of a failure a stale value, where it accepts that. */
    private void tell(CompletableFuture<V> told, String key, V value, Throwable failure, ComputeOptions options) {
        if (failure == null) {
            told.complete(value);
            return;
        }
        Throwable bare = failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        boolean accepts = options.staleIfError() && options.mode() == CacheMode.USE;
        Lookup<V> stale = accepts && !cancelled(bare) ? stale(key, options) : null;
        if (stale instanceof Lookup.Hit<V> hit) {
            told.complete(hit.value());
        } else {
            told.completeExceptionally(bare);
        }
    }

    private static boolean cancelled(Throwable failure) {
        return failure instanceof HotplateException own && own.kind() == ErrorKind.CANCELLED;
    }

    /** What may be used in place of a failure; null where this codec cannot read it. */
    private Lookup<V> stale(String key, ComputeOptions options) {
        try {
            return lookup(key, ReadOptions.DEFAULT.acceptingStale().maxAge(options.maxAge()));
        } catch (HotplateException unreadable) {
            LOG.log(System.Logger.Level.WARNING, "a computation failed and the stale value cannot be read: {0}", unreadable.brief());
            return null;
        }
    }

    private void leave(Computing computing, Shelf.Running running) {
        CompletableFuture<?> end = null;
        synchronized (shelf) {
            if (--running.waiters == 0 && !running.outcome.isDone()) {
                shelf.computations.remove(computing, running);
                end = running.stage;
            }
        }
        if (end != null) {
            end.cancel(true);
        }
    }

    private void compute(
            Computing computing, Shelf.Running mine, AsyncLoader<? extends V> loader, ComputeOptions options) {
        CompletableFuture<? extends V> value;
        boolean outermost = RUNNING.get().add(computing);
        try {
            value = loader.load(computing.key).toCompletableFuture();
        } catch (Throwable thrown) {
            if (Interruptions.ended(thrown)) {
                // Who asked to end it asked this thread: the caller is to see that, too.
                Thread.currentThread().interrupt();
            }
            value = CompletableFuture.failedFuture(thrown);
        } finally {
            if (outermost) {
                RUNNING.get().remove(computing);
            }
        }
        synchronized (shelf) {
            mine.stage = value;
        }
        value.whenComplete((result, thrown) -> {
            HotplateException failure = thrown == null ? null : failed(thrown);
            settle(computing, mine, result, failure, options);
            if (failure == null) {
                mine.outcome.complete(result);
            } else {
                mine.outcome.completeExceptionally(failure);
            }
        });
    }

    /** Stores what was computed, in one step with the end of the computation: in between, somebody could begin another. */
    private void settle(Computing computing, Shelf.Running mine, V result, HotplateException failure, ComputeOptions options) {
        synchronized (shelf) {
            boolean current = shelf.computations.remove(computing, mine);
            Long held = shelf.heldOff.get(computing.key);
            boolean free = held == null || shelf.now() - held >= 0;
            boolean stores = options.mode() == CacheMode.REFRESH || current && free;
            if (stores && failure != null && !cancelled(failure)) {
                remember(computing.key, failure, options);
            } else if (stores && failure == null) {
                try {
                    put(computing.key, result, options.write());
                } catch (HotplateException unstored) {
                    // As with a server, storing is best effort: its failure is never the caller's.
                    LOG.log(System.Logger.Level.WARNING, "a computed value could not be stored: {0}", unstored.brief());
                }
            }
        }
    }

    /** A failure keeps others from trying, as was asked for; never in place of a value that may still be used. */
    private void remember(String key, HotplateException failure, ComputeOptions options) {
        synchronized (shelf) {
            if (options.rememberFailure() != null) {
                if (shelf.get(key, true, null, false) == null) {
                    String[] negative = {COMPUTE_FAILED, failure.text()};
                    write(key, null, "", negative, options.write().withTtl(options.rememberFailure()));
                }
            } else if (options.holdOff() != null) {
                shelf.heldOff.put(key, shelf.now() + options.holdOff().toNanos());
            }
        }
    }

    private static HotplateException failed(Throwable thrown) {
        Throwable bare = thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
        if (bare instanceof java.util.concurrent.CancellationException) {
            return new HotplateException(ErrorKind.CANCELLED, "given up");
        } else if (Interruptions.ended(bare)) {
            return Interruptions.cancelled(bare);
        }
        String text = bare instanceof Error ? "the computation panicked" : String.valueOf(bare.getMessage());
        return new HotplateException(ErrorKind.COMPUTE, text, bare);
    }

    @Override
    public Written put(CharSequence key, V value, WriteOptions options) {
        byte[] bytes = codec.encodeChecked(value).clone();
        return write(Key.textOf(key), bytes, codec.contentType(), null, options);
    }

    private Written write(String key, byte[] bytes, String contentType, String[] negative, WriteOptions options) {
        synchronized (shelf) {
            Shelf.Item inTheWay = shelf.inTheWay(key, options);
            if (inTheWay != null) {
                return new Written.PreconditionFailed(inTheWay.etag());
            }
            Shelf.Item before = shelf.get(key, true, null, false);
            Shelf.Item stored = shelf.put(key, bytes, contentType, negative, options);
            boolean same = before != null && before.etag().equals(stored.etag());
            return same ? new Written.Refreshed(stored.etag()) : new Written.Stored(stored.etag());
        }
    }

    @Override
    public CompletableFuture<Written> putAsync(CharSequence key, V value, WriteOptions options) {
        try {
            return CompletableFuture.completedFuture(put(key, value, options));
        } catch (HotplateException failure) {
            return CompletableFuture.failedFuture(failure);
        }
    }

    @Override
    public Written putNegative(CharSequence key, String reason, String message, WriteOptions options) {
        return write(Key.textOf(key), null, "", new String[] {reason, message}, options);
    }

    @Override
    public List<ItemResult<Written>> putAll(Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        List<ItemResult<Written>> results = new ArrayList<>();
        values.forEach((key, value) -> {
            try {
                results.add(ItemResult.of(put(key, value, options)));
            } catch (HotplateException failure) {
                results.add(ItemResult.failed(failure));
            }
        });
        return results;
    }

    @Override
    public CompletableFuture<List<ItemResult<Written>>> putAllAsync(
            Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        return CompletableFuture.completedFuture(putAll(values, options));
    }

    @Override
    public CompletableFuture<Written> putNegativeAsync(CharSequence key, String reason, String message, WriteOptions options) {
        return begun(() -> putNegative(key, reason, message, options));
    }

    @Override
    public CompletableFuture<Boolean> touchAsync(CharSequence key, Ttl ttl) {
        return begun(() -> touch(key, ttl));
    }

    @Override
    public CompletableFuture<Optional<Duration>> ttlAsync(CharSequence key) {
        return begun(() -> ttl(key));
    }

    @Override
    public CompletableFuture<Invalidated> markStaleAsync(List<Selector> selectors, Duration spreadOver) {
        return begun(() -> markStale(selectors, spreadOver));
    }

    private static <A> CompletableFuture<A> begun(java.util.function.Supplier<A> call) {
        try {
            return CompletableFuture.completedFuture(call.get());
        } catch (HotplateException failure) {
            return CompletableFuture.failedFuture(failure);
        }
    }

    @Override
    public boolean touch(CharSequence key, Ttl ttl) {
        return shelf.touch(Key.textOf(key), ttl);
    }

    @Override
    public Optional<Duration> ttl(CharSequence key) {
        Shelf.Item item = shelf.get(Key.textOf(key), false, null, false);
        return Optional.ofNullable(item).map(some -> Duration.ofNanos(some.freshUntil() - shelf.now()));
    }

    private static List<Selector> checked(List<Selector> selectors) {
        if (selectors.isEmpty() || selectors.size() > SELECTORS_MAX) {
            throw HotplateException.invalid("selectors", "there have to be 1 to 128 selectors");
        }
        return selectors;
    }

    @Override
    public Invalidated invalidate(List<Selector> selectors) {
        return new Invalidated.Done(shelf.invalidate(checked(selectors), false));
    }

    @Override
    public CompletableFuture<Invalidated> invalidateAsync(List<Selector> selectors) {
        return begun(() -> invalidate(selectors));
    }

    @Override
    public Invalidated markStale(List<Selector> selectors, Duration spreadOver) {
        return new Invalidated.Done(shelf.invalidate(checked(selectors), true));
    }

    @Override
    public StatsResponse stats() {
        synchronized (shelf) {
            StatsGroup.Builder total = StatsGroup.newBuilder()
                    .setHits(shelf.hits)
                    .setPuts(shelf.puts)
                    .setEntryCount(shelf.size());
            total.addMissesBuilder().setCount(shelf.misses);
            return StatsResponse.newBuilder().setTotal(total).build();
        }
    }

    @Override
    public Iterable<Entry> entries(Selector... selectors) {
        return shelf.entries(List.of(selectors));
    }

    @Override
    public Optional<NearStats> nearStats() {
        return Optional.empty();
    }

    private static HotplateException absent(String what) {
        return new HotplateException(
                ErrorKind.UNIMPLEMENTED, "the cache in memory has no " + what + ": start a server with @HotplateServer");
    }

    @Override
    public Refreshing refresh(List<Selector> selectors, RefreshFrom from) {
        throw absent("origins");
    }

    @Override
    public Preload preload(List<PreloadItem> items, PreloadOptions options) {
        throw absent("origins");
    }

    @Override
    public Preload joinPreload(String job) {
        throw absent("origins");
    }

    @Override
    public Watch watch(WatchOptions options) {
        throw absent("watches");
    }

    @Override
    public ExplainKeyResponse explain(CharSequence key) {
        throw absent("history");
    }

    @Override
    public ReadStream readStream(CharSequence key, ReadOptions options) {
        throw absent("streams");
    }

    @Override
    public ReadStream follow(CharSequence key) {
        throw absent("streams");
    }

    @Override
    public WriteStream writeStream(CharSequence key, WriteOptions options) {
        throw absent("streams");
    }
}
