package hotplate.spring;

import hotplate.ComputeOptions;
import hotplate.ErrorKind;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Invalidated;
import hotplate.Lookup;
import hotplate.Selector;
import hotplate.Written;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.springframework.cache.support.AbstractValueAdaptingCache;
import org.springframework.cache.support.NullValue;

/**
 * One namespace as Spring's cache. {@link #get(Object, Callable)}, which {@code @Cacheable(sync = true)} calls, is one computation for all
 * processes.
 */
final class HotplateSpringCache<V> extends AbstractValueAdaptingCache {
    private final String name;
    private final HotplateCache<V> cache;
    private final ComputeOptions options;
    private final Function<Object, String> keys;

    HotplateSpringCache(
            String name, HotplateCache<V> cache, ComputeOptions options, Function<Object, String> keys, boolean allowNullValues) {
        super(allowNullValues);
        this.name = name;
        this.cache = cache;
        this.options = options;
        this.keys = keys;
    }

    @Override
    public String getName() {
        return name;
    }

    /** The {@link HotplateCache} beneath. */
    @Override
    public Object getNativeCache() {
        return cache;
    }

    @Override
    protected Object lookup(Object key) {
        return stored(cache.lookup(keys.apply(key)));
    }

    /** A value as Spring keeps it: null stands for nothing found, and something else for null. */
    private Object stored(Lookup<V> found) {
        if (!(found instanceof Lookup.Hit<V> hit)) {
            return null;
        }
        return hit.value() == null ? NullValue.INSTANCE : hit.value();
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T> T get(Object key, Callable<T> loader) {
        try {
            return (T) cache.get(keys.apply(key), text -> checked((V) loader.call()), options);
        } catch (HotplateException failure) {
            throw new ValueRetrievalException(key, loader, cause(failure));
        }
    }

    private V checked(V value) {
        toStoreValue(value);
        return value;
    }

    /** The computation's own failure, where it was here. */
    private static Throwable cause(HotplateException failure) {
        boolean own = failure.kind() == ErrorKind.COMPUTE && failure.getCause() != null;
        return own ? failure.getCause() : failure;
    }

    @Override
    public CompletableFuture<?> retrieve(Object key) {
        return cache.lookupAsync(keys.apply(key)).thenApply(found -> toValueWrapper(stored(found)));
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T> CompletableFuture<T> retrieve(Object key, Supplier<CompletableFuture<T>> loader) {
        CompletableFuture<V> found = cache.getAsync(
                keys.apply(key), text -> loader.get().thenApply(value -> checked((V) value)), options);
        CompletableFuture<T> outer = new CompletableFuture<>();
        found.whenComplete((value, thrown) -> {
            Throwable bare = thrown instanceof CompletionException ? thrown.getCause() : thrown;
            if (bare == null) {
                outer.complete((T) value);
            } else {
                outer.completeExceptionally(bare instanceof HotplateException failure ? cause(failure) : bare);
            }
        });
        outer.whenComplete((value, thrown) -> {
            if (outer.isCancelled()) {
                found.cancel(true);
            }
        });
        return outer;
    }

    @Override
    @SuppressWarnings("unchecked")
    public void put(Object key, Object value) {
        cache.put(keys.apply(key), checked((V) value), options.write());
    }

    @Override
    @SuppressWarnings("unchecked")
    public ValueWrapper putIfAbsent(Object key, Object value) {
        String text = keys.apply(key);
        while (true) {
            Written written = cache.put(text, checked((V) value), options.write().ifAbsent());
            if (!(written instanceof Written.PreconditionFailed)) {
                return null;
            }
            Object there = stored(cache.lookup(text));
            // What was in the way may be gone by now; what it is when it is no value, nobody is told.
            if (there != null) {
                return toValueWrapper(there);
            }
            if (cache.exists(text)) {
                return toValueWrapper(NullValue.INSTANCE);
            }
        }
    }

    @Override
    public void evict(Object key) {
        cache.remove(keys.apply(key));
    }

    @Override
    public boolean evictIfPresent(Object key) {
        return matched(cache.remove(keys.apply(key)));
    }

    @Override
    public void clear() {
        cache.invalidate(Selector.everything());
    }

    @Override
    public boolean invalidate() {
        return matched(cache.invalidate(Selector.everything()));
    }

    private static boolean matched(Invalidated invalidated) {
        return invalidated instanceof Invalidated.Done done && done.matched() > 0;
    }
}
