package hotplate;

import java.math.BigInteger;
import java.time.Duration;

/** Durations as people write them: {@code 1d2h3m50s}, {@code 250ms}, or a number of seconds. Lifetimes live in {@link Ttl}. */
public final class Durations {
    private static final String[] UNITS = {"w", "d", "h", "m", "s", "ms"};
    private static final long[] MILLIS = {604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1};
    private static final long MAX_MILLIS = 100L * 365 * 86_400_000;

    private Durations() {}

    /**
     * Reads {@code 1w2d3h4m5s6ms}: each unit at most once, largest first; or a plain number of seconds, which may have a fraction
     * down to the millisecond ({@code 1.5}).
     *
     * @throws HotplateException INVALID_ARGUMENT for anything else, for zero, and for more than 100 years
     */
    public static Duration parse(String text) {
        String trimmed = text.strip();
        boolean plain = trimmed.chars().allMatch(c -> c >= '0' && c <= '9' || c == '.');
        BigInteger millis = plain ? plainSeconds(trimmed) : withUnits(trimmed);
        if (millis == null) {
            throw HotplateException.invalid("duration", "not a duration: write for example `1d2h3m50s`, `250ms` or `90`");
        }
        if (millis.signum() == 0) {
            throw HotplateException.invalid("duration", "a duration of zero is no lifetime: use at least 1ms");
        }
        if (millis.compareTo(BigInteger.valueOf(MAX_MILLIS)) > 0) {
            throw HotplateException.invalid("duration", "a duration is at most 100 years");
        }
        return Duration.ofMillis(millis.longValueExact());
    }

    /** Writes a duration the way {@link #parse} reads it, cut to the millisecond. */
    public static String format(Duration duration) {
        long millis = Math.max(0, duration.toMillis());
        StringBuilder text = new StringBuilder();
        for (int unit = 0; unit < UNITS.length; unit++) {
            long count = millis / MILLIS[unit];
            if (count > 0) {
                text.append(count).append(UNITS[unit]);
                millis %= MILLIS[unit];
            }
        }
        return text.isEmpty() ? "0ms" : text.toString();
    }

    private static BigInteger plainSeconds(String text) {
        int dot = text.indexOf('.');
        String whole = dot < 0 ? text : text.substring(0, dot);
        String fraction = dot < 0 ? "0" : text.substring(dot + 1);
        if (whole.isEmpty() || whole.length() > 20 || fraction.isEmpty() || fraction.length() > 3 || fraction.contains(".")) {
            return null;
        }
        BigInteger millis = new BigInteger((fraction + "00").substring(0, 3));
        return new BigInteger(whole).multiply(BigInteger.valueOf(1_000)).add(millis);
    }

    private static BigInteger withUnits(String text) {
        BigInteger total = BigInteger.ZERO;
        int at = 0;
        int unit = 0;
        while (at < text.length()) {
            int digits = at;
            while (digits < text.length() && isDigit(text.charAt(digits))) {
                digits++;
            }
            int end = digits;
            while (end < text.length() && !isDigit(text.charAt(end))) {
                end++;
            }
            if (digits == at || digits - at > 20 || end == digits) {
                return null;
            }
            String name = text.substring(digits, end);
            while (unit < UNITS.length && !UNITS[unit].equals(name)) {
                unit++;
            }
            if (unit == UNITS.length) {
                return null;
            }
            total = total.add(new BigInteger(text.substring(at, digits)).multiply(BigInteger.valueOf(MILLIS[unit++])));
            at = end;
        }
        return total;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }
}
