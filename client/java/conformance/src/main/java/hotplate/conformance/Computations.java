package hotplate.conformance;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** The functions that {@code get_or_compute} is given: counted by name, held by gates. They hold no thread but that of who waits for one. */
final class Computations {
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "driver-timer");
        thread.setDaemon(true);
        return thread;
    });
    private final ConcurrentHashMap<String, Count> counts = new ConcurrentHashMap<>();
    private final ConcurrentHashMap<String, CompletableFuture<Void>> gates = new ConcurrentHashMap<>();

    private static final class Count {
        final AtomicLong started = new AtomicLong();
        final AtomicLong finished = new AtomicLong();
    }

    /** What one call's function is, and whether it ran. */
    final class One {
        private final Count count;
        private final Object value;
        private final String fail;
        private final boolean panics;
        private final long takes;
        private final String gate;
        volatile boolean ran;

        One(Fields compute, String codec) {
            String name = compute.has("name") ? compute.text("name") : "";
            count = counts.computeIfAbsent(name, none -> new Count());
            boolean given = !compute.raw("value").isMissingNode();
            value = given ? Values.value(codec, compute.raw("value")) : null;
            fail = compute.text("fail");
            panics = compute.flag("panics");
            takes = compute.get("takes_ms").asLong();
            gate = compute.text("gate");
            compute.end();
        }

        /**
         * Whether it waits to be released. A computation on its caller's thread ends when that caller gives up, for all who wait; what scenarios
         * hold they hold to see callers come and go, so that is computed elsewhere.
         */
        boolean held() {
            return gate != null;
        }

        CompletionStage<Object> run() {
            ran = true;
            count.started.incrementAndGet();
            CompletableFuture<Object> result = new CompletableFuture<>();
            CompletableFuture<Void> held = gate == null ? CompletableFuture.completedFuture(null) : gate(gate);
            held.thenRun(() -> timer.schedule(() -> end(result), takes, TimeUnit.MILLISECONDS));
            return result;
        }

        /** The same, on the thread of who calls it. */
        Object await() throws Exception {
            CompletableFuture<Object> result = run().toCompletableFuture();
            try {
                return result.get();
            } catch (ExecutionException failed) {
                if (failed.getCause() instanceof Error panic) {
                    throw panic;
                }
                throw (Exception) failed.getCause();
            } finally {
                // Who was interrupted has ended nothing that is counted.
                result.cancel(true);
            }
        }

        private void end(CompletableFuture<Object> result) {
            if (result.isDone()) {
                return;
            }
            count.finished.incrementAndGet();
            if (panics) {
                result.completeExceptionally(new AssertionError("told to panic"));
            } else if (fail != null) {
                result.completeExceptionally(new IllegalStateException(fail));
            } else {
                result.complete(value);
            }
        }
    }

    private CompletableFuture<Void> gate(String name) {
        return gates.computeIfAbsent(name, none -> new CompletableFuture<>());
    }

    void release(String gate) {
        gate(gate).complete(null);
    }

    ObjectNode counts(String name) {
        Count count = counts.computeIfAbsent(name, none -> new Count());
        return Answers.object().put("started", count.started.get()).put("finished", count.finished.get());
    }
}
