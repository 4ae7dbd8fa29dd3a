package hotplate.spring;

import hotplate.ComputeOptions;
import hotplate.ErrorKind;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Invalidated;
import hotplate.Lookup;
import hotplate.ReadOptions;
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
 * processes, on the thread of the caller that began it. What is stored and cannot be read, such as the results of a class that has changed
 * since, is computed and stored anew.
 */
final class HotplateSpringCache<V> extends AbstractValueAdaptingCache {
    private static final System.Logger LOG = System.getLogger("hotplate");
    /** How often what is in the way of a new value may be gone again when it is looked at. */
    private static final int ABSENT_TRIES = 3;

    private final String name;
    private final HotplateCache<V> cache;
    private final ComputeOptions options;
    private final Function<Object, String> keys;

    HotplateSpringCache(
            String name, HotplateCache<V> cache, ComputeOptions options, Function<Object, String> keys, boolean allowNullValues) {
        super(allowNullValues);
        this.name = name;
        this.cache = cache;
        this.options = options.callersThread(true);
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
        try {
            return stored(cache.lookup(keys.apply(key)));
        } catch (HotplateException failure) {
            return unreadable(failure);
        }
    }

    /** Nothing, for a value that cannot be read; any other failure is the caller's. */
    private static Object unreadable(HotplateException failure) {
        if (failure.kind() != ErrorKind.CODEC) {
            throw failure;
        }
        LOG.log(System.Logger.Level.WARNING, "a stored value cannot be read by this codec, and is taken for none");
        return null;
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

    /** The computation's own failure, where it was here; also that it was interrupted. */
    private static Throwable cause(HotplateException failure) {
        boolean computing = failure.kind() == ErrorKind.COMPUTE || failure.kind() == ErrorKind.CANCELLED;
        return computing && failure.getCause() != null ? failure.getCause() : failure;
    }

    @Override
    public CompletableFuture<?> retrieve(Object key) {
        return cache.lookupAsync(keys.apply(key)).handle((found, thrown) -> {
            if (thrown == null) {
                return toValueWrapper(stored(found));
            }
            Throwable bare = bare(thrown);
            if (bare instanceof HotplateException failure) {
                return toValueWrapper(unreadable(failure));
            }
            throw new CompletionException(bare);
        });
    }

    private static Throwable bare(Throwable thrown) {
        return thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T> CompletableFuture<T> retrieve(Object key, Supplier<CompletableFuture<T>> loader) {
        CompletableFuture<V> found = cache.getAsync(
                keys.apply(key), text -> loader.get().thenApply(value -> checked((V) value)), options);
        CompletableFuture<T> outer = new CompletableFuture<>();
        found.whenComplete((value, thrown) -> {
            Throwable bare = bare(thrown);
            if (bare == null) {
                outer.complete((T) value);
            } else {
                outer.completeExceptionally(bare instanceof HotplateException failure ? cause(failure) : bare);
            }
        });
        outer.whenComplete((value, thrown) -> {
            // Also by a timeout that the caller put on it.
            if (!found.isDone()) {
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
        for (int tries = 0; tries < ABSENT_TRIES; tries++) {
            Written written = cache.put(text, checked((V) value), options.write().ifAbsent());
            if (!(written instanceof Written.PreconditionFailed)) {
                return null;
            }
            // Also what is past its lifetime is in the way, for as long as it may be used at all.
            Lookup<V> there = cache.lookup(text, ReadOptions.DEFAULT.acceptingStale());
            if (there instanceof Lookup.Negative) {
                return toValueWrapper(NullValue.INSTANCE);
            }
            if (there.isHit()) {
                return toValueWrapper(stored(there));
            }
        }
        throw new HotplateException(
                ErrorKind.FAILED_PRECONDITION, "what is in the way of the new value is gone each time it is looked at: try again");
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
