package hotplate.internal.near;

import java.util.ArrayList;
import java.util.List;

/** A parsed pattern: {@code *} any run, {@code ?} one character, {@code [abc]}, {@code [a-z]}, {@code [!a]} one of a set, {@code \} escapes. */
public final class Glob {
    private final List<Part> parts;
    private final String literal;

    /** One part of a pattern. */
    private sealed interface Part {
        record Literal(int c) implements Part {}

        record AnyOne() implements Part {}

        record AnyRun() implements Part {}

        record OneOf(boolean negated, List<int[]> ranges) implements Part {}

        default boolean takes(int c) {
            if (this instanceof OneOf set) {
                return set.ranges.stream().anyMatch(range -> range[0] <= c && c <= range[1]) != set.negated;
            }
            return this instanceof AnyOne || this instanceof Literal literal && literal.c == c;
        }
    }

    private Glob(List<Part> parts) {
        this.parts = parts;
        StringBuilder begin = new StringBuilder();
        for (Part part : parts) {
            if (!(part instanceof Part.Literal one)) {
                break;
            }
            begin.appendCodePoint(one.c);
        }
        this.literal = begin.toString();
    }

    /** A pattern; null for what is none. */
    public static Glob parse(String pattern) {
        int[] text = pattern.codePoints().toArray();
        List<Part> parts = new ArrayList<>();
        int at = 0;
        while (at < text.length) {
            int c = text[at++];
            if (c == '*') {
                if (parts.isEmpty() || !(parts.get(parts.size() - 1) instanceof Part.AnyRun)) {
                    parts.add(new Part.AnyRun());
                }
            } else if (c == '?') {
                parts.add(new Part.AnyOne());
            } else if (c == '\\') {
                if (at == text.length) {
                    return null;
                }
                parts.add(new Part.Literal(text[at++]));
            } else if (c == '[') {
                int end = set(text, at, parts);
                if (end < 0) {
                    return null;
                }
                at = end;
            } else {
                parts.add(new Part.Literal(c));
            }
        }
        return new Glob(parts);
    }

    /** Reads a set from behind its bracket on; answers where it ends, or less than zero. */
    private static int set(int[] text, int from, List<Part> parts) {
        int at = from;
        boolean negated = at < text.length && text[at] == '!';
        at += negated ? 1 : 0;
        List<int[]> members = new ArrayList<>();
        while (true) {
            if (at == text.length) {
                return -1;
            }
            int c = text[at++];
            if (c == ']' && !members.isEmpty()) {
                break;
            }
            boolean escaped = c == '\\';
            if (escaped && at == text.length) {
                return -1;
            }
            members.add(new int[] {escaped ? text[at++] : c, escaped ? 1 : 0});
        }
        List<int[]> ranges = new ArrayList<>();
        for (int i = 0; i < members.size(); ) {
            // A dash that was escaped or stands at either end means itself.
            boolean range = i + 2 < members.size() && members.get(i + 1)[0] == '-' && members.get(i + 1)[1] == 0;
            int[] one = {members.get(i)[0], members.get(range ? i + 2 : i)[0]};
            if (one[0] > one[1]) {
                return -1;
            }
            ranges.add(one);
            i += range ? 3 : 1;
        }
        parts.add(new Part.OneOf(negated, ranges));
        return at;
    }

    /** What every key that matches begins with. */
    public String literal() {
        return literal;
    }

    /** Whether the whole text matches. On a mismatch only the last run is made longer: bounded by text times pattern. */
    public boolean matches(String key) {
        int[] text = key.codePoints().toArray();
        int part = 0;
        int at = 0;
        int retryPart = -1;
        int retryAt = 0;
        while (true) {
            if (part == parts.size() && at == text.length) {
                return true;
            }
            if (part < parts.size() && parts.get(part) instanceof Part.AnyRun) {
                retryPart = ++part;
                retryAt = at;
            } else if (part < parts.size() && at < text.length && parts.get(part).takes(text[at])) {
                part++;
                at++;
            } else if (retryPart >= 0 && retryAt < text.length) {
                part = retryPart;
                at = ++retryAt;
            } else {
                return false;
            }
        }
    }
}
