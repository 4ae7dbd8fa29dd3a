package hotplate.conformance;

/** This language's client has no such thing. */
final class Unsupported extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Unsupported(String why) {
        super(why);
    }
}
