package hotplate;

import hotplate.v1.Entry;
import hotplate.v1.ExplainKeyResponse;
import hotplate.v1.PreloadItem;
import hotplate.v1.RefreshFrom;
import hotplate.v1.StatsResponse;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * One namespace with the codec its values are written with. Cheap to make, safe for any number of threads.
 *
 * <p>Unless the client was built with {@link OnError#RAISE}, a cache that is away is a miss and a dropped write, not an error: what
 * is thrown is a {@link HotplateException} for a fault of the request, of the set-up, or a value of another kind. A key is text
 * that is the whole key, or a {@link Key}.
 *
 * <p>What follows a future runs on threads of the client, of which there are few: let it not wait, least of all for another future of
 * this client. {@link HotplateBuilder#callbacks} gives them an executor of the caller's.
 *
 * <p>Text that is no Unicode (half a surrogate pair) in keys, tags and all else is refused: INVALID_ARGUMENT, with the field. After the client
 * was closed, every call is CANCELLED.
 *
 * <p>Cancelling a future, or completing it in any other way, as {@code orTimeout} does, gives up this caller's own wait: of what others wait
 * for, nothing is stopped. A thread that is interrupted while it waits is told CANCELLED, and stays interrupted.
 *
 * @param <V> type of the values. What several callers of this process are given may be the same object: do not change it
 */
public interface HotplateCache<V> {
    /** Name of the namespace. */
    String name();

    /** The codec its values are written with. */
    Codec<V> codec();

    /** The same namespace with another codec. */
    <T> HotplateCache<T> withCodec(Codec<T> codec);

    /**
     * The same namespace, read from the server every time, and without keeping anything. What is written through it still drops
     * what is kept.
     */
    HotplateCache<V> withoutNearCache();

    /**
     * The same namespace with a reason for what is invalidated through it: {@link #explain} and events tell it, for people. At most 256 bytes;
     * empty: none.
     */
    HotplateCache<V> because(String reason);

    /** Finds a fresh value. */
    default Lookup<V> lookup(CharSequence key) {
        return lookup(key, ReadOptions.DEFAULT);
    }

    /** Finds a value, with options. */
    Lookup<V> lookup(CharSequence key, ReadOptions options);

    /** Finds a fresh value without holding a thread. */
    default CompletableFuture<Lookup<V>> lookupAsync(CharSequence key) {
        return lookupAsync(key, ReadOptions.DEFAULT);
    }

    /** Finds a value, with options, without holding a thread. */
    CompletableFuture<Lookup<V>> lookupAsync(CharSequence key, ReadOptions options);

    /**
     * Finds a fresh value and shares it: with a near cache, all who ask for it with an equal codec get the same object, read once.
     * A hit there is a look-up in a map.
     */
    Lookup<V> lookupShared(CharSequence key);

    /** The fresh value; empty when there is none. */
    default Optional<V> getIfPresent(CharSequence key) {
        return lookup(key).toOptional();
    }

    /** Finds several values; the answers come in the order of the keys, each on its own. */
    List<ItemResult<Lookup<V>>> lookupAll(Collection<? extends CharSequence> keys);

    /** The same without holding a thread. */
    CompletableFuture<List<ItemResult<Lookup<V>>>> lookupAllAsync(Collection<? extends CharSequence> keys);

    /** Returns the stored value, or computes and stores it, as long as the namespace says. */
    default V get(CharSequence key, Loader<? extends V> loader) {
        return get(key, loader, ComputeOptions.DEFAULT);
    }

    /**
     * Returns the stored value, or computes and stores it.
     *
     * <p>However many callers of this process ask for a key at once, it is looked up once. Of all processes that miss it at once, one
     * gets the key's lease and computes; the others wait for its value on the server, at most {@link ComputeOptions#waitMax()}, and
     * then compute for themselves, which is not stored. The lease is extended while the computation runs. A caller that gives up
     * does not stop it for the others; when the last one does, it is interrupted.
     *
     * <p>Storing is best effort: its failure is logged and never the caller's. A lease that was lost, because of an invalidation for
     * instance, stores nothing, and the caller still gets its value. Callers wait at most 1 s for the storing, which goes on behind. A
     * computation may ask for others. What asks for itself, directly or over others, is an error at once when it asks from the computation's
     * own thread.
     *
     * @throws HotplateException COMPUTE with the computation's own message and cause, with reason {@code COMPUTE_FAILED} when it was
     *     remembered; NOT_FOUND with reason {@code NOT_CACHED} in mode ONLY, or with the stored reason when the key is remembered as
     *     negative; INVALID_ARGUMENT for a computation that waits for itself
     */
    V get(CharSequence key, Loader<? extends V> loader, ComputeOptions options);

    /** The same without holding a thread, as long as the namespace says. */
    default CompletableFuture<V> getAsync(CharSequence key, AsyncLoader<? extends V> loader) {
        return getAsync(key, loader, ComputeOptions.DEFAULT);
    }

    /** The same without holding a thread. Cancelling the future is this caller's giving up. */
    CompletableFuture<V> getAsync(CharSequence key, AsyncLoader<? extends V> loader, ComputeOptions options);

    /** Stores a value with the namespace's defaults. */
    default Written put(CharSequence key, V value) {
        return put(key, value, WriteOptions.DEFAULT);
    }

    /** Stores a value, with options. */
    Written put(CharSequence key, V value, WriteOptions options);

    /** Stores a value without holding a thread. */
    CompletableFuture<Written> putAsync(CharSequence key, V value, WriteOptions options);

    /**
     * Remembers that there is none, or that computing it failed.
     *
     * @param reason a short name for programs, such as {@code NOT_FOUND}
     * @param message a sentence for people
     */
    Written putNegative(CharSequence key, String reason, String message, WriteOptions options);

    /** The same without holding a thread. */
    CompletableFuture<Written> putNegativeAsync(CharSequence key, String reason, String message, WriteOptions options);

    /**
     * Stores several values with the same options; the answers come in the map's order, each on its own. Values of any size: those that are too
     * large for a message go by themselves.
     */
    List<ItemResult<Written>> putAll(Map<? extends CharSequence, ? extends V> values, WriteOptions options);

    /** The same without holding a thread. Values are encoded behind the caller: the map and its values must not change before the end. */
    CompletableFuture<List<ItemResult<Written>>> putAllAsync(
            Map<? extends CharSequence, ? extends V> values, WriteOptions options);

    /** Gives an entry this lifetime from now on. False when there is no such entry, or the cache is away. Never sent twice. */
    boolean touch(CharSequence key, Ttl ttl);

    /** The same without holding a thread. */
    CompletableFuture<Boolean> touchAsync(CharSequence key, Ttl ttl);

    /** Whether there is a fresh entry. Does not count as a use. False when the cache is away. */
    default boolean exists(CharSequence key) {
        return ttl(key).isPresent();
    }

    /** For how long an entry stays fresh; empty when there is none, or the cache is away. Does not count as a use. */
    Optional<Duration> ttl(CharSequence key);

    /** The same without holding a thread. */
    CompletableFuture<Optional<Duration>> ttlAsync(CharSequence key);

    /** Drops one entry. */
    default Invalidated remove(CharSequence key) {
        return invalidate(Selector.key(key));
    }

    /**
     * Drops what any of 1 to 128 selectors selects. Computations under way in this process that began before are not stored.
     *
     * @throws HotplateException RESOURCE_EXHAUSTED with reason {@code JOURNAL_FULL} when the cache is away and no more can be
     *     remembered
     */
    default Invalidated invalidate(Selector... selectors) {
        return invalidate(List.of(selectors));
    }

    /** Drops what any of 1 to 128 selectors selects. */
    Invalidated invalidate(List<Selector> selectors);

    /** The same without holding a thread. */
    CompletableFuture<Invalidated> invalidateAsync(List<Selector> selectors);

    /**
     * Marks stale what any of 1 to 128 selectors selects: it is served to who accepts stale values, within its {@code staleFor}, and
     * what has none is dropped. When the cache is away it is remembered, and dropped later.
     *
     * @param spreadOver lets each entry become stale at a moment of its own within this time, at most 1 h; null: now
     */
    Invalidated markStale(List<Selector> selectors, Duration spreadOver);

    /** The same without holding a thread. */
    CompletableFuture<Invalidated> markStaleAsync(List<Selector> selectors, Duration spreadOver);

    /**
     * Marks stale what any of 1 to 128 selectors selects, and has the server fetch it anew from an origin of the namespace. When the
     * cache is away it is remembered, and dropped later.
     *
     * @throws HotplateException reasons {@code NO_ORIGIN}, {@code BATCH_TOO_LARGE} and {@code TOO_MANY_JOBS}: nothing was marked
     */
    Refreshing refresh(List<Selector> selectors, RefreshFrom from);

    /** Has the server fetch entries from a configured origin ahead of their use. */
    Preload preload(List<PreloadItem> items, PreloadOptions options);

    /** Follows a preload job that was started elsewhere, or by {@link #refresh}. */
    Preload joinPreload(String job);

    /** Follows changes of this namespace. */
    Watch watch(WatchOptions options);

    /** Statistics of this namespace since the server started. They have no fallback: a cache that is away is an error. */
    StatsResponse stats();

    /**
     * Metadata of the entries that any of these selects, at most 128; without any, of all of the namespace: in the order of their keys, a page
     * at a time as it is read. An entry that is there during the whole listing is listed exactly once. No fallback.
     */
    Iterable<Entry> entries(Selector... selectors);

    /** What a read of a key would say and why, and what happened to it, newest first. No fallback. */
    ExplainKeyResponse explain(CharSequence key);

    /** What the near cache of this namespace did and holds; empty where there is none. */
    Optional<NearStats> nearStats();

    /** Reads a value in pieces, from the server, of any size and whatever its codec. No fallback. */
    ReadStream readStream(CharSequence key, ReadOptions options);

    /** Reads a value, or, when it is just being written, what comes in of it, from its first byte, as it comes. */
    ReadStream follow(CharSequence key);

    /** Begins to write a value in pieces. Nothing of it can be read before it is finished, except by who follows it. */
    WriteStream writeStream(CharSequence key, WriteOptions options);
}
