package hotplate;

/**
 * A value that is read in pieces, each checked before it is handed out. A stream that breaks is gone on with where it ended, on the
 * same version. One thread reads it; to be closed.
 */
public interface ReadStream extends AutoCloseable {
    /** What is known of the value before its bytes: its size in bytes as the hit's value, zero while it is written. */
    Lookup<Long> found();

    /**
     * The next piece; null at the end, or when there is no value.
     *
     * @throws HotplateException the server is away for too long; reason {@code VERSION_GONE} when this version is not there any
     *     more, {@code DIGEST_MISMATCH} when the pieces are not what the server meant. What was handed out is not the value then
     */
    byte[] next();

    /** Bytes handed out so far. */
    long offset();

    /** Stops reading. */
    @Override
    void close();
}
