package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.function.BiFunction;
import java.util.function.Function;

/** Steps that follow each other, where giving up the last gives up what is under way. Knows nothing of caches. */
public final class Async {
    private Async() {}

    /** A step whose giving up is that of the step it waits for. */
    private static final class Step<B> extends CompletableFuture<B> {
        private volatile CompletableFuture<?> current;

        Step(CompletableFuture<?> first) {
            current = first;
            whenComplete((value, failure) -> {
                giveUpCurrent();
            });
        }

        /** Whatever ended this before what it waits for, such as a caller's own timeout, is a giving up. */
        private void giveUpCurrent() {
            if (!current.isDone()) {
                current.cancel(true);
            }
        }

        void follow(CompletableFuture<B> next) {
            current = next;
            if (isDone()) {
                giveUpCurrent();
            }
            next.whenComplete((value, failure) -> {
                if (failure == null) {
                    complete(value);
                } else {
                    completeExceptionally(bare(failure));
                }
            });
        }
    }

    /** Something that is done a single time, and is done when any who asked for it goes on. */
    private static final class Once implements Runnable {
        private final Runnable act;
        private boolean done;

        Once(Runnable act) {
            this.act = act;
        }

        @Override
        public synchronized void run() {
            if (!done) {
                done = true;
                act.run();
            }
        }
    }

    /** Goes on with what comes of a step, value or failure. Not called when the whole was given up before. */
    public static <A, B> CompletableFuture<B> handle(
            CompletableFuture<A> first, BiFunction<A, HotplateException, CompletableFuture<B>> next) {
        Step<B> step = new Step<>(first);
        first.whenComplete((value, failure) -> {
            if (step.isDone()) {
                return;
            }
            try {
                step.follow(next.apply(value, failure == null ? null : failure(failure)));
            } catch (Throwable thrown) {
                step.completeExceptionally(thrown);
            }
        });
        return step;
    }

    /** Goes on with the value of a step. */
    public static <A, B> CompletableFuture<B> then(CompletableFuture<A> first, Function<A, CompletableFuture<B>> next) {
        return handle(first, (value, failure) -> failure == null ? next.apply(value) : failed(failure));
    }

    /** Makes something of the value of a step. */
    public static <A, B> CompletableFuture<B> map(CompletableFuture<A> first, Function<A, B> make) {
        return then(first, value -> done(make.apply(value)));
    }

    /** Does something when a step has ended, before anyone who waits for what this returns goes on; also when the whole is given up. */
    public static <A> CompletableFuture<A> first(CompletableFuture<A> step, Runnable act) {
        Once once = new Once(act);
        // For the end that nobody follows, as the whole was given up. It may also come after those who wait were told: then it does nothing.
        step.whenComplete((value, failure) -> once.run());
        return handle(step, (value, failure) -> {
            once.run();
            return failure == null ? done(value) : failed(failure);
        });
    }

    /** A step that has its value. */
    public static <A> CompletableFuture<A> done(A value) {
        return CompletableFuture.completedFuture(value);
    }

    /** A step that failed. */
    public static <A> CompletableFuture<A> failed(Throwable failure) {
        return CompletableFuture.failedFuture(failure);
    }

    /** The same step, completed on {@code executor}: what follows it may take its time, and holds up no thread of the network. */
    public static <A> CompletableFuture<A> on(Executor executor, CompletableFuture<A> inner) {
        CompletableFuture<A> outer = new CompletableFuture<>();
        inner.whenComplete((value, failure) -> executor.execute(() -> {
            if (failure == null) {
                outer.complete(value);
            } else if (bare(failure) instanceof CancellationException) {
                outer.completeExceptionally(cancelled());
            } else {
                outer.completeExceptionally(bare(failure));
            }
        }));
        // Also by a timeout that the caller put on it.
        outer.whenComplete((value, failure) -> {
            if (!inner.isDone()) {
                inner.cancel(true);
            }
        });
        return outer;
    }

    /**
     * Waits for a step.
     *
     * @throws HotplateException its failure, with the stack of who waits; CANCELLED when the thread is interrupted, which it stays
     */
    public static <A> A await(CompletableFuture<A> step) {
        try {
            return step.get();
        } catch (InterruptedException interrupted) {
            step.cancel(true);
            Thread.currentThread().interrupt();
            throw new HotplateException(ErrorKind.CANCELLED, "the thread was interrupted while it waited");
        } catch (CancellationException cancelled) {
            throw cancelled();
        } catch (ExecutionException failed) {
            HotplateException failure = failure(failed.getCause());
            throw failure.withReason(failure.reason().orElse(null));
        }
    }

    /** Any failure as the client's own. */
    public static HotplateException failure(Throwable failure) {
        Throwable bare = bare(failure);
        if (bare instanceof HotplateException own) {
            return own;
        }
        if (bare instanceof CancellationException) {
            return cancelled();
        }
        return new HotplateException(ErrorKind.INTERNAL, "a fault in the client: " + bare.getClass().getName(), bare);
    }

    private static Throwable bare(Throwable failure) {
        Throwable bare = failure;
        while ((bare instanceof CompletionException || bare instanceof ExecutionException) && bare.getCause() != null) {
            bare = bare.getCause();
        }
        return bare;
    }

    static HotplateException cancelled() {
        return new HotplateException(ErrorKind.CANCELLED, "given up");
    }
}
