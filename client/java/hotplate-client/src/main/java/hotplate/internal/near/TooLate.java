package hotplate.internal.near;

/** The stream has to be opened again, after the last message that was taken in: what it says is too old to be relied on. */
public final class TooLate extends Exception {
    private static final long serialVersionUID = 1L;

    TooLate() {
        super("too late", null, false, false);
    }
}
