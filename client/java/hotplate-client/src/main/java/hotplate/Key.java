package hotplate;

import com.fasterxml.jackson.databind.JsonNode;
import hotplate.internal.Texts;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

/**
 * How keys are made: readable segments where possible, canonical hashes where not, the same in every language.
 *
 * <p>Segments are joined by {@code :}. Characters that mean something in keys, globs and URLs ({@code : * ? [ ] % /}, a leading
 * {@code ~}), white space and control characters are percent-encoded; text is in normal form C. A key is immutable: each call
 * gives a new one. A fault, such as an empty segment, is kept and thrown when the key is used.
 *
 * <pre>{@code
 * Key.of("model", "metrics").id("abc-123").param("top", 10)   // model:metrics:abc-123:top_10
 * }</pre>
 *
 * <p>It is the text it makes, so it goes wherever a key is asked for; plain text is taken as the whole key, as it is.
 */
public final class Key implements CharSequence {
    /** Longest key, in bytes of UTF-8. */
    public static final int BYTES_MAX = 1024;
    /** Longest text, in characters, that {@link #text} writes out. */
    public static final int TEXT_INLINE_MAX = 1000;

    private static final String HASH_MARK = "~sha256:";

    private final List<String> segments;
    private final HotplateException fault;
    private volatile String rendered;

    private Key(List<String> segments, HotplateException fault) {
        this.segments = segments;
        this.fault = fault;
    }

    /** Begins with these segments, such as {@code "model", "metrics"}. */
    public static Key of(String... first) {
        Key key = new Key(List.of(), null);
        for (String segment : first) {
            key = key.id(segment);
        }
        return key;
    }

    /**
     * Adds one segment: an id, a number, a name. Text, numbers, UUIDs, enums, booleans and characters have a text of their own; anything else
     * is a fault, null and arrays above all.
     */
    public Key id(Object id) {
        return with(() -> {
            String text = idText(id);
            if (text.isEmpty()) {
                throw HotplateException.invalid("key", "a key segment is empty");
            }
            return encode(Canonical.nfc(text));
        });
    }

    /**
     * Adds {@code name_value}: text, numbers, booleans and null as they are, collections and maps as a hash of their canonical JSON.
     * An {@code _} within the name is percent-encoded, so that the first one always ends it.
     */
    public Key param(String name, Object value) {
        return with(() -> {
            String text = paramText(Faithful.json(value));
            if (name == null || name.isEmpty()) {
                throw HotplateException.invalid("key", "a key parameter has an empty name");
            }
            return encode(Canonical.nfc(name)).replace("_", "%5F") + "_" + encodeInner(text);
        });
    }

    /**
     * Adds a hash of the canonical JSON of many parameters at once: a map, a record, a list, or an object, which counts with all of its fields.
     * The order of maps and sets does not matter. What has no such form without loss is a fault.
     */
    public Key params(Object values) {
        return with(() -> hash(Canonical.json(Faithful.json(values)).getBytes(StandardCharsets.UTF_8)));
    }

    /**
     * Adds a hash of what a function is called with, the classes of the arguments included: two that differ have another hash, whatever fields
     * they have. What is equal has the same. It is Java's own; a class that is renamed has others.
     */
    public Key arguments(List<?> arguments) {
        return with(() -> hash(Canonical.json(Arguments.json(arguments)).getBytes(StandardCharsets.UTF_8)));
    }

    /** Adds a hash of ids whose order does not matter. Duplicates count. */
    public Key unordered(Collection<?> ids) {
        return with(() -> {
            List<String> sorted = new ArrayList<>();
            for (Object id : ids) {
                sorted.add(Canonical.nfc(idText(id)));
            }
            sorted.sort(Key::byCodePoint);
            return hash(Canonical.json(Faithful.json(sorted)).getBytes(StandardCharsets.UTF_8));
        });
    }

    /** Adds free text, such as a prompt: written out up to 1,000 characters, hashed beyond. */
    public Key text(String text) {
        return with(() -> {
            String normal = Canonical.nfc(Texts.valid("key", text));
            if (normal.isEmpty()) {
                throw HotplateException.invalid("key", "a key segment is empty");
            }
            boolean inline = normal.codePointCount(0, normal.length()) <= TEXT_INLINE_MAX;
            return inline ? encode(normal) : HASH_MARK + hash(normal.getBytes(StandardCharsets.UTF_8));
        });
    }

    /** Adds a hash of bytes: the content a result was computed from. */
    public Key content(byte[] bytes) {
        return with(() -> HASH_MARK + hash(bytes));
    }

    /**
     * The key's text. Beyond 1,024 bytes, as many leading segments as fit are kept and a hash of the whole follows.
     *
     * @throws HotplateException INVALID_ARGUMENT for an empty key or segment, and for a parameter that has no canonical JSON
     */
    public String render() {
        if (rendered == null) {
            rendered = rendering();
        }
        return rendered;
    }

    private String rendering() {
        if (fault != null) {
            throw fault;
        }
        if (segments.isEmpty()) {
            throw HotplateException.invalid("key", "a key has at least one segment");
        }
        String whole = String.join(":", segments);
        byte[] bytes = whole.getBytes(StandardCharsets.UTF_8);
        if (bytes.length <= BYTES_MAX) {
            return whole;
        }
        String suffix = HASH_MARK + hash(bytes);
        StringBuilder kept = new StringBuilder();
        int length = 0;
        for (String segment : segments) {
            int more = segment.getBytes(StandardCharsets.UTF_8).length + 1;
            if (length + more + suffix.length() > BYTES_MAX) {
                break;
            }
            kept.append(segment).append(':');
            length += more;
        }
        return kept.append(suffix).toString();
    }

    /**
     * The text of any key. Text that is no Unicode is refused, as another text would arrive.
     *
     * @throws HotplateException as {@link #render}
     */
    public static String textOf(CharSequence key) {
        return textOf("key", key);
    }

    static String textOf(String field, CharSequence key) {
        return key instanceof Key own ? own.render() : Texts.valid(field, key == null ? null : key.toString());
    }

    private Key with(java.util.function.Supplier<String> segment) {
        if (fault != null) {
            return this;
        }
        try {
            List<String> more = new ArrayList<>(segments);
            more.add(segment.get());
            return new Key(more, null);
        } catch (HotplateException fails) {
            return new Key(segments, fails);
        }
    }

    private static String idText(Object id) {
        boolean named = id instanceof CharSequence
                || id instanceof Number
                || id instanceof UUID
                || id instanceof Enum<?>
                || id instanceof Boolean
                || id instanceof Character;
        if (!named) {
            String what = id == null ? "null" : id.getClass().getTypeName();
            throw HotplateException.invalid("key", "a key segment is no text, number, UUID, enum or boolean, but " + what);
        }
        return id instanceof Enum<?> one ? one.name() : id.toString();
    }

    private static String paramText(JsonNode value) {
        if (value.isTextual()) {
            if (value.textValue().isEmpty()) {
                throw HotplateException.invalid("key", "a key parameter's value is empty");
            }
            return Canonical.nfc(value.textValue());
        }
        String json = Canonical.json(value);
        return value.isContainerNode() ? hash(json.getBytes(StandardCharsets.UTF_8)) : json;
    }

    /** The first half of the SHA-256, in lower-case hexadecimal: 128 bits are enough for names. */
    private static String hash(byte[] bytes) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            return HexFormat.of().formatHex(digest, 0, 16);
        } catch (NoSuchAlgorithmException absent) {
            throw new IllegalStateException("every Java platform has SHA-256", absent);
        }
    }

    private static String encode(String text) {
        return text.startsWith("~") ? "%7E" + encodeInner(text.substring(1)) : encodeInner(text);
    }

    private static String encodeInner(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            if (isReserved(c)) {
                for (byte one : Character.toString(c).getBytes(StandardCharsets.UTF_8)) {
                    out.append('%').append(HexFormat.of().withUpperCase().toHexDigits(one));
                }
            } else {
                out.appendCodePoint(c);
            }
        });
        return out.toString();
    }

    /** What means something in keys, and the properties White_Space and Cc: Java's own tests of those differ. */
    private static boolean isReserved(int c) {
        boolean special = c == ':' || c == '*' || c == '?' || c == '[' || c == ']' || c == '%' || c == '/';
        boolean control = c < 0x20 || c >= 0x7F && c <= 0x9F;
        boolean space = c == 0x20 || c == 0xA0 || c == 0x1680 || c >= 0x2000 && c <= 0x200A;
        return special || control || space || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
    }

    private static int byCodePoint(String left, String right) {
        int at = 0;
        while (at < left.length() && at < right.length()) {
            int one = left.codePointAt(at);
            int other = right.codePointAt(at);
            if (one != other) {
                return Integer.compare(one, other);
            }
            at += Character.charCount(one);
        }
        return Integer.compare(left.length(), right.length());
    }

    @Override
    public int length() {
        return render().length();
    }

    @Override
    public char charAt(int index) {
        return render().charAt(index);
    }

    @Override
    public CharSequence subSequence(int start, int end) {
        return render().subSequence(start, end);
    }

    /**
     * The key's text. Keys may name people or hold parts of prompts: think before it is printed.
     *
     * @throws HotplateException as {@link #render}
     */
    @Override
    public String toString() {
        return render();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Key key && segments.equals(key.segments) && (fault == null) == (key.fault == null);
    }

    @Override
    public int hashCode() {
        return segments.hashCode();
    }
}
