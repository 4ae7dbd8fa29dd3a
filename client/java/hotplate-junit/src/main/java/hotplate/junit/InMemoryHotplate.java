package hotplate.junit;

import hotplate.Codec;
import hotplate.DegradationCounts;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.v1.GetServerInfoResponse;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * A cache in the memory of a test, with the interface of the real one: values go through their codecs, lifetimes end, tags, kinds, dependencies
 * and conditions hold, a computation runs once, failures are remembered, stale values are served and renewed. It differs from a server in
 * this:
 *
 * <ul>
 *   <li>Everything happens on the caller's thread: a {@code Loader}, also one that renews a stale value, which then ends before its caller goes on.
 *   <li>Nobody waits for another process: where one would wait for {@code holdOff} to be over, the caller computes at once, and nothing is stored.
 *   <li>Nothing is renewed ahead of its end, moved by jitter, ended for want of reads, or spread over a time.
 *   <li>It has no bounds, tiers and near caches. Watches, preloads, origins, streams and histories are UNIMPLEMENTED: for those start a server
 *       with {@link HotplateServer}.
 * </ul>
 */
public final class InMemoryHotplate implements Hotplate {
    private final LongSupplier clock;
    private final ConcurrentHashMap<String, Shelf> shelves = new ConcurrentHashMap<>();

    /** On the time of the machine. */
    public InMemoryHotplate() {
        this(System::nanoTime);
    }

    /** On time that a test moves. */
    public InMemoryHotplate(MovableClock clock) {
        this(clock::nanos);
    }

    private InMemoryHotplate(LongSupplier clock) {
        this.clock = clock;
    }

    @Override
    public <V> HotplateCache<V> cache(String namespace, Codec<V> codec) {
        String name = namespace == null || namespace.isEmpty() ? "default" : namespace;
        return new InMemoryCache<>(name, shelves.computeIfAbsent(name, none -> new Shelf(clock)), codec);
    }

    @Override
    public String namespace() {
        return "default";
    }

    @Override
    public String clientId() {
        return "in-memory";
    }

    @Override
    public boolean available() {
        return true;
    }

    @Override
    public AutoCloseable onAvailability(Consumer<Boolean> listener) {
        return () -> {};
    }

    @Override
    public DegradationCounts degradation() {
        return new DegradationCounts(0, 0, 0, 0, 0);
    }

    @Override
    public int invalidationsWaiting() {
        return 0;
    }

    @Override
    public GetServerInfoResponse serverInfo() {
        return GetServerInfoResponse.newBuilder().setVersion("in-memory").setProfile("testing").build();
    }

    /** Forgets everything. */
    @Override
    public void close() {
        shelves.clear();
    }
}
