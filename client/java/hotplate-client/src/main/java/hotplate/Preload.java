package hotplate;

import hotplate.v1.PreloadResponse;
import java.util.function.Consumer;

/**
 * A preload job, followed to its end, over lost connections. One thread reads it. To be closed; the job itself goes on.
 */
public interface Preload extends AutoCloseable {
    /**
     * The next progress; null when the job has ended. After a lost connection the results so far are told again.
     *
     * @throws HotplateException what the server refused, or that it stayed away
     */
    PreloadResponse next();

    /** The job's id, for joining it elsewhere. Empty before the first answer. */
    String jobId();

    /**
     * Follows the job to its end.
     *
     * @param progress is told of each progress, as for a bar
     * @return the last progress, which says whether the job was cancelled
     * @throws HotplateException as {@link #next}
     */
    default PreloadResponse await(Consumer<PreloadResponse> progress) {
        PreloadResponse last = PreloadResponse.getDefaultInstance();
        for (PreloadResponse next = next(); next != null; next = next()) {
            progress.accept(next);
            last = next;
        }
        return last;
    }

    /** Stops following. */
    @Override
    void close();
}
