package hotplate;

import hotplate.v1.DiscontinuityReason;
import hotplate.v1.Entry;
import hotplate.v1.WatchEvent;
import java.util.List;

/** What a watch tells. */
public sealed interface WatchItem {
    /** The watch exists: every change from here on is covered. Comes again after each reconnection. */
    record Created() implements WatchItem {}

    /**
     * Entries that were there.
     *
     * @param entries some of them
     */
    record Present(List<Entry> entries) implements WatchItem {}

    /** All that was there has been told. */
    record Synced() implements WatchItem {}

    /**
     * Changes, in order within each log.
     *
     * @param events the changes, as the contract says them
     */
    record Events(List<WatchEvent> events) implements WatchItem {}

    /** Nothing that matters happened up to here. */
    record Progress() implements WatchItem {}

    /**
     * Changes were lost: copies of entries can no longer be trusted. After a new epoch the server has a new history.
     *
     * @param reason why
     */
    record Discontinuity(DiscontinuityReason reason) implements WatchItem {}

    /**
     * The connection was lost. The watch goes on by itself; until {@link Created} comes, copies may be out of date.
     *
     * @param failure why
     */
    record Lost(HotplateException failure) implements WatchItem {}
}
