package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;

/**
 * One stream of messages, read and written by one thread that waits. No more is taken from the network than fits here. When it is
 * opened again, and what its messages mean, is its callers' business.
 *
 * @param <Q> what is sent
 * @param <A> what is received
 */
public final class Exchange<Q, A> {
    /** Messages taken ahead of who reads them. */
    private static final int AHEAD = 2;

    private final Object monitor;
    private final Calls calls;
    private final Pool.Place place;
    private final ClientCall<Q, A> call;
    private final ArrayDeque<A> received = new ArrayDeque<>();
    private boolean opened;
    private boolean woken;
    private HotplateException failure;
    private boolean ended;

    /** What came of waiting. */
    public enum Wait {
        /** There is something. */
        READY,
        /** The time is over. */
        TIMEOUT,
        /** Somebody called {@link #wake}. */
        WOKEN
    }

    /** Opens a stream on a place, which it leaves at its end. */
    Exchange(Calls calls, Pool.Place place, MethodDescriptor<Q, A> method) {
        this.monitor = new Object();
        this.calls = calls;
        this.place = place;
        // It may outlive the call of a server that this thread may be answering.
        Context callers = Context.ROOT.attach();
        try {
            this.call = place.channel().newCall(method, CallOptions.DEFAULT);
            call.start(new Listener(), calls.headers());
        } catch (RuntimeException closed) {
            place.leave();
            throw closed;
        } finally {
            Context.ROOT.detach(callers);
        }
        call.request(AHEAD);
    }

    /** Opens one to which a single message is sent. */
    static <Q, A> Exchange<Q, A> of(Calls calls, Pool.Place place, MethodDescriptor<Q, A> method, Q request) {
        Exchange<Q, A> exchange = new Exchange<>(calls, place, method);
        exchange.call.sendMessage(request);
        exchange.call.halfClose();
        return exchange;
    }

    private final class Listener extends ClientCall.Listener<A> {
        @Override
        public void onHeaders(Metadata headers) {
            synchronized (monitor) {
                opened = true;
                monitor.notifyAll();
            }
        }

        @Override
        public void onMessage(A message) {
            synchronized (monitor) {
                opened = true;
                received.add(message);
                monitor.notifyAll();
            }
        }

        @Override
        public void onReady() {
            synchronized (monitor) {
                monitor.notifyAll();
            }
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            place.leave();
            synchronized (monitor) {
                ended = true;
                if (!status.isOk()) {
                    failure = calls.pool().isClosed() ? Threads.closed() : Statuses.of(status, trailers);
                }
                monitor.notifyAll();
            }
        }
    }

    /**
     * Waits until there is a message or the end.
     *
     * @param longest null: as long as it takes
     * @throws HotplateException CANCELLED when the thread is interrupted
     */
    public Wait await(Duration longest) {
        synchronized (monitor) {
            Wait wait = until(longest, () -> !received.isEmpty() || ended);
            return wait;
        }
    }

    /** Waits until the server has taken the stream, or it ended. */
    Wait awaitOpened(Duration longest) {
        synchronized (monitor) {
            return until(longest, () -> opened || ended);
        }
    }

    /**
     * The next message, for which nobody waits here; null at the end, if that is a good one.
     *
     * @throws HotplateException how it ended
     */
    public A take() {
        A message;
        synchronized (monitor) {
            message = received.poll();
            if (message == null && failure != null) {
                throw failure;
            }
        }
        if (message != null) {
            call.request(1);
        }
        return message;
    }

    /**
     * The next message, waited for; null at the end, if that is a good one.
     *
     * @throws HotplateException how it ended, or DEADLINE_EXCEEDED
     */
    A next(Duration longest) {
        if (await(longest) != Wait.READY) {
            throw Statuses.timedOut(longest);
        }
        return take();
    }

    /**
     * Sends a message, as soon as the network takes it.
     *
     * @throws HotplateException how the stream ended, or DEADLINE_EXCEEDED
     */
    void send(Q message, Duration longest) {
        synchronized (monitor) {
            if (until(longest, () -> call.isReady() || ended) == Wait.TIMEOUT) {
                throw Statuses.timedOut(longest);
            }
            if (ended) {
                throw failure != null
                        ? failure
                        : new HotplateException(ErrorKind.UNAVAILABLE, "the stream ended before all was sent");
            }
        }
        call.sendMessage(message);
    }

    /** Says that nothing more is sent. */
    void halfClose() {
        call.halfClose();
    }

    /** Ends it. Who waits is told CANCELLED. */
    public void cancel() {
        call.cancel("given up", null);
    }

    /** Has who waits now, or next, look up. */
    public void wake() {
        synchronized (monitor) {
            woken = true;
            monitor.notifyAll();
        }
    }

    private Wait until(Duration longest, java.util.function.BooleanSupplier holds) {
        long ends = longest == null ? 0 : System.nanoTime() + Nanos.of(longest);
        while (!holds.getAsBoolean()) {
            if (woken) {
                woken = false;
                return Wait.WOKEN;
            }
            long left = longest == null ? Long.MAX_VALUE : ends - System.nanoTime();
            if (left <= 0) {
                return Wait.TIMEOUT;
            }
            try {
                monitor.wait(longest == null ? 0 : left / 1_000_000 + 1);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw new HotplateException(ErrorKind.CANCELLED, "the thread was interrupted while it waited");
            }
        }
        return Wait.READY;
    }
}
