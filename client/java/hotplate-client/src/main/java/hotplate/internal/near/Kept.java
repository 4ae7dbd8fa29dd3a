package hotplate.internal.near;

import hotplate.Codec;
import hotplate.Lookup;
import java.time.Duration;

/** An entry and what was known of it when the server was asked. Times are nanoseconds of the cache's clock. */
public final class Kept {
    final Content content;
    final Stamp stamp;
    /** Of which unbroken following of changes it is part. */
    final long trust;

    final long askedAt;
    final Lives lives;
    /** When it is no longer served. */
    final long until;
    /** What it takes of the room, in bytes. */
    final long charge;
    /** Whether it was used since it was last looked at to make room. */
    volatile boolean used;

    /**
     * Durations as the server said them, in nanoseconds.
     *
     * @param age since it was stored
     * @param freshFor for which it is fresh
     * @param usableFor for which it may be used
     */
    public record Lives(long age, long freshFor, long usableFor) {}

    Kept(Content content, Stamp stamp, long trust, long askedAt, Lives lives, long ttlMax, long share) {
        this.content = content;
        this.stamp = stamp;
        this.trust = trust;
        this.askedAt = askedAt;
        this.lives = lives;
        this.until = later(askedAt, Math.min(lives.freshFor, ttlMax));
        this.charge = Math.max(share, content.bytes());
    }

    static long later(long time, long more) {
        long sum = time + more;
        return sum < time ? Long.MAX_VALUE : sum;
    }

    /** How old it is by now. */
    long age(long now) {
        return later(lives.age, Math.max(0, now - askedAt));
    }

    /** What a read answers. With {@code shares} the value is read once for all whose codec is equal. */
    public <V> Lookup<V> tell(Codec<V> codec, boolean shares, long now) {
        long passed = Math.max(0, now - askedAt);
        Duration freshFor = Duration.ofNanos(Math.max(0, lives.freshFor - passed));
        if (content.value == null) {
            return new Lookup.Negative<>(content.reason, content.message, freshFor);
        }
        return new Lookup.Hit<>(
                shares ? content.shared(codec) : content.read(codec),
                false,
                true,
                content.tier,
                Duration.ofNanos(age(now)),
                freshFor,
                Duration.ofNanos(Math.max(0, lives.usableFor - passed)),
                content.etag,
                content.refreshFailure);
    }
}
