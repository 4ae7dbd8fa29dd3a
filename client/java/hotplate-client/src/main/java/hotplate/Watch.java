package hotplate;

import com.google.protobuf.ByteString;
import java.time.Duration;
import java.util.Iterator;
import java.util.Optional;

/**
 * Follows changes, over lost connections and server restarts. To be closed. One thread reads it at a time; {@link #close} may be
 * called by any.
 *
 * <pre>{@code
 * try (Watch watch = cache.watch(WatchOptions.of(Selector.prefix("model:")))) {
 *     for (WatchItem item : watch) {
 *         if (item instanceof WatchItem.Events told) {
 *             System.out.println(told.events().size() + " changes");
 *         }
 *     }
 * }
 * }</pre>
 */
public interface Watch extends AutoCloseable, Iterable<WatchItem> {
    /**
     * The next item, as soon as there is one; empty when the time is over. What was not waited for comes with the next call.
     *
     * @throws HotplateException what a reconnection cannot mend; the watch has ended then. CANCELLED after {@link #close}, and when
     *     the thread is interrupted
     */
    Optional<WatchItem> next(Duration longest);

    /** Continue later, on this server, after the last item told. Empty before the first. */
    ByteString resumeToken();

    /** The items, each waited for as long as it takes. It ends when the watch is closed, and throws as {@link #next}. */
    @Override
    Iterator<WatchItem> iterator();

    /** Ends the watch; who waits for an item is told CANCELLED. */
    @Override
    void close();
}
