package hotplate.internal;

import hotplate.Durations;
import hotplate.HotplateException;
import hotplate.Profile;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * One address, taken apart, with the settings its query gave. Choosing among several lives in {@link Pool}.
 *
 * @param host name or address, IPv6 in brackets
 * @param port the port
 * @param tls whether TLS is used
 * @param namespace the default namespace; null where none is named
 * @param timeout deadline of every call; null where none is named
 * @param profile the timeouts; null where none is named
 */
public record Address(String host, int port, boolean tls, String namespace, Duration timeout, Profile profile) {
    private static final int DEFAULT_PORT = 7070;

    /**
     * Reads {@code hotplate://host:7070/namespace?timeout=250ms}, {@code http://…}, {@code https://…}, or plain {@code host:port}.
     *
     * @throws HotplateException CONFIGURATION, naming what is wrong. The address itself is not repeated: it may hold a secret
     */
    public static Address parse(String text) {
        String trimmed = text.strip();
        URI uri;
        try {
            uri = new URI(trimmed.contains("://") ? trimmed : "hotplate://" + trimmed);
        } catch (URISyntaxException cause) {
            throw HotplateException.configuration("the address is not a URL: " + cause.getReason());
        }
        boolean tls = switch (uri.getScheme()) {
            case "hotplate", "http" -> false;
            case "https" -> true;
            default -> throw HotplateException.configuration(
                    "unknown scheme `" + uri.getScheme() + "`: use hotplate://, http:// or https://");
        };
        if (uri.getRawUserInfo() != null || uri.getRawAuthority() != null && uri.getRawAuthority().contains("@")) {
            throw HotplateException.configuration("an address carries no credentials: use the token setting");
        }
        if (uri.getHost() == null || uri.getHost().isEmpty()) {
            throw HotplateException.configuration("the address names no host");
        }
        int known = switch (uri.getScheme()) {
            case "http" -> 80;
            case "https" -> 443;
            default -> DEFAULT_PORT;
        };
        String path = uri.getPath() == null ? "" : uri.getPath().replaceAll("^/+|/+$", "");
        Address address = new Address(
                uri.getHost(), uri.getPort() < 0 ? known : uri.getPort(), tls, path.isEmpty() ? null : path, null, null);
        String query = uri.getRawQuery();
        for (String pair : query == null || query.isEmpty() ? new String[0] : query.split("&")) {
            int equals = pair.indexOf('=');
            String name = equals < 0 ? pair : pair.substring(0, equals);
            address = address.with(decoded(name), equals < 0 ? "" : decoded(pair.substring(equals + 1)));
        }
        return address;
    }

    private static String decoded(String part) {
        return URLDecoder.decode(part, StandardCharsets.UTF_8);
    }

    private Address with(String name, String value) {
        return switch (name) {
            case "timeout" -> new Address(host, port, tls, namespace, Durations.parse(value), profile);
            case "profile" -> new Address(host, port, tls, namespace, timeout, Profile.named(value));
            case "tls" -> new Address(
                    host, port, value.equals("true") || tls && !value.equals("false"), namespace, timeout, profile);
            default -> throw HotplateException.configuration(
                    "unknown setting `" + name + "` in the address: `timeout`, `profile` and `tls` are known");
        };
    }

    /** The same with TLS. */
    public Address withTls() {
        return new Address(host, port, true, namespace, timeout, profile);
    }

    /** Whether the host is this machine, where nobody else can listen in. Names are not looked up. */
    public boolean isLoopback() {
        String bare = host.replaceAll("^\\[|]$", "");
        return bare.equals("localhost") || bare.equals("::1") || bare.matches("127\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}");
    }
}
