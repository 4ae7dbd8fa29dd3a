package hotplate;

/**
 * A value that is written in pieces, such as tokens as they are made; who follows gets them as they are. Closed before
 * {@link #finish}, nothing is stored. One thread writes it.
 */
public interface WriteStream extends AutoCloseable {
    /**
     * Sends a piece. Waits while the server takes no more. The array is copied.
     *
     * @throws HotplateException what the server refused, or that it was away for too long. The upload is lost then
     */
    void send(byte[] piece);

    /**
     * Stores what was sent, under its key, in one step.
     *
     * @throws HotplateException as {@link #send}
     */
    Written finish();

    /** Gives the upload up, unless it was finished. */
    @Override
    void close();
}
