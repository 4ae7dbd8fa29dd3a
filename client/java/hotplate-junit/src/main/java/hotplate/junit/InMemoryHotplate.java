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
 * and conditions hold, a computation runs once. It has no bounds, tiers, near caches and preloads, and nothing watches it: for those start a
 * server with {@link HotplateServer}.
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
