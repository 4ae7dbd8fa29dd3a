package hotplate;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * The one failure of the client: what sort, why, which field, and when to try again. A miss is no failure.
 *
 * <p>Its text holds no keys, values or tokens.
 */
public final class HotplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ErrorKind kind;
    private final String reason;
    private final String field;
    private final String text;
    private final Duration retryAfter;
    private final transient Map<String, String> details;

    /**
     * A failure with all that is known of it.
     *
     * @param kind what sort of failure
     * @param text a sentence for people
     * @param reason the reason for programs, or null
     * @param field the request field at fault, or null
     * @param retryAfter how long to wait before trying again, or null
     * @param details what else was said for programs, by name
     * @param cause what caused it, or null
     */
    public HotplateException(
            ErrorKind kind,
            String text,
            String reason,
            String field,
            Duration retryAfter,
            Map<String, String> details,
            Throwable cause) {
        super(text, cause);
        this.kind = kind;
        this.reason = reason;
        this.field = field;
        this.text = text == null ? "" : text;
        this.retryAfter = retryAfter;
        this.details = Map.copyOf(details);
    }

    /** A failure of one kind with a sentence for people. */
    public HotplateException(ErrorKind kind, String text) {
        this(kind, text, null, null, null, Map.of(), null);
    }

    /** The same with what caused it. */
    public HotplateException(ErrorKind kind, String text, Throwable cause) {
        this(kind, text, null, null, null, Map.of(), cause);
    }

    /** An argument that can never work; {@code field} names it. */
    public static HotplateException invalid(String field, String text) {
        return new HotplateException(ErrorKind.INVALID_ARGUMENT, text, null, field, null, Map.of(), null);
    }

    /** A setting of the client that cannot work. */
    public static HotplateException configuration(String text) {
        return new HotplateException(ErrorKind.CONFIGURATION, text);
    }

    /** A value that could not be encoded or decoded. */
    public static HotplateException codec(String text) {
        return new HotplateException(ErrorKind.CODEC, text);
    }

    /** The same failure with the reason that programs switch on. */
    public HotplateException withReason(String other) {
        return new HotplateException(kind, text, other, field, retryAfter, details(), getCause());
    }

    /** Kind, reason and field, for logs: the text of a computation's failure, or of a codec, may hold what no log should. */
    public String brief() {
        return kind + (reason == null ? "" : " (" + reason + ")") + (field == null ? "" : " (field `" + field + "`)");
    }

    /** What sort of failure. */
    public ErrorKind kind() {
        return kind;
    }

    /** The server's reason for programs, such as {@code TTL_OUT_OF_BOUNDS}; {@code NOT_SENT} for what this client could not send. */
    public Optional<String> reason() {
        return Optional.ofNullable(reason);
    }

    /** The request field at fault. */
    public Optional<String> field() {
        return Optional.ofNullable(field);
    }

    /** A sentence for people, without kind and reason. */
    public String text() {
        return text;
    }

    /** How long to wait before trying again, when the server said so. */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }

    /** What else the server said for programs, by name: with {@code TIER_PENDING} what was done and what is still to be. */
    public Map<String, String> details() {
        return details == null ? Map.of() : details;
    }

    /** Whether the reason is this one. */
    public boolean isReason(String other) {
        return other.equals(reason);
    }

    @Override
    public String getMessage() {
        String why = reason == null ? "" : " (" + reason + ")";
        String where = field == null ? "" : " (field `" + field + "`)";
        return kind + why + ": " + text + where;
    }
}
