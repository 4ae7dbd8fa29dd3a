package hotplate;

/**
 * Computes a value that is not in the cache. It runs on a thread of the client; when nobody waits for it any more that thread
 * is interrupted.
 *
 * @param <V> type of the value
 */
@FunctionalInterface
public interface Loader<V> {
    /**
     * The value of a key.
     *
     * @param key the key's text
     * @throws Exception any failure; its message is what callers, of other processes as well if asked for, are told
     */
    V load(String key) throws Exception;
}
