package hotplate.internal.near;

import hotplate.NearOptions;
import hotplate.NearStats;
import hotplate.internal.BootClock;
import hotplate.internal.Calls;
import hotplate.v1.GetResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;

/** One namespace's near cache, with what keeps it in step: that begins with the first question. */
public final class Near {
    private final NearCore core;
    private final BootClock clock;
    private final Feed feed;
    private final Executor starter;
    private boolean started;

    /** {@code starter} starts one task that lasts as long as the client. */
    public Near(NearOptions options, Calls calls, BootClock clock, String namespace, String clientId, Executor starter) {
        this.core = new NearCore(options, NearCore.FENCES_MAX);
        this.clock = clock;
        this.feed = new Feed(core, calls, clock, namespace, clientId);
        this.starter = starter;
    }

    /** What may be served of a key now. */
    public Kept hit(String key, Duration maxAge) {
        return core.hit(key, maxAge, clock.now());
    }

    /** Now, on the clock of what is kept. */
    public long now() {
        return clock.now();
    }

    /** Notes that the server is asked now; the first time, begins to follow what changes. */
    public NearCore.Asked ask() {
        synchronized (this) {
            if (!started) {
                started = true;
                starter.execute(feed);
            }
        }
        return core.ask(clock.now());
    }

    /** Keeps the answer if it may be kept. */
    public void offer(NearCore.Asked asked, String key, GetResponse response) {
        if (core.offer(asked, key, response)) {
            feed.tell();
        }
    }

    /** This client is about to write what these cover, or has done so. */
    public void wrote(List<NearSet> sets) {
        core.wrote(sets);
    }

    /** Whether this client wrote what these cover is not known. */
    public void mayHaveWritten(List<NearSet> sets) {
        if (core.mayHaveWritten(sets)) {
            feed.reopen();
        }
    }

    /** What it did and holds. */
    public NearStats stats() {
        return core.stats(clock.now());
    }

    /** Stops following. Nothing is served from then on. */
    public void close() {
        feed.close();
        core.lost();
    }
}
