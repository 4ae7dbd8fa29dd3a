package hotplate.bench;

/** Measures the client. */
public final class Bench {
    private Bench() {}
}
