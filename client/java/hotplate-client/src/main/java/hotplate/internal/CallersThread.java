package hotplate.internal;

import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;

/**
 * A caller that waits for a computation, and runs it on its own thread when it is its turn. When it has left before, the computation runs
 * where all others do.
 */
final class CallersThread {
    private final Threads threads;
    private Handed<?> handed;
    private boolean over;

    /** A computation for this thread. */
    private record Handed<V>(Callable<V> work, Runnable atEnd, CompletableFuture<V> outcome) {
        void run() {
            V value = null;
            Throwable failure = null;
            try {
                // Given up before its turn came: then nobody is told what comes of it.
                value = outcome.isDone() ? null : work.call();
            } catch (Throwable thrown) {
                failure = thrown;
            }
            if (failure != null && Interruptions.ended(failure)) {
                // Who asked to end it asked this thread: the caller is to see that, too.
                Thread.currentThread().interrupt();
            }
            atEnd.run();
            if (failure == null) {
                outcome.complete(value);
            } else {
                outcome.completeExceptionally(failure);
            }
        }
    }

    CallersThread(Threads threads) {
        this.threads = threads;
    }

    /** Has the work run on the caller's thread. Giving the future up interrupts that thread, if it is at it. */
    <V> CompletableFuture<V> compute(Callable<V> work, Runnable atEnd) {
        CompletableFuture<V> outcome = new CompletableFuture<>();
        synchronized (this) {
            if (!over) {
                handed = new Handed<>(work, atEnd, outcome);
                notifyAll();
                return outcome;
            }
        }
        return threads.compute(work, atEnd);
    }

    /** Waits for what is computed, and computes it if it is handed to this thread. */
    <A> A await(CompletableFuture<A> step) {
        step.whenComplete((value, failure) -> {
            synchronized (this) {
                over = true;
                notifyAll();
            }
        });
        try {
            Handed<?> mine = next();
            if (mine != null) {
                runInterruptibly(mine);
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        leave();
        return Async.await(step);
    }

    private synchronized Handed<?> next() throws InterruptedException {
        while (handed == null && !over) {
            wait();
        }
        Handed<?> mine = handed;
        handed = null;
        over = true;
        return mine;
    }

    /** Who was interrupted while waiting, before anything was handed over, does not run it; what was handed over meanwhile runs elsewhere. */
    private void leave() {
        Handed<?> left;
        synchronized (this) {
            over = true;
            left = handed;
            handed = null;
        }
        if (left != null) {
            elsewhere(left);
        }
    }

    private <V> void elsewhere(Handed<V> left) {
        CompletableFuture<V> computed = threads.compute(left.work, left.atEnd);
        left.outcome.whenComplete((value, failure) -> computed.cancel(true));
        computed.whenComplete((value, failure) -> {
            if (failure == null) {
                left.outcome.complete(value);
            } else {
                left.outcome.completeExceptionally(failure);
            }
        });
    }

    /** Runs it so that giving its future up from elsewhere, as closing the client does, interrupts this thread, and only while it runs. */
    private static void runInterruptibly(Handed<?> mine) {
        Thread runner = Thread.currentThread();
        boolean[] running = {true};
        boolean[] interrupted = {false};
        mine.outcome.whenComplete((value, failure) -> {
            synchronized (running) {
                if (running[0] && Thread.currentThread() != runner) {
                    interrupted[0] = true;
                    runner.interrupt();
                }
            }
        });
        mine.run();
        synchronized (running) {
            running[0] = false;
            if (interrupted[0]) {
                // It was meant for the computation, and the caller is told by its future.
                Thread.interrupted();
            }
        }
    }
}
