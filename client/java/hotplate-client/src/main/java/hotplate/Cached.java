package hotplate;

import java.util.Collections;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/**
 * A function whose results are kept under a key prefix: each under the prefix and a hash of the argument ({@link Key#arguments}). Every call is
 * a {@link HotplateCache#get(CharSequence, Loader, ComputeOptions)}.
 *
 * <pre>{@code
 * Cached<Lap, Guidance> guidance = Cached.of(cache, Key.of("guidance", "v2"), ComputeOptions.ttl(Ttl.MEDIUM), this::compute);
 * Guidance some = guidance.apply(new Lap("Monza", "M4"));
 * }</pre>
 *
 * @param <A> type of the argument: text, a number, a record, a collection of such
 * @param <V> type of the results
 */
public final class Cached<A, V> implements Function<A, V> {
    private final HotplateCache<V> cache;
    private final Key prefix;
    private final ComputeOptions options;
    private final Function<? super A, ? extends V> function;

    private Cached(HotplateCache<V> cache, Key prefix, ComputeOptions options, Function<? super A, ? extends V> function) {
        this.cache = cache;
        this.prefix = prefix;
        this.options = options;
        this.function = function;
    }

    /** Wraps a function. What it depends on besides its argument must be part of the prefix, such as a version. */
    public static <A, V> Cached<A, V> of(
            HotplateCache<V> cache, Key prefix, ComputeOptions options, Function<? super A, ? extends V> function) {
        prefix.render();
        return new Cached<>(cache, prefix, options, function);
    }

    /** The result for an argument, from the cache or from the function. */
    @Override
    public V apply(A argument) {
        return with(argument, options);
    }

    /** The same without keeping or reading anything. */
    public V bypass(A argument) {
        return with(argument, options.mode(CacheMode.BYPASS));
    }

    /** The result, computed and stored anew. */
    public V refresh(A argument) {
        return with(argument, options.mode(CacheMode.REFRESH));
    }

    private V with(A argument, ComputeOptions how) {
        return cache.get(key(argument), text -> function.apply(argument), how);
    }

    /** The result for an argument, as soon as it is there. The function runs on {@code executor}. */
    public CompletableFuture<V> applyAsync(A argument, java.util.concurrent.Executor executor) {
        return cache.getAsync(
                key(argument), text -> CompletableFuture.supplyAsync(() -> function.apply(argument), executor), options);
    }

    /**
     * The key of an argument's result.
     *
     * @throws HotplateException INVALID_ARGUMENT for an argument that has no form without loss
     */
    public String key(A argument) {
        return prefix.arguments(Collections.singletonList(argument)).render();
    }

    /** Drops the result for an argument. */
    public Invalidated forget(A argument) {
        return cache.remove(key(argument));
    }

    /** What selects all results of this function. */
    public Selector all() {
        return Selector.prefix(prefix.render() + ":");
    }
}
