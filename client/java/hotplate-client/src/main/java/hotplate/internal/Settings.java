package hotplate.internal;

import hotplate.CacheMetrics;
import hotplate.NearOptions;
import hotplate.OnError;
import hotplate.Profile;
import hotplate.Telemetry;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;

/** A client's settings, all checked. What each means is said where it is set. {@code callbacks} is null for the client's own. */
public record Settings(
        List<Address> addresses,
        String namespace,
        String token,
        Tls tls,
        Profile profile,
        int connectionsMax,
        OnError onError,
        boolean disabled,
        int journalMax,
        int computationsMax,
        String clientId,
        boolean clientIdIsOwn,
        NearOptions near,
        Map<String, Optional<NearOptions>> nearOf,
        CacheMetrics metrics,
        Telemetry telemetry,
        Executor callbacks) {
    /** What TLS uses, as PEM; null for what is not set. */
    public record Tls(byte[] ca, byte[] certificate, byte[] key, String domain) {
        /** Tells nothing of the key. */
        @Override
        public String toString() {
            return "Tls";
        }
    }

    /** The near cache of a namespace; null where it has none. */
    public NearOptions nearOf(String name) {
        Optional<NearOptions> named = nearOf.get(name);
        return named != null ? named.orElse(null) : near;
    }

    /** Tells nothing of the token. */
    @Override
    public String toString() {
        return "Settings(" + addresses.size() + " servers)";
    }
}
