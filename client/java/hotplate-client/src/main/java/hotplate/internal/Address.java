package hotplate.internal;

import hotplate.Durations;
import hotplate.HotplateException;
import hotplate.Profile;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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
    private static final Pattern AUTHORITY = Pattern.compile("(\\[[0-9a-fA-F:.]+]|[A-Za-z0-9.-]+)(?::(\\d*))?");

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
        String authority = uri.getRawAuthority() == null ? "" : uri.getRawAuthority();
        if (authority.contains("@")) {
            throw HotplateException.configuration("an address carries no credentials: use the token setting");
        }
        if (authority.contains("_")) {
            throw HotplateException.configuration("a host name has no underscore: give the host another name, or use its address");
        }
        Matcher parts = AUTHORITY.matcher(authority);
        if (!parts.matches()) {
            throw HotplateException.configuration(
                    "the address names no host: write `host:port`, or `[::1]:port` for an address of version 6");
        }
        int known = switch (uri.getScheme()) {
            case "http" -> 80;
            case "https" -> 443;
            default -> DEFAULT_PORT;
        };
        String path = uri.getPath() == null ? "" : uri.getPath().replaceAll("^/+|/+$", "");
        Address address = new Address(
                parts.group(1), port(parts.group(2), known), tls, path.isEmpty() ? null : path, null, null);
        String query = uri.getRawQuery();
        for (String pair : query == null || query.isEmpty() ? new String[0] : query.split("&")) {
            int equals = pair.indexOf('=');
            String name = equals < 0 ? pair : pair.substring(0, equals);
            address = address.with(decoded(name), equals < 0 ? "" : decoded(pair.substring(equals + 1)));
        }
        return address;
    }

    private static int port(String text, int known) {
        if (text == null || text.isEmpty()) {
            return known;
        }
        int port = text.length() > 5 ? 0 : Integer.parseInt(text);
        if (port < 1 || port > 65_535) {
            throw HotplateException.configuration("the port of an address is 1 to 65535");
        }
        return port;
    }

    private static String decoded(String part) {
        return URLDecoder.decode(part, StandardCharsets.UTF_8);
    }

    private Address with(String name, String value) {
        return switch (name) {
            case "timeout" -> new Address(host, port, tls, namespace, Durations.parse(value), profile);
            case "profile" -> new Address(host, port, tls, namespace, timeout, Profile.named(value));
            case "tls" -> new Address(host, port, tls(value), namespace, timeout, profile);
            default -> throw HotplateException.configuration(
                    "unknown setting `" + name + "` in the address: `timeout`, `profile` and `tls` are known");
        };
    }

    private static boolean tls(String value) {
        return switch (value) {
            case "true" -> true;
            case "false" -> false;
            default -> throw HotplateException.configuration("`tls` in the address is `true` or `false`");
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
