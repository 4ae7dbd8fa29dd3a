package hotplate.conformance;

/** The driver itself met something that must not be. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Fault(String what) {
        super(what);
    }
}
