package hotplate;

import java.time.Duration;

/**
 * How {@link HotplateCache#get(CharSequence, Loader, ComputeOptions)} reads, computes and stores. Immutable: each call gives new
 * options.
 *
 * @param write how the result is stored
 * @param mode how this call uses the cache
 * @param staleIfError when the computation fails and a stale value is there, returns that; the failure is then not remembered
 * @param staleWhileRevalidate returns a stale value at once, and has one caller of all processes compute the next one behind it
 * @param maxAge computes anew when the stored value is older than this; null: of any age
 * @param perProcess asks for no lease: each process computes for itself
 * @param waitMax how long to wait for a value that another process computes; then the caller computes for itself, which is not
 *     stored. Zero: never waits
 * @param rememberFailure when the computation fails, for how long every caller of whichever process gets the same failure; null:
 *     not at all
 * @param holdOff when the computation fails, for how long nobody tries again, at most 60 s; null: not at all
 */
public record ComputeOptions(
        WriteOptions write,
        CacheMode mode,
        boolean staleIfError,
        boolean staleWhileRevalidate,
        Duration maxAge,
        boolean perProcess,
        Duration waitMax,
        Ttl rememberFailure,
        Duration holdOff) {
    /** The namespace's defaults, mode USE, a wait of 30 s. */
    public static final ComputeOptions DEFAULT = new ComputeOptions(
            WriteOptions.DEFAULT, CacheMode.USE, false, false, null, false, Duration.ofSeconds(30), null, null);

    /** Results live this long. */
    public static ComputeOptions ttl(Duration ttl) {
        return DEFAULT.write(WriteOptions.ttl(ttl));
    }

    /** Results live this long. */
    public static ComputeOptions ttl(Ttl ttl) {
        return DEFAULT.write(WriteOptions.ttl(ttl));
    }

    /** How the result is stored, instead of what was said before. */
    public ComputeOptions write(WriteOptions options) {
        return new ComputeOptions(
                options, mode, staleIfError, staleWhileRevalidate, maxAge, perProcess, waitMax, rememberFailure, holdOff);
    }

    /** Groups the result belongs to; short for {@link #write}. */
    public ComputeOptions tags(String... tags) {
        return write(write.tags(tags));
    }

    /** For how long after its TTL the result may be served as stale; short for {@link #write}. */
    public ComputeOptions staleFor(Duration duration) {
        return write(write.staleFor(duration));
    }

    /** How this call uses the cache. */
    public ComputeOptions mode(CacheMode how) {
        return new ComputeOptions(
                write, how, staleIfError, staleWhileRevalidate, maxAge, perProcess, waitMax, rememberFailure, holdOff);
    }

    /** A stale value in place of a failure. Needs entries stored with {@code staleFor}. */
    public ComputeOptions staleIfError(boolean accept) {
        return new ComputeOptions(
                write, mode, accept, staleWhileRevalidate, maxAge, perProcess, waitMax, rememberFailure, holdOff);
    }

    /** A stale value at once, and the next one computed behind it. Needs entries stored with {@code staleFor}. */
    public ComputeOptions staleWhileRevalidate(boolean accept) {
        return new ComputeOptions(
                write, mode, staleIfError, accept, maxAge, perProcess, waitMax, rememberFailure, holdOff);
    }

    /** Computes anew when the stored value is older than this. */
    public ComputeOptions maxAge(Duration age) {
        return new ComputeOptions(
                write, mode, staleIfError, staleWhileRevalidate, age, perProcess, waitMax, rememberFailure, holdOff);
    }

    /** Asks for no lease: for computations that are cheaper than two calls. */
    public ComputeOptions perProcess(boolean alone) {
        return new ComputeOptions(
                write, mode, staleIfError, staleWhileRevalidate, maxAge, alone, waitMax, rememberFailure, holdOff);
    }

    /** How long to wait for another process. */
    public ComputeOptions waitMax(Duration longest) {
        return new ComputeOptions(
                write, mode, staleIfError, staleWhileRevalidate, maxAge, perProcess, longest, rememberFailure, holdOff);
    }

    /** For how long a failure is remembered. Its text, up to 1,024 bytes of it, is stored. */
    public ComputeOptions rememberFailure(Ttl ttl) {
        return new ComputeOptions(
                write, mode, staleIfError, staleWhileRevalidate, maxAge, perProcess, waitMax, ttl, holdOff);
    }

    /** For how long nobody tries again after a failure. Has no effect on a failure that is remembered. */
    public ComputeOptions holdOff(Duration pause) {
        return new ComputeOptions(
                write, mode, staleIfError, staleWhileRevalidate, maxAge, perProcess, waitMax, rememberFailure, pause);
    }
}
