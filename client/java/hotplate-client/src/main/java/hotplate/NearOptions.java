package hotplate;

import java.time.Duration;

/**
 * How values are kept in this process; for {@link HotplateBuilder#nearCache}. Immutable: each call gives new options.
 *
 * @param bytesMax bytes that it keeps at most, for each namespace, at least 64 KiB. A value counts twice, as it came and as it was
 *     read, with its key, its facts and a share for bookkeeping
 * @param entriesMax entries that it keeps at most, for each namespace, 1 or more
 * @param ttlMax for how long a value is served without asking the server again, at most; less where it stays fresh for less
 * @param progressMax for how long the server may be silent before nothing is served any more, 300 ms to 10 min. It bounds how old
 *     what was invalidated can still be read when the server or the network between stops without a word
 * @param follow what it hears of
 * @param keepDependents also keeps entries that were made from others, and follows evictions for that. Not for servers with a disk
 *     or a Redis below their memory: nothing tells of what is dropped there because of what it was made from
 */
public record NearOptions(
        long bytesMax,
        int entriesMax,
        Duration ttlMax,
        Duration progressMax,
        NearFollow follow,
        boolean keepDependents) {
    /** 64 MiB, 10,000 entries, 60 s, 3 s of silence, following the namespace. */
    public static final NearOptions DEFAULT = new NearOptions(
            64L << 20, 10_000, Duration.ofSeconds(60), Duration.ofSeconds(3), new NearFollow.Namespace(), false);

    /** Checks the bounds. */
    public NearOptions {
        if (bytesMax < 64 << 10 || entriesMax < 1) {
            throw HotplateException.configuration("near cache: bytesMax is at least 64 KiB and entriesMax at least 1");
        }
        if (ttlMax.isNegative() || ttlMax.isZero()) {
            throw HotplateException.configuration("near cache: ttlMax is more than zero");
        }
        if (progressMax.toMillis() < 300 || progressMax.compareTo(Duration.ofMinutes(10)) > 0) {
            throw HotplateException.configuration("near cache: progressMax is 300 ms to 10 min");
        }
        if (follow instanceof NearFollow.Prefixes some
                && (some.prefixes().isEmpty()
                        || some.prefixes().size() > 128
                        || some.prefixes().stream().anyMatch(String::isEmpty))) {
            throw HotplateException.configuration("near cache: 1 to 128 prefixes are followed, none of them empty");
        }
    }

    /** The defaults with this many bytes. */
    public static NearOptions bytes(long bytesMax) {
        return DEFAULT.bytesMax(bytesMax);
    }

    /** Bytes that it keeps at most. */
    public NearOptions bytesMax(long bytes) {
        return new NearOptions(bytes, entriesMax, ttlMax, progressMax, follow, keepDependents);
    }

    /** Entries that it keeps at most. */
    public NearOptions entriesMax(int entries) {
        return new NearOptions(bytesMax, entries, ttlMax, progressMax, follow, keepDependents);
    }

    /** For how long a value is served at most. */
    public NearOptions ttlMax(Duration longest) {
        return new NearOptions(bytesMax, entriesMax, longest, progressMax, follow, keepDependents);
    }

    /** For how long the server may be silent. */
    public NearOptions progressMax(Duration silence) {
        return new NearOptions(bytesMax, entriesMax, ttlMax, silence, follow, keepDependents);
    }

    /** What it hears of. */
    public NearOptions follow(NearFollow what) {
        return new NearOptions(bytesMax, entriesMax, ttlMax, progressMax, what, keepDependents);
    }

    /** Whether it keeps what was made from others. */
    public NearOptions keepDependents(boolean keep) {
        return new NearOptions(bytesMax, entriesMax, ttlMax, progressMax, follow, keep);
    }
}
