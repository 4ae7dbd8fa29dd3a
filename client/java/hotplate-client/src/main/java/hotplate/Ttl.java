package hotplate;

import java.time.Duration;
import java.util.Locale;
import java.util.Set;

/**
 * How long an entry stays fresh: a class that the server resolves, so that operators can retune it, or exactly so long.
 */
public final class Ttl {
    /** 300 s unless the server says otherwise. */
    public static final Ttl VERY_SHORT = new Ttl("very_short", null);
    /** 900 s. */
    public static final Ttl SHORT = new Ttl("short", null);
    /** 1,800 s. */
    public static final Ttl MEDIUM = new Ttl("medium", null);
    /** 3,600 s. */
    public static final Ttl LONG = new Ttl("long", null);
    /** 7,200 s. */
    public static final Ttl VERY_LONG = new Ttl("very_long", null);
    /** 86,400 s. */
    public static final Ttl DAY = new Ttl("day", null);
    /** 604,800 s. */
    public static final Ttl WEEK = new Ttl("week", null);

    /** Names of the classes that every server knows, shortest first. */
    public static final java.util.List<String> CLASSES =
            java.util.List.of("very_short", "short", "medium", "long", "very_long", "day", "week");

    private static final Set<String> KNOWN = Set.copyOf(CLASSES);

    private final String name;
    private final Duration duration;

    private Ttl(String name, Duration duration) {
        this.name = name;
        this.duration = duration;
    }

    /** Exactly this long, at least 1 ms. */
    public static Ttl of(Duration duration) {
        return new Ttl(null, duration);
    }

    /** This many seconds, at least 1. */
    public static Ttl seconds(long seconds) {
        return of(Duration.ofSeconds(seconds));
    }

    /** A class by name, for those a server adds. */
    public static Ttl named(String name) {
        return new Ttl(name, null);
    }

    /**
     * Reads a class by name in any case ({@code long}, {@code VERY_LONG}), or a duration such as {@code 1d2h3m50s},
     * {@code 250ms} or a plain number of seconds.
     *
     * @throws HotplateException INVALID_ARGUMENT for what is neither
     */
    public static Ttl parse(String text) {
        String lower = text.strip().toLowerCase(Locale.ROOT);
        boolean letter = !lower.isEmpty() && lower.charAt(0) >= 'a' && lower.charAt(0) <= 'z';
        return letter ? named(lower) : of(Durations.parse(lower));
    }

    /** The class's name; null for an exact duration. */
    public String className() {
        return name;
    }

    /** The exact duration; null for a class. */
    public Duration duration() {
        return duration;
    }

    /** Whether it is a class that every server knows. */
    public boolean isKnownClass() {
        return name != null && KNOWN.contains(name);
    }

    @Override
    public String toString() {
        return name != null ? name : Durations.format(duration);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Ttl ttl
                && java.util.Objects.equals(name, ttl.name)
                && java.util.Objects.equals(duration, ttl.duration);
    }

    @Override
    public int hashCode() {
        return java.util.Objects.hash(name, duration);
    }
}
