package hotplate;

import java.time.Duration;
import java.util.Objects;

/**
 * How {@link HotplateCache#get(CharSequence, Loader, ComputeOptions)} reads, computes and stores. Start with {@link #DEFAULT} or
 * {@link #ttl(Ttl)} and add what matters. Immutable: each call gives new options.
 */
public final class ComputeOptions {
    private static final Duration WAIT_DEFAULT = Duration.ofSeconds(30);

    /** The namespace's defaults, mode USE, a wait of 30 s. */
    public static final ComputeOptions DEFAULT = new ComputeOptions();

    private WriteOptions write = WriteOptions.DEFAULT;
    private CacheMode mode = CacheMode.USE;
    private boolean staleIfError;
    private boolean staleWhileRevalidate;
    private Duration maxAge;
    private boolean perProcess;
    private Duration waitMax = WAIT_DEFAULT;
    private Ttl rememberFailure;
    private Duration holdOff;
    private boolean callersThread;

    private ComputeOptions() {}

    private ComputeOptions copy() {
        ComputeOptions copy = new ComputeOptions();
        copy.write = write;
        copy.mode = mode;
        copy.staleIfError = staleIfError;
        copy.staleWhileRevalidate = staleWhileRevalidate;
        copy.maxAge = maxAge;
        copy.perProcess = perProcess;
        copy.waitMax = waitMax;
        copy.rememberFailure = rememberFailure;
        copy.holdOff = holdOff;
        copy.callersThread = callersThread;
        return copy;
    }

    private static Duration span(String field, Duration duration) {
        if (duration != null && duration.isNegative()) {
            throw HotplateException.invalid(field, "a duration is not negative");
        }
        return duration;
    }

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
        ComputeOptions copy = copy();
        copy.write = Objects.requireNonNull(options, "options");
        return copy;
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
        ComputeOptions copy = copy();
        copy.mode = Objects.requireNonNull(how, "how");
        return copy;
    }

    /**
     * When the computation fails and a stale value is there, returns that; the failure is then not remembered. Needs entries stored with
     * {@code staleFor}.
     */
    public ComputeOptions staleIfError(boolean accept) {
        ComputeOptions copy = copy();
        copy.staleIfError = accept;
        return copy;
    }

    /**
     * Returns a stale value at once, and has one caller of all processes compute the next one behind it. Needs entries stored with
     * {@code staleFor}.
     */
    public ComputeOptions staleWhileRevalidate(boolean accept) {
        ComputeOptions copy = copy();
        copy.staleWhileRevalidate = accept;
        return copy;
    }

    /** Computes anew when the stored value is older than this; null: of any age. */
    public ComputeOptions maxAge(Duration age) {
        ComputeOptions copy = copy();
        copy.maxAge = span("max_age", age);
        return copy;
    }

    /** Asks for no lease, so that each process computes for itself: for computations that are cheaper than two calls. */
    public ComputeOptions perProcess(boolean alone) {
        ComputeOptions copy = copy();
        copy.perProcess = alone;
        return copy;
    }

    /**
     * How long to wait for a value that another process computes; then the caller computes for itself, which is not stored. Zero: never
     * waits. Default: 30 s.
     */
    public ComputeOptions waitMax(Duration longest) {
        ComputeOptions copy = copy();
        copy.waitMax = span("wait", Objects.requireNonNull(longest, "longest"));
        return copy;
    }

    /**
     * When the computation fails, for how long every caller of whichever process gets the same failure; null: not at all. Its text, up to
     * 1,024 bytes of it, is stored.
     */
    public ComputeOptions rememberFailure(Ttl ttl) {
        ComputeOptions copy = copy();
        copy.rememberFailure = ttl;
        return copy;
    }

    /**
     * When the computation fails, for how long nobody tries again, at most 60 s; null: not at all. Has no effect on a failure that is
     * remembered.
     */
    public ComputeOptions holdOff(Duration pause) {
        ComputeOptions copy = copy();
        copy.holdOff = span("hold_off", pause);
        return copy;
    }

    /**
     * Runs the {@link Loader} on the thread of the caller that began the computation, so that it sees what belongs to that thread: a
     * transaction, a security context, a locale. Has no effect on an {@link AsyncLoader}. When that thread is interrupted, so is the
     * computation, for all who wait for it. A value that is computed behind a stale one is computed on a thread of the client all the same.
     * Default: no; every computation has a thread of the client.
     */
    public ComputeOptions callersThread(boolean own) {
        ComputeOptions copy = copy();
        copy.callersThread = own;
        return copy;
    }

    /** How the result is stored. */
    public WriteOptions write() {
        return write;
    }

    /** How the call uses the cache. */
    public CacheMode mode() {
        return mode;
    }

    /** Whether a stale value is taken in place of a failure. */
    public boolean staleIfError() {
        return staleIfError;
    }

    /** Whether a stale value is taken at once. */
    public boolean staleWhileRevalidate() {
        return staleWhileRevalidate;
    }

    /** What is older than this is computed anew; null: of any age. */
    public Duration maxAge() {
        return maxAge;
    }

    /** Whether no lease is asked for. */
    public boolean perProcess() {
        return perProcess;
    }

    /** How long to wait for another process. */
    public Duration waitMax() {
        return waitMax;
    }

    /** For how long a failure is remembered; null: not at all. */
    public Ttl rememberFailure() {
        return rememberFailure;
    }

    /** For how long nobody tries again after a failure; null: not at all. */
    public Duration holdOff() {
        return holdOff;
    }

    /** Whether a loader runs on its caller's thread. */
    public boolean callersThread() {
        return callersThread;
    }
}
