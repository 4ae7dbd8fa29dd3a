package hotplate;

import com.google.protobuf.ByteString;
import hotplate.v1.EventType;
import hotplate.v1.WatchContent;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/**
 * What a watch follows and tells. Immutable: each call gives new options.
 *
 * @param selectors only keys that any of these selects; empty: all. At most 128
 * @param content how much of an entry is told
 * @param events only these; empty: PUT, INVALIDATED, EXPIRED, SET_INVALIDATED
 * @param includePresent first tells what is there
 * @param resumeToken continues after this token of {@link Watch#resumeToken}; empty: from now
 * @param progressInterval how often progress is told when nothing else is, 100 ms to 10 min; null: 1 s
 * @param excludeOwn leaves out what this client does itself
 */
public record WatchOptions(
        List<Selector> selectors,
        WatchContent content,
        List<EventType> events,
        boolean includePresent,
        ByteString resumeToken,
        Duration progressInterval,
        boolean excludeOwn) {
    /** All changes of the namespace from now on, with metadata. */
    public static final WatchOptions DEFAULT = new WatchOptions(
            List.of(), WatchContent.WATCH_CONTENT_METADATA, List.of(), false, ByteString.EMPTY, null, false);

    /** Takes copies. */
    public WatchOptions {
        selectors = List.copyOf(selectors);
        events = List.copyOf(events);
    }

    /** Only keys that any of these selects. */
    public static WatchOptions of(Selector... selectors) {
        return new WatchOptions(
                Arrays.asList(selectors),
                DEFAULT.content,
                DEFAULT.events,
                false,
                ByteString.EMPTY,
                null,
                false);
    }

    /** How much of an entry is told. */
    public WatchOptions content(WatchContent much) {
        return new WatchOptions(selectors, much, events, includePresent, resumeToken, progressInterval, excludeOwn);
    }

    /** Only these events. */
    public WatchOptions events(EventType... types) {
        return new WatchOptions(
                selectors, content, Arrays.asList(types), includePresent, resumeToken, progressInterval, excludeOwn);
    }

    /** First tells what is there. */
    public WatchOptions includingPresent() {
        return new WatchOptions(selectors, content, events, true, resumeToken, progressInterval, excludeOwn);
    }

    /** Continues after this token. */
    public WatchOptions resume(ByteString token) {
        return new WatchOptions(selectors, content, events, includePresent, token, progressInterval, excludeOwn);
    }

    /** How often progress is told. */
    public WatchOptions progressInterval(Duration interval) {
        return new WatchOptions(selectors, content, events, includePresent, resumeToken, interval, excludeOwn);
    }

    /** Leaves out what this client does itself. */
    public WatchOptions excludingOwn() {
        return new WatchOptions(selectors, content, events, includePresent, resumeToken, progressInterval, true);
    }
}
