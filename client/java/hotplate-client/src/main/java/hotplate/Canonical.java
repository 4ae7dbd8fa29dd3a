package hotplate;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.text.Normalizer;
import java.util.Iterator;
import java.util.Map;
import java.util.TreeMap;

/**
 * One text for one value: JSON as RFC 8785 writes it, restricted to what every language can agree on. Keys are hashed over
 * this text, so a difference of one byte between two clients is a cache that never hits.
 */
public final class Canonical {
    private static final BigInteger INTEGER_MAX = BigInteger.ONE.shiftLeft(53).subtract(BigInteger.ONE);
    private static final int DEPTH_MAX = 64;
    private static final int DIGITS_MAX = 17;

    private Canonical() {}

    /**
     * Text in Unicode normal form C: what looks the same is the same.
     *
     * @throws HotplateException INVALID_ARGUMENT for half a surrogate pair, which has no UTF-8
     */
    static String nfc(String text) {
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            boolean pair = Character.isHighSurrogate(c)
                    && at + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(at + 1));
            if (pair) {
                at++;
            } else if (Character.isSurrogate(c)) {
                throw HotplateException.invalid("key", "a key holds half a surrogate pair, which has no UTF-8");
            }
        }
        return Normalizer.normalize(text, Normalizer.Form.NFC);
    }

    /**
     * The canonical text of a JSON value.
     *
     * @throws HotplateException INVALID_ARGUMENT for an integer beyond ±(2^53 - 1), nesting beyond 64, or two names of an object
     *     that are one after normalisation
     */
    public static String json(JsonNode value) {
        StringBuilder text = new StringBuilder();
        write(text, value, 0);
        return text.toString();
    }

    private static void write(StringBuilder out, JsonNode value, int depth) {
        if (depth > DEPTH_MAX) {
            throw HotplateException.invalid("key", "a key parameter is nested deeper than 64");
        }
        switch (value.getNodeType()) {
            case NULL, MISSING -> out.append("null");
            case BOOLEAN -> out.append(value.booleanValue());
            case NUMBER -> out.append(number(value));
            case STRING -> writeString(out, nfc(value.textValue()));
            case ARRAY -> {
                out.append('[');
                for (int index = 0; index < value.size(); index++) {
                    out.append(index > 0 ? "," : "");
                    write(out, value.get(index), depth + 1);
                }
                out.append(']');
            }
            case OBJECT -> writeObject(out, value, depth);
            default -> throw HotplateException.invalid("key", "a key parameter has no JSON form: pass bytes to `content`");
        }
    }

    /** Names in the order of their UTF-16 code units, as RFC 8785 asks. */
    private static void writeObject(StringBuilder out, JsonNode object, int depth) {
        TreeMap<String, JsonNode> sorted = new TreeMap<>();
        Iterator<Map.Entry<String, JsonNode>> members = object.properties().iterator();
        while (members.hasNext()) {
            Map.Entry<String, JsonNode> member = members.next();
            if (sorted.put(nfc(member.getKey()), member.getValue()) != null) {
                throw HotplateException.invalid("key", "two names of a key parameter are the same in normal form");
            }
        }
        out.append('{');
        String comma = "";
        for (Map.Entry<String, JsonNode> member : sorted.entrySet()) {
            out.append(comma);
            comma = ",";
            writeString(out, member.getKey());
            out.append(':');
            write(out, member.getValue(), depth + 1);
        }
        out.append('}');
    }

    private static void writeString(StringBuilder out, String text) {
        out.append('"');
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\b' -> out.append("\\b");
                case '\t' -> out.append("\\t");
                case '\n' -> out.append("\\n");
                case '\f' -> out.append("\\f");
                case '\r' -> out.append("\\r");
                default -> {
                    if (c < ' ') {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }

    /** A number as ECMAScript prints it. */
    static String number(JsonNode number) {
        if (number.isIntegralNumber()) {
            BigInteger integer = number.bigIntegerValue();
            if (integer.abs().compareTo(INTEGER_MAX) <= 0) {
                return integer.toString();
            }
        } else if (!Double.isFinite(number.doubleValue())) {
            throw HotplateException.invalid("key", "a key parameter is no number that JSON has: NaN, infinite, or too large");
        } else if (!number.isBigDecimal() || isWhole(number.decimalValue())) {
            return number(number.doubleValue());
        } else {
            throw HotplateException.invalid("key", "a decimal in a key has more digits than a double holds: pass it as text");
        }
        throw HotplateException.invalid("key", "an integer in a key is beyond ±(2^53 - 1): pass it as text");
    }

    /** Whether a double stands for this decimal and for no other that is written differently. */
    private static boolean isWhole(BigDecimal decimal) {
        double value = decimal.doubleValue();
        return decimal.signum() == 0 || value != 0 && shortest(Math.abs(value)).compareTo(decimal.abs()) == 0;
    }

    /** The shortest digits that read back as the same number, laid out by ECMAScript's rules. */
    public static String number(double value) {
        if (value == 0) {
            return "0";
        }
        BigDecimal shortest = shortest(Math.abs(value));
        String digits = shortest.unscaledValue().toString();
        int zeros = 0;
        while (digits.charAt(digits.length() - 1 - zeros) == '0') {
            zeros++;
        }
        // The decimal point stands after this many digits.
        int point = digits.length() - shortest.scale();
        digits = digits.substring(0, digits.length() - zeros);
        int count = digits.length();
        String unsigned;
        if (count <= point && point <= 21) {
            unsigned = digits + "0".repeat(point - count);
        } else if (point >= 1 && point <= 21) {
            unsigned = digits.substring(0, point) + "." + digits.substring(point);
        } else if (point >= -5 && point <= 0) {
            unsigned = "0." + "0".repeat(-point) + digits;
        } else {
            String rest = digits.substring(1);
            int exponent = point - 1;
            unsigned = digits.charAt(0) + (rest.isEmpty() ? "" : "." + rest) + "e" + (exponent < 0 ? "" : "+") + exponent;
        }
        return value < 0 ? "-" + unsigned : unsigned;
    }

    /** Of all decimals that read back as this number, one with the fewest digits; of those, the nearest. */
    private static BigDecimal shortest(double value) {
        BigDecimal exact = new BigDecimal(value);
        for (int digits = 1; digits < DIGITS_MAX; digits++) {
            BigDecimal down = exact.round(new MathContext(digits, RoundingMode.DOWN));
            BigDecimal up = exact.round(new MathContext(digits, RoundingMode.UP));
            boolean downReads = Double.parseDouble(down.toString()) == value;
            boolean upReads = Double.parseDouble(up.toString()) == value;
            if (downReads && upReads) {
                int nearer = exact.subtract(down).compareTo(up.subtract(exact));
                boolean even = !down.unscaledValue().testBit(0);
                return nearer < 0 || nearer == 0 && even ? down : up;
            }
            if (downReads || upReads) {
                return downReads ? down : up;
            }
        }
        return exact.round(new MathContext(DIGITS_MAX, RoundingMode.HALF_EVEN));
    }
}
