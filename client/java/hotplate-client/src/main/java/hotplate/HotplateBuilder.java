package hotplate;

import hotplate.internal.Address;
import hotplate.internal.Environment;
import hotplate.internal.RemoteHotplate;
import hotplate.internal.Settings;
import hotplate.internal.Texts;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;

/** Settings of a {@link Hotplate}. Every setting is checked in {@link #build}, which opens no connection. */
public final class HotplateBuilder {
    private static final String DEFAULT_URL = "hotplate://127.0.0.1:7070";

    private final List<String> urls = new ArrayList<>();
    private String namespace;
    private String token;
    private boolean allowInsecureToken;
    private boolean tls;
    private byte[] tlsCa;
    private byte[] tlsCertificate;
    private byte[] tlsKey;
    private String tlsDomain;
    private Profile profile;
    private Duration timeout;
    private int connectionsMax = 4;
    private OnError onError = OnError.MISS;
    private boolean disabled;
    private int journalMax = 10_000;
    private int computationsMax = 256;
    private String clientId;
    private NearOptions near;
    private final Map<String, Optional<NearOptions>> nearOf = new HashMap<>();
    private CacheMetrics metrics = CacheMetrics.NONE;
    private Telemetry telemetry = Telemetry.NONE;
    private Executor callbacks;

    HotplateBuilder() {}

    /**
     * Adds servers: {@code hotplate://host:7070/namespace?timeout=250ms}, {@code http://…}, {@code https://…} or {@code host:port}. The
     * path sets the default namespace; {@code timeout}, {@code profile} and {@code tls=true} may follow as a query. Calls take turns
     * between all servers given. Without any, {@code hotplate://127.0.0.1:7070}.
     */
    public HotplateBuilder url(String... servers) {
        urls.addAll(Arrays.asList(servers));
        return this;
    }

    /** The namespace of {@link Hotplate#namespace()}. Without one, the address's path, then {@code default}. */
    public HotplateBuilder namespace(String name) {
        namespace = name;
        return this;
    }

    /** The bearer token sent with every call. It is never printed. White space around it is no part of it. */
    public HotplateBuilder token(String secret) {
        token = secret == null ? null : secret.strip();
        return this;
    }

    /** Sends the token even without TLS to a host that is not this machine. Whoever listens in then has it. */
    public HotplateBuilder allowInsecureToken(boolean allow) {
        allowInsecureToken = allow;
        return this;
    }

    /** Uses TLS with the platform's certificate authorities, also for {@code hotplate://}. */
    public HotplateBuilder tls() {
        tls = true;
        return this;
    }

    /** Uses TLS and trusts this certificate authority (PEM) instead of the platform's. */
    public HotplateBuilder tlsCa(byte[] pem) {
        tls = true;
        tlsCa = pem.clone();
        return this;
    }

    /** Uses TLS and shows this certificate with its private key (both PEM) to the server. */
    public HotplateBuilder tlsIdentity(byte[] certificatePem, byte[] keyPem) {
        tls = true;
        tlsCertificate = certificatePem.clone();
        tlsKey = keyPem.clone();
        return this;
    }

    /** The name the server's certificate must have, when it is not the address's host. */
    public HotplateBuilder tlsDomain(String name) {
        tlsDomain = name;
        return this;
    }

    /** The timeouts. Without one, {@link Profile#LOCAL}. */
    public HotplateBuilder profile(Profile timeouts) {
        profile = timeouts;
        return this;
    }

    /** The deadline of every call, retries included, instead of the profile's. At least 1 ms. */
    public HotplateBuilder timeout(Duration deadline) {
        timeout = deadline;
        return this;
    }

    /**
     * Connections for calls at most, to all servers together, but at least one to each; 1 to 64. The next is opened when those before
     * it are busy. Default: 4.
     */
    public HotplateBuilder connectionsMax(int connections) {
        connectionsMax = connections;
        return this;
    }

    /** What typed reads and writes do when the cache is away. Default: {@link OnError#MISS}. */
    public HotplateBuilder onError(OnError what) {
        onError = Objects.requireNonNull(what, "what");
        return this;
    }

    /**
     * Turns the typed layer off: every read is a miss, every write is dropped. The environment variable {@code HOTPLATE_DISABLE=1}
     * does the same for every client of a process ({@code true} or {@code 1}; {@code false} and {@code 0} do not; anything else is an error).
     * Nothing is sent then: what has no answer without a server, such as a watch, is FAILED_PRECONDITION.
     */
    public HotplateBuilder disabled(boolean off) {
        disabled = off;
        return this;
    }

    /**
     * Invalidations remembered while the server is away, 1 or more; past that, an invalidation fails with reason
     * {@code JOURNAL_FULL}, because dropping one would mean serving what it dropped. Default: 10,000.
     */
    public HotplateBuilder journalMax(int selectors) {
        journalMax = selectors;
        return this;
    }

    /**
     * Computations that run at once, 1 or more; others wait for their turn. Each {@link Loader} has a thread while it runs. Default:
     * 256.
     */
    public HotplateBuilder computationsMax(int computations) {
        computationsMax = computations;
        return this;
    }

    /** The name this client writes under, so that its own watches can leave out what it did. At most 128 bytes. Default: random. */
    public HotplateBuilder clientId(String id) {
        clientId = id;
        return this;
    }

    /** Keeps values in this process, for as long as the server vouches for them, in every namespace not named by {@link #nearCacheOf}. */
    public HotplateBuilder nearCache(NearOptions options) {
        near = options;
        return this;
    }

    /** The same for one namespace; null for one that does without. */
    public HotplateBuilder nearCacheOf(String name, NearOptions options) {
        nearOf.put(name, Optional.ofNullable(options));
        return this;
    }

    /** Where futures are completed that the client hands out, and listeners called; null: on a few threads of the client. It is not closed. */
    public HotplateBuilder callbacks(Executor executor) {
        callbacks = executor;
        return this;
    }

    /** Who is told what this client does. */
    public HotplateBuilder metrics(CacheMetrics counts) {
        metrics = Objects.requireNonNull(counts, "counts");
        return this;
    }

    /** Who is told of each operation from its beginning to its end, as spans need it. */
    public HotplateBuilder telemetry(Telemetry told) {
        telemetry = Objects.requireNonNull(told, "told");
        return this;
    }

    /**
     * Adds what the environment says: {@code HOTPLATE_URL} (several with commas), {@code HOTPLATE_TOKEN} or
     * {@code HOTPLATE_TOKEN_FILE}, {@code HOTPLATE_NAMESPACE}, {@code HOTPLATE_TIMEOUT}, {@code HOTPLATE_CLIENT_PROFILE},
     * {@code HOTPLATE_CA_FILE}. What was set before in code stays.
     *
     * @throws HotplateException a variable that does not parse or a file that cannot be read
     */
    public HotplateBuilder env() {
        return env(Environment.SYSTEM);
    }

    HotplateBuilder env(Environment environment) {
        if (urls.isEmpty()) {
            environment.get("HOTPLATE_URL").ifPresent(all -> Arrays.stream(all.split(","))
                    .map(String::strip)
                    .filter(url -> !url.isEmpty())
                    .forEach(urls::add));
        }
        if (namespace == null) {
            namespace = environment.get("HOTPLATE_NAMESPACE").orElse(null);
        }
        if (token == null) {
            token(environment
                    .get("HOTPLATE_TOKEN")
                    .or(() -> environment
                            .get("HOTPLATE_TOKEN_FILE")
                            .map(path -> new String(read("HOTPLATE_TOKEN_FILE", path), StandardCharsets.UTF_8)))
                    .orElse(null));
        }
        if (timeout == null) {
            timeout = environment.get("HOTPLATE_TIMEOUT").map(Durations::parse).orElse(null);
        }
        if (profile == null) {
            profile = environment.get("HOTPLATE_CLIENT_PROFILE").map(Profile::named).orElse(null);
        }
        if (tlsCa == null) {
            environment.get("HOTPLATE_CA_FILE").ifPresent(path -> tlsCa(read("HOTPLATE_CA_FILE", path)));
        }
        return this;
    }

    private static byte[] read(String variable, String path) {
        try {
            return Files.readAllBytes(Path.of(path));
        } catch (IOException | RuntimeException cause) {
            throw new HotplateException(
                    ErrorKind.CONFIGURATION, "the file that " + variable + " names cannot be read", cause);
        }
    }

    /**
     * Checks the settings and makes the client. Connections are opened when first used, so this succeeds while the server is down.
     *
     * @throws HotplateException CONFIGURATION, with what to change
     */
    public Hotplate build() {
        Collection<String> named = urls.isEmpty() ? List.of(DEFAULT_URL) : urls;
        List<Address> addresses =
                named.stream().map(Address::parse).map(address -> tls ? address.withTls() : address).toList();
        checkTls();
        checkToken(addresses);
        check(journalMax >= 1 && computationsMax >= 1, "journalMax and computationsMax are at least 1");
        check(connectionsMax >= 1 && connectionsMax <= 64, "connectionsMax is 1 to 64");
        String id = clientId == null ? HexFormat.of().formatHex(random(8)) : clientId;
        check(id.getBytes(StandardCharsets.UTF_8).length <= 128, "clientId has at most 128 bytes");
        String space = namespace != null
                ? namespace
                : addresses.stream().map(Address::namespace).filter(Objects::nonNull).findFirst().orElse("default");
        Texts.valid("client_id", id);
        Texts.valid("namespace", space);
        Settings.Tls secure = new Settings.Tls(tlsCa, tlsCertificate, tlsKey, tlsDomain);
        return new RemoteHotplate(new Settings(
                addresses,
                space,
                token,
                secure,
                timeouts(addresses),
                connectionsMax,
                onError,
                disabled || Environment.SYSTEM.disabled(),
                journalMax,
                computationsMax,
                id,
                clientId == null,
                near,
                Map.copyOf(nearOf),
                metrics,
                telemetry,
                callbacks));
    }

    private Profile timeouts(List<Address> addresses) {
        Profile found = profile != null
                ? profile
                : addresses.stream().map(Address::profile).filter(Objects::nonNull).findFirst().orElse(Profile.LOCAL);
        Duration one = timeout != null
                ? timeout
                : addresses.stream().map(Address::timeout).filter(Objects::nonNull).findFirst().orElse(null);
        Profile timeouts = one == null ? found : found.withTimeout(one);
        boolean fits = List.of(timeouts.connectTimeout(), timeouts.callTimeout(), timeouts.bulkTimeout()).stream()
                .allMatch(some -> some.toMillis() >= 1 && some.toDays() <= 10_000);
        check(fits, "a timeout is at least 1 ms, and at most 10,000 days");
        return timeouts;
    }

    private void checkToken(List<Address> addresses) {
        if (token == null) {
            return;
        }
        check(!token.isEmpty(), "the token is empty");
        check(token.chars().allMatch(c -> c > 0x20 && c < 0x7F), "the token holds characters that a header cannot carry");
        Optional<Address> open = addresses.stream()
                .filter(address -> !address.tls() && !address.isLoopback())
                .findFirst();
        if (open.isPresent() && !allowInsecureToken) {
            throw HotplateException.configuration("the token would go to " + open.get().host()
                    + " unencrypted: use https:// or TLS, or allowInsecureToken(true)");
        }
    }

    /** PEM that holds nothing would only show at the first call, as a server that is not trusted. */
    private void checkTls() {
        check(tlsCa == null || isCertificate(tlsCa), "TLS: the certificate authority is no PEM certificate");
        check(tlsCertificate == null || isCertificate(tlsCertificate), "TLS: the client certificate is no PEM certificate");
        boolean key = tlsKey == null || new String(tlsKey, StandardCharsets.US_ASCII).contains("PRIVATE KEY-----");
        check(key, "TLS: the client key is no PEM private key");
    }

    private static boolean isCertificate(byte[] pem) {
        try {
            return !CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(pem))
                    .isEmpty();
        } catch (CertificateException none) {
            return false;
        }
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw HotplateException.configuration(otherwise);
        }
    }

    private static byte[] random(int bytes) {
        byte[] random = new byte[bytes];
        new SecureRandom().nextBytes(random);
        return random;
    }

    /** Tells nothing of the token. */
    @Override
    public String toString() {
        return "HotplateBuilder(" + urls.size() + " servers)";
    }
}
