package hotplate.internal;

import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** Tells a listener of a state, one call at a time and never out of order: the last word is what is so. What came and went meanwhile is not told. */
final class Serial implements Consumer<Boolean> {
    private static final System.Logger LOG = System.getLogger("hotplate");

    private final Executor executor;
    private final BooleanSupplier state;
    private final Consumer<Boolean> listener;
    private boolean told;
    private boolean running;
    private boolean again;

    /** Tells nothing before the state is another than now. */
    Serial(Executor executor, BooleanSupplier state, Consumer<Boolean> listener) {
        this.executor = executor;
        this.state = state;
        this.listener = listener;
        this.told = state.getAsBoolean();
    }

    /** The state may have changed. */
    @Override
    public void accept(Boolean changed) {
        synchronized (this) {
            again = true;
            if (running) {
                return;
            }
            running = true;
        }
        executor.execute(this::tell);
    }

    private void tell() {
        while (true) {
            synchronized (this) {
                if (!again) {
                    running = false;
                    return;
                }
                again = false;
            }
            boolean now = state.getAsBoolean();
            if (now == told) {
                continue;
            }
            told = now;
            try {
                listener.accept(now);
            } catch (RuntimeException | Error fault) {
                LOG.log(System.Logger.Level.ERROR, "a listener of the availability failed: {0}", fault.getClass().getName());
            }
        }
    }
}
