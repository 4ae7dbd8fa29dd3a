package hotplate;

/**
 * The answer of one item of a batch: a result, or why there is none.
 *
 * @param <T> what the call of the same name alone answers
 * @param result the answer; null when the item failed
 * @param failure why it failed; null when it did not
 */
public record ItemResult<T>(T result, HotplateException failure) {
    /** An item that was answered. */
    public static <T> ItemResult<T> of(T result) {
        return new ItemResult<>(result, null);
    }

    /** An item that failed. */
    public static <T> ItemResult<T> failed(HotplateException failure) {
        return new ItemResult<>(null, failure);
    }

    /**
     * The answer.
     *
     * @throws HotplateException why there is none
     */
    public T get() {
        if (failure != null) {
            throw failure;
        }
        return result;
    }
}
