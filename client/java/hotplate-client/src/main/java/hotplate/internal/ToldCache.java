package hotplate.internal;

import hotplate.AsyncLoader;
import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.HotplateCache;
import hotplate.Invalidated;
import hotplate.ItemResult;
import hotplate.Loader;
import hotplate.Lookup;
import hotplate.NearStats;
import hotplate.Preload;
import hotplate.PreloadOptions;
import hotplate.ReadOptions;
import hotplate.ReadStream;
import hotplate.Refreshing;
import hotplate.Selector;
import hotplate.Telemetry;
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
import hotplate.v1.StatsResponse;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Supplier;

/** A cache whose operations are told to a {@link Telemetry}. What they do lives in {@link RemoteCache}. */
final class ToldCache<V> implements HotplateCache<V> {
    private final HotplateCache<V> inner;
    private final Telemetry telemetry;

    ToldCache(HotplateCache<V> inner, Telemetry telemetry) {
        this.inner = inner;
        this.telemetry = telemetry;
    }

    /** What came of an operation, in a word. */
    private static String word(Object result) {
        if (result instanceof Lookup.Hit<?> hit) {
            return hit.stale() ? "stale" : "hit";
        }
        boolean sealed = result instanceof Lookup<?>
                || result instanceof Written
                || result instanceof Invalidated
                || result instanceof Refreshing;
        if (sealed) {
            String name = result.getClass().getSimpleName();
            return name.replaceAll("(?<=[a-z])(?=[A-Z])", "_").toLowerCase(Locale.ROOT);
        }
        return "ok";
    }

    private static String kind(Throwable thrown) {
        return Async.failure(thrown).kind().name().toLowerCase(Locale.ROOT);
    }

    private static void told(Telemetry.Operation operation, Object result) {
        if (result instanceof Lookup.Hit<?> hit) {
            operation.found(true, hit.tier(), hit.near());
        } else if (result instanceof Lookup<?>) {
            operation.found(false, hotplate.Tier.UNKNOWN, false);
        }
        operation.end(word(result), false);
    }

    private <A> A now(String name, Supplier<A> call) {
        return during(name, operation -> call.get());
    }

    private <A> A during(String name, Function<Telemetry.Operation, A> call) {
        Telemetry.Operation operation = telemetry.begin(name, inner.name());
        A result;
        try {
            result = call.apply(operation);
        } catch (RuntimeException | Error failure) {
            operation.end(kind(failure), true);
            throw failure;
        }
        told(operation, result);
        return result;
    }

    private <A> CompletableFuture<A> later(String name, Function<Telemetry.Operation, CompletableFuture<A>> call) {
        Telemetry.Operation operation = telemetry.begin(name, inner.name());
        CompletableFuture<A> begun;
        try {
            begun = call.apply(operation);
        } catch (RuntimeException | Error failure) {
            operation.end(kind(failure), true);
            throw failure;
        }
        BiConsumer<A, Throwable> ends = (result, failure) -> {
            if (failure == null) {
                told(operation, result);
            } else {
                operation.end(kind(failure), true);
            }
        };
        // The future itself, and not what follows it: giving it up is its caller's leaving.
        begun.whenComplete(ends);
        return begun;
    }

    private <B> HotplateCache<B> same(HotplateCache<B> other) {
        return new ToldCache<>(other, telemetry);
    }

    @Override
    public String name() {
        return inner.name();
    }

    @Override
    public Codec<V> codec() {
        return inner.codec();
    }

    @Override
    public <T> HotplateCache<T> withCodec(Codec<T> codec) {
        return same(inner.withCodec(codec));
    }

    @Override
    public HotplateCache<V> withoutNearCache() {
        return same(inner.withoutNearCache());
    }

    @Override
    public HotplateCache<V> because(String reason) {
        return same(inner.because(reason));
    }

    @Override
    public Lookup<V> lookup(CharSequence key, ReadOptions options) {
        return now("get", () -> inner.lookup(key, options));
    }

    @Override
    public CompletableFuture<Lookup<V>> lookupAsync(CharSequence key, ReadOptions options) {
        return later("get", operation -> inner.lookupAsync(key, options));
    }

    @Override
    public Lookup<V> lookupShared(CharSequence key) {
        return now("get", () -> inner.lookupShared(key));
    }

    @Override
    public List<ItemResult<Lookup<V>>> lookupAll(Collection<? extends CharSequence> keys) {
        return now("get_many", () -> inner.lookupAll(keys));
    }

    @Override
    public CompletableFuture<List<ItemResult<Lookup<V>>>> lookupAllAsync(Collection<? extends CharSequence> keys) {
        return later("get_many", operation -> inner.lookupAllAsync(keys));
    }

    @Override
    public V get(CharSequence key, Loader<? extends V> loader, ComputeOptions options) {
        Objects.requireNonNull(loader, "loader");
        return during(
                "get_or_compute",
                operation -> inner.get(key, text -> operation.within(() -> loader.load(text)), options));
    }

    @Override
    public CompletableFuture<V> getAsync(CharSequence key, AsyncLoader<? extends V> loader, ComputeOptions options) {
        Objects.requireNonNull(loader, "loader");
        return later("get_or_compute", operation -> inner.getAsync(key, within(operation, loader), options));
    }

    private static <T> AsyncLoader<T> within(Telemetry.Operation operation, AsyncLoader<T> loader) {
        return text -> operation.within(() -> loader.load(text));
    }

    @Override
    public Written put(CharSequence key, V value, WriteOptions options) {
        return now("put", () -> inner.put(key, value, options));
    }

    @Override
    public CompletableFuture<Written> putAsync(CharSequence key, V value, WriteOptions options) {
        return later("put", operation -> inner.putAsync(key, value, options));
    }

    @Override
    public Written putNegative(CharSequence key, String reason, String message, WriteOptions options) {
        return now("put_negative", () -> inner.putNegative(key, reason, message, options));
    }

    @Override
    public CompletableFuture<Written> putNegativeAsync(CharSequence key, String reason, String message, WriteOptions options) {
        return later("put_negative", operation -> inner.putNegativeAsync(key, reason, message, options));
    }

    @Override
    public List<ItemResult<Written>> putAll(Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        return now("put_many", () -> inner.putAll(values, options));
    }

    @Override
    public CompletableFuture<List<ItemResult<Written>>> putAllAsync(
            Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        return later("put_many", operation -> inner.putAllAsync(values, options));
    }

    @Override
    public boolean touch(CharSequence key, Ttl ttl) {
        return now("touch", () -> inner.touch(key, ttl));
    }

    @Override
    public CompletableFuture<Boolean> touchAsync(CharSequence key, Ttl ttl) {
        return later("touch", operation -> inner.touchAsync(key, ttl));
    }

    @Override
    public Optional<Duration> ttl(CharSequence key) {
        return now("ttl", () -> inner.ttl(key));
    }

    @Override
    public CompletableFuture<Optional<Duration>> ttlAsync(CharSequence key) {
        return later("ttl", operation -> inner.ttlAsync(key));
    }

    @Override
    public Invalidated invalidate(List<Selector> selectors) {
        return now("invalidate", () -> inner.invalidate(selectors));
    }

    @Override
    public CompletableFuture<Invalidated> invalidateAsync(List<Selector> selectors) {
        return later("invalidate", operation -> inner.invalidateAsync(selectors));
    }

    @Override
    public Invalidated markStale(List<Selector> selectors, Duration spreadOver) {
        return now("mark_stale", () -> inner.markStale(selectors, spreadOver));
    }

    @Override
    public CompletableFuture<Invalidated> markStaleAsync(List<Selector> selectors, Duration spreadOver) {
        return later("mark_stale", operation -> inner.markStaleAsync(selectors, spreadOver));
    }

    @Override
    public Refreshing refresh(List<Selector> selectors, RefreshFrom from) {
        return now("refresh", () -> inner.refresh(selectors, from));
    }

    @Override
    public StatsResponse stats() {
        return now("stats", inner::stats);
    }

    @Override
    public ExplainKeyResponse explain(CharSequence key) {
        return now("explain", () -> inner.explain(key));
    }

    // What lasts as long as its caller likes is no operation with an end.

    @Override
    public Preload preload(List<PreloadItem> items, PreloadOptions options) {
        return inner.preload(items, options);
    }

    @Override
    public Preload joinPreload(String job) {
        return inner.joinPreload(job);
    }

    @Override
    public Watch watch(WatchOptions options) {
        return inner.watch(options);
    }

    @Override
    public Iterable<Entry> entries(Selector... selectors) {
        return inner.entries(selectors);
    }

    @Override
    public Optional<NearStats> nearStats() {
        return inner.nearStats();
    }

    @Override
    public ReadStream readStream(CharSequence key, ReadOptions options) {
        return inner.readStream(key, options);
    }

    @Override
    public ReadStream follow(CharSequence key) {
        return inner.follow(key);
    }

    @Override
    public WriteStream writeStream(CharSequence key, WriteOptions options) {
        return inner.writeStream(key, options);
    }
}
