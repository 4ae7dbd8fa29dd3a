package hotplate;

import java.util.concurrent.CompletionStage;

/**
 * Computes a value that is not in the cache, without holding a thread. When nobody waits for it any more the stage's future
 * is cancelled.
 *
 * @param <V> type of the value
 */
@FunctionalInterface
public interface AsyncLoader<V> {
    /**
     * Begins to compute the value of a key. Must not block.
     *
     * @param key the key's text
     * @throws Exception any failure, as one of the stage
     */
    CompletionStage<V> load(String key) throws Exception;
}
