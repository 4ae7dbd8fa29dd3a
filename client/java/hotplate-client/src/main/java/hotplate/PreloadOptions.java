package hotplate;

import java.time.Duration;

/**
 * How entries are fetched ahead. Immutable: each call gives new options.
 *
 * @param force fetches what is fresh as well
 * @param parallelism how many at once; zero: the server's default, which also caps it
 * @param pinFor for how long what is loaded makes no room for others, at most 24 h; null: not at all
 */
public record PreloadOptions(boolean force, int parallelism, Duration pinFor) {
    /** Skips what is fresh. */
    public static final PreloadOptions DEFAULT = new PreloadOptions(false, 0, null);

    /** Fetches what is fresh as well. */
    public PreloadOptions forced() {
        return new PreloadOptions(true, parallelism, pinFor);
    }

    /** How many at once. */
    public PreloadOptions parallelism(int items) {
        return new PreloadOptions(force, items, pinFor);
    }

    /** For how long what is loaded makes no room for others. */
    public PreloadOptions pinFor(Duration duration) {
        return new PreloadOptions(force, parallelism, duration);
    }
}
