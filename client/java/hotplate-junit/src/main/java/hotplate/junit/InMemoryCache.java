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

    private final String name;
    private final Shelf shelf;
    private final Codec<V> codec;

    /** What callers share a computation by. */
    private record Computing(String key, Codec<?> codec) {}

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
                item.etag());
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
        String text = Key.textOf(key);
        if (options.mode() == CacheMode.USE || options.mode() == CacheMode.ONLY) {
            Lookup<V> found = lookup(text, new ReadOptions(options.staleWhileRevalidate(), options.maxAge(), false, Tier.UNKNOWN));
            if (found instanceof Lookup.Hit<V> hit) {
                return CompletableFuture.completedFuture(hit.value());
            } else if (found instanceof Lookup.Negative<V> negative) {
                return CompletableFuture.failedFuture(new HotplateException(
                                ErrorKind.NOT_FOUND, "remembered as absent: " + negative.message())
                        .withReason(negative.reason()));
            } else if (options.mode() == CacheMode.ONLY) {
                return CompletableFuture.failedFuture(
                        new HotplateException(ErrorKind.NOT_FOUND, "it is not in the cache").withReason("NOT_CACHED"));
            }
        }
        Computing computing = new Computing(text, codec);
        if (options.mode() == CacheMode.USE && RUNNING.get().contains(computing)) {
            return CompletableFuture.failedFuture(new HotplateException(
                    ErrorKind.INVALID_ARGUMENT, "this computation asks for what waits for it: both would wait for ever"));
        }
        CompletableFuture<Object> mine = new CompletableFuture<>();
        CompletableFuture<Object> shared;
        synchronized (shelf) {
            shared = options.mode() == CacheMode.USE ? shelf.computations.putIfAbsent(computing, mine) : null;
        }
        if (shared == null) {
            compute(computing, mine, loader, options);
        }
        return (CompletableFuture<V>) (shared == null ? mine : shared).copy();
    }

    private void compute(
            Computing computing, CompletableFuture<Object> mine, AsyncLoader<? extends V> loader, ComputeOptions options) {
        CompletableFuture<? extends V> value;
        boolean outermost = RUNNING.get().add(computing);
        try {
            value = loader.load(computing.key).toCompletableFuture();
        } catch (Throwable thrown) {
            value = CompletableFuture.failedFuture(thrown);
        } finally {
            if (outermost) {
                RUNNING.get().remove(computing);
            }
        }
        value.whenComplete((result, thrown) -> {
            boolean stores;
            synchronized (shelf) {
                boolean shared = options.mode() == CacheMode.USE;
                stores = options.mode() == CacheMode.REFRESH || shared && shelf.computations.remove(computing, mine);
            }
            if (thrown != null) {
                mine.completeExceptionally(failed(thrown));
                return;
            }
            if (stores) {
                put(computing.key, result, options.write());
            }
            mine.complete(result);
        });
    }

    private static HotplateException failed(Throwable thrown) {
        Throwable bare = thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
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
        values.forEach((key, value) -> results.add(ItemResult.of(put(key, value, options))));
        return results;
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

    @Override
    public Invalidated invalidate(List<Selector> selectors) {
        return new Invalidated.Done(shelf.invalidate(selectors, false));
    }

    @Override
    public CompletableFuture<Invalidated> invalidateAsync(List<Selector> selectors) {
        return CompletableFuture.completedFuture(invalidate(selectors));
    }

    @Override
    public Invalidated markStale(List<Selector> selectors, Duration spreadOver) {
        return new Invalidated.Done(shelf.invalidate(selectors, true));
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
