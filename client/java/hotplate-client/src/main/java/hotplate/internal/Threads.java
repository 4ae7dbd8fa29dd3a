package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The one place of the client that makes threads: all are named, are daemons, and end when their client is closed. */
public final class Threads {
    private static final int CORES = Runtime.getRuntime().availableProcessors();
    private static final int TRANSFERS_MAX = 8;
    private static final int TRANSFERS_WAITING_MAX = 1_024;

    final EventLoopGroup io =
            new MultiThreadIoEventLoopGroup(Math.max(1, Math.min(4, CORES / 2)), named("io"), NioIoHandler.newFactory());
    private final ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1, named("timer"));
    private final Set<CompletableFuture<Void>> sleeping = ConcurrentHashMap.newKeySet();
    private final Set<Thread> started = ConcurrentHashMap.newKeySet();
    private final ThreadPoolExecutor ownCalls;
    private final Executor calls;
    private final ThreadPoolExecutor work;
    private final ThreadPoolExecutor computations =
            new ThreadPoolExecutor(0, Integer.MAX_VALUE, 10, TimeUnit.SECONDS, new SynchronousQueue<>(), named("compute"));
    private final ThreadPoolExecutor transfers;

    /** Threads are started when first needed. {@code callbacks} completes callers' futures; null: threads of the client. */
    Threads(Executor callbacks) {
        ownCalls = few("call");
        calls = callbacks == null ? ownCalls : task -> given(callbacks, task);
        work = few("work");
        transfers = new ThreadPoolExecutor(
                TRANSFERS_MAX,
                TRANSFERS_MAX,
                10,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(TRANSFERS_WAITING_MAX),
                named("transfer"));
        transfers.allowCoreThreadTimeOut(true);
        timer.setRemoveOnCancelPolicy(true);
        timer.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
    }

    private static ThreadFactory named(String what) {
        AtomicInteger next = new AtomicInteger();
        return task -> {
            Thread thread = new Thread(task, "hotplate-" + what + "-" + next.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
    }

    private static ThreadPoolExecutor few(String what) {
        int few = Math.max(2, Math.min(8, CORES));
        // Bounded by the calls under way: each has at most one task here.
        ThreadPoolExecutor pool =
                new ThreadPoolExecutor(few, few, 30, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), named(what));
        pool.allowCoreThreadTimeOut(true);
        // What ends after the client was closed is told by who ends it.
        pool.setRejectedExecutionHandler((task, closed) -> task.run());
        return pool;
    }

    /**
     * Where callers' futures are completed: what callers do there holds up no step of the client, but other callers' futures. It must not wait
     * for them.
     */
    Executor calls() {
        return calls;
    }

    /** An executor that was shut down, or is full, must not leave anybody waiting. */
    private void given(Executor callbacks, Runnable task) {
        try {
            callbacks.execute(task);
        } catch (RejectedExecutionException refused) {
            ownCalls.execute(task);
        }
    }

    /** Where steps of the client go on that are not for the network's threads: codecs, and the beginning of computations. */
    public Executor work() {
        return work;
    }

    /** Does something short later; nothing after the client was closed. */
    ScheduledFuture<?> later(Duration wait, Runnable task) {
        try {
            return timer.schedule(task, Nanos.of(wait), TimeUnit.NANOSECONDS);
        } catch (RejectedExecutionException closed) {
            return null;
        }
    }

    /** Ends after so long, or fails when the client is closed before. */
    public CompletableFuture<Void> sleep(Duration wait) {
        CompletableFuture<Void> over = new CompletableFuture<>();
        sleeping.add(over);
        ScheduledFuture<?> task = later(wait, () -> over.complete(null));
        over.whenComplete((value, failure) -> {
            sleeping.remove(over);
            if (task != null) {
                task.cancel(false);
            }
        });
        if (task == null) {
            over.completeExceptionally(closed());
        }
        return over;
    }

    /** Runs a computation; how many may run is decided elsewhere. Giving the future up interrupts it. */
    public <V> CompletableFuture<V> compute(Callable<V> work, Runnable atEnd) {
        return run(computations, work, atEnd);
    }

    /** Runs a transfer of a large value: 8 at once, 1,024 may wait. Giving the future up interrupts it. */
    public <V> CompletableFuture<V> transfer(Callable<V> work) {
        return run(transfers, work, () -> {});
    }

    private <V> CompletableFuture<V> run(ExecutorService pool, Callable<V> work, Runnable atEnd) {
        Running<V> running = new Running<>(work, atEnd);
        try {
            pool.execute(running);
        } catch (RejectedExecutionException refused) {
            atEnd.run();
            boolean over = pool.isShutdown();
            running.outcome.completeExceptionally(over
                    ? closed()
                    : new HotplateException(ErrorKind.RESOURCE_EXHAUSTED, "too many large values wait to be moved")
                            .withReason(Retry.NOT_SENT));
        }
        return running.outcome;
    }

    static HotplateException closed() {
        return new HotplateException(ErrorKind.CANCELLED, "the client was closed");
    }

    /** A thread of its own, for work that lasts as long as the client. */
    void start(String what, Runnable work) {
        Thread thread = named(what).newThread(work);
        started.add(thread);
        thread.start();
    }

    /** Ends all threads. What still runs is interrupted. */
    void close() {
        timer.shutdownNow();
        sleeping.forEach(sleep -> sleep.completeExceptionally(closed()));
        started.forEach(Thread::interrupt);
        computations.shutdownNow();
        transfers.shutdownNow();
        ownCalls.shutdown();
        work.shutdown();
        joinAll();
        io.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS);
    }

    private void joinAll() {
        try {
            for (Thread thread : started) {
                thread.join(1_000);
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Work on a thread, with a future whose giving up interrupts it. */
    private static final class Running<V> implements Runnable {
        final CompletableFuture<V> outcome = new CompletableFuture<>();
        private final Callable<V> work;
        private final Runnable atEnd;
        private Thread thread;

        Running(Callable<V> work, Runnable atEnd) {
            this.work = work;
            this.atEnd = atEnd;
            outcome.whenComplete((value, failure) -> {
                interrupt();
            });
        }

        private synchronized void interrupt() {
            if (thread != null) {
                thread.interrupt();
            }
        }

        private synchronized void runsOn(Thread current) {
            thread = current;
        }

        @Override
        public void run() {
            V value = null;
            Throwable failure = null;
            runsOn(Thread.currentThread());
            try {
                value = outcome.isDone() ? null : work.call();
            } catch (Throwable thrown) {
                failure = thrown;
            }
            runsOn(null);
            // The thread is used again: an interrupt that came late was meant for this work.
            Thread.interrupted();
            atEnd.run();
            if (failure == null) {
                outcome.complete(value);
            } else {
                outcome.completeExceptionally(failure);
            }
        }
    }
}
