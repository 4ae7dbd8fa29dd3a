package hotplate;

import com.fasterxml.jackson.databind.JsonNode;
import hotplate.v1.GetServerInfoResponse;
import java.util.function.Consumer;

/**
 * A cache, wherever it runs: connections, token, defaults. One for a process is enough. To be closed.
 *
 * <pre>{@code
 * try (Hotplate hotplate = Hotplate.builder().url("hotplate://127.0.0.1:7070/ml").build()) {
 *     HotplateCache<Metrics> cache = hotplate.cache(Codec.json(Metrics.class));
 *     Metrics metrics = cache.get(Key.of("model", "metrics").id(id), key -> train(id), ComputeOptions.ttl(Ttl.LONG));
 * }
 * }</pre>
 */
public interface Hotplate extends AutoCloseable {
    /** Starts with default settings. */
    static HotplateBuilder builder() {
        return new HotplateBuilder();
    }

    /**
     * A client set up by environment variables alone; see {@link HotplateBuilder#env()}.
     *
     * @throws HotplateException CONFIGURATION, with the variable and what to change
     */
    static Hotplate fromEnv() {
        return builder().env().build();
    }

    /** A namespace with a codec. An empty name means {@code default}. */
    <V> HotplateCache<V> cache(String namespace, Codec<V> codec);

    /** The namespace this client was set up with, with a codec. */
    default <V> HotplateCache<V> cache(Codec<V> codec) {
        return cache(namespace(), codec);
    }

    /** The namespace this client was set up with, as any JSON. */
    default HotplateCache<JsonNode> cache() {
        return cache(Codec.json());
    }

    /** Name of the default namespace: as set, else the path of the address, else {@code default}. */
    String namespace();

    /** The name this client writes under. */
    String clientId();

    /** Whether the cache is worth asking: not turned off, and not found to be away. */
    boolean available();

    /**
     * Is told each change of {@link #available()}, on a thread of the client.
     *
     * @return takes the listener away when it is closed
     */
    AutoCloseable onAvailability(Consumer<Boolean> listener);

    /** How often this client went on without the cache. */
    DegradationCounts degradation();

    /** Invalidations that wait for the server to come back. */
    int invalidationsWaiting();

    /**
     * What the server is and allows.
     *
     * @throws HotplateException that it could not be asked
     */
    GetServerInfoResponse serverInfo();

    /**
     * Ends everything this client does, and waits for it, at most a few seconds: computations are cancelled, leases given back,
     * invalidations that still wait are lost. May be called twice.
     */
    @Override
    void close();
}
