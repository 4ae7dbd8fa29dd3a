package hotplate.junit;

import static org.junit.jupiter.api.Assertions.fail;

import java.util.concurrent.Callable;

/** Waiting for what happens some time, at most a minute. */
final class Until {
    private Until() {}

    static void holds(String what, Callable<Boolean> holds) throws Exception {
        long ends = System.nanoTime() + 60_000_000_000L;
        while (!holds.call()) {
            if (System.nanoTime() - ends >= 0) {
                fail("not within a minute: " + what);
            }
            Thread.sleep(10);
        }
    }
}
