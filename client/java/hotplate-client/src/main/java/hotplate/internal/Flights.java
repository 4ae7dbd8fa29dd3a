package hotplate.internal;

import hotplate.Codec;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import java.util.function.Predicate;

/** One computation for many callers of this process: who waits for what, and when nobody waits any more. */
final class Flights {
    private final Slots slots;
    /** Those that may be joined. */
    private final Map<Key, Course> flights = new HashMap<>();
    /** Also those that may not be any more. */
    private final Set<Course> running = new HashSet<>();
    private final Within waits = new Within();
    private long next;
    private boolean closed;

    /**
     * What a computation is shared by: equal only when a caller may take another's result. Callers who accept different things ask side by
     * side; one of them has the server's lease, and the others wait for it there.
     */
    record Key(
            String namespace,
            String key,
            boolean refresh,
            Codec<?> codec,
            Duration maxAge,
            boolean staleWhileRevalidate,
            boolean perProcess) {
        boolean isOf(String space, String text) {
            return key.equals(text) && namespace.equals(space);
        }
    }

    /** A running computation, as it sees what happens around it. */
    final class Course {
        private final Key key;
        private final long id = ++next;
        private final CompletableFuture<Void> needed = new CompletableFuture<>();
        private final CompletableFuture<Object> outcome = new CompletableFuture<>();
        private CompletableFuture<?> running;
        private boolean outdated;
        private boolean asking;
        private boolean computed;
        private boolean abandoned;
        private int waiters = 1;

        private Course(Key key) {
            this.key = key;
        }

        /** Whether the result may be stored. */
        boolean mayStore() {
            synchronized (Flights.this) {
                return !outdated;
            }
        }

        /**
         * A question is on its way whose answer may bring a lease: it is not torn off when the last caller leaves, as nobody would give that
         * lease back. False: nobody waits any more, and nothing is to be asked.
         */
        boolean asks() {
            synchronized (Flights.this) {
                asking = !abandoned && !closed;
                return asking;
            }
        }

        /**
         * That question was answered. False: nobody waits any more, and nothing more is done.
         *
         * @param giveBack what is done then with what came; the end of the client waits for it
         */
        boolean answered(Runnable giveBack) {
            boolean wanted;
            synchronized (Flights.this) {
                if (waiters == 0 && !abandoned) {
                    abandoned = true;
                    flights.remove(key, this);
                }
                wanted = !abandoned && !closed;
                asking &= !wanted;
            }
            if (!wanted) {
                giveBack.run();
            }
            synchronized (Flights.this) {
                asking = false;
                Flights.this.notifyAll();
            }
            return wanted;
        }

        /** Keeps the rest from being given up: from here on it is finished even when nobody waits. */
        void computed() {
            synchronized (Flights.this) {
                computed = true;
            }
        }
    }

    Flights(int computationsMax) {
        slots = new Slots(computationsMax);
    }

    /**
     * Waits for the computation of this key, starting it when there is none. Giving the future up is this caller's leaving.
     *
     * @param compute begins it; told its course, and how to name it to what it runs
     */
    @SuppressWarnings("unchecked")
    <V> CompletableFuture<V> join(Key key, BiFunction<Course, Within.Here, CompletableFuture<V>> compute) {
        Within.Here asks = Within.here();
        Long within = asks != null && asks.table() == this ? asks.id() : null;
        Course course;
        boolean starts;
        synchronized (this) {
            if (closed) {
                return Async.failed(Threads.closed());
            }
            if (within != null && waitsForItself(key, within)) {
                return Async.failed(new HotplateException(
                        ErrorKind.INVALID_ARGUMENT,
                        "this computation asks for what waits for it: both would wait for ever"));
            }
            course = flights.get(key);
            starts = course == null;
            if (starts) {
                course = new Course(key);
                flights.put(key, course);
                running.add(course);
            } else {
                course.waiters++;
            }
            if (within != null) {
                waits.enter(within, course.id);
            }
        }
        if (asks != null) {
            course.needed.complete(null);
        }
        if (starts) {
            start(course, compute);
        }
        CompletableFuture<V> place = new CompletableFuture<>();
        Course joined = course;
        place.whenComplete((value, failure) -> leave(joined, within));
        joined.outcome.whenComplete((value, failure) -> {
            if (failure == null) {
                place.complete((V) value);
            } else {
                place.completeExceptionally(Async.failure(failure));
            }
        });
        return place;
    }

    /** Whether something of this key, with whatever options, waits for this computation: then it has, or waits for, what the server would be asked for. */
    private boolean waitsForItself(Key key, long within) {
        return flights.values().stream()
                .anyMatch(one -> one.key.isOf(key.namespace, key.key) && waits.leads(one.id, within));
    }

    private <V> void start(Course course, BiFunction<Course, Within.Here, CompletableFuture<V>> compute) {
        CompletableFuture<V> begun;
        try {
            begun = compute.apply(course, new Within.Here(this, course.id));
        } catch (RuntimeException thrown) {
            begun = Async.failed(Async.failure(thrown));
        }
        boolean late;
        synchronized (this) {
            course.running = begun;
            late = course.abandoned && !course.asking;
        }
        begun.whenComplete((value, failure) -> {
            // Who comes after an end begins anew: failures are not kept.
            land(course);
            if (failure == null) {
                course.outcome.complete(value);
            } else {
                course.outcome.completeExceptionally(Async.failure(failure));
            }
        });
        if (late) {
            begun.cancel(true);
        }
    }

    private synchronized void land(Course course) {
        flights.remove(course.key, course);
        running.remove(course);
    }

    private void leave(Course course, Long within) {
        CompletableFuture<?> end = null;
        synchronized (this) {
            if (within != null) {
                waits.leave(within, course.id);
            }
            course.waiters--;
            if (course.waiters == 0 && !course.computed && !course.asking && running.contains(course)) {
                course.abandoned = true;
                flights.remove(course.key, course);
                end = course.running;
            }
        }
        if (end != null) {
            end.cancel(true);
        }
    }

    /**
     * A place for a computation, as soon as one may run. What another computation waits for takes one if there is one, and runs in that
     * one's place otherwise.
     */
    CompletableFuture<Runnable> turn(Course course) {
        CompletableFuture<Runnable> place = slots.take();
        if (place.isDone()) {
            return place;
        }
        CompletableFuture<Runnable> turn = new CompletableFuture<>();
        place.whenComplete((given, failure) -> {
            if (failure == null && !turn.complete(given)) {
                given.run();
            }
        });
        course.needed.whenComplete((none, failure) -> turn.complete(() -> {}));
        turn.whenComplete((given, failure) -> slots.leaveUnless(place, given));
        return turn;
    }

    /** A place for one more computation, if there is one now; else null. */
    Runnable slot() {
        return slots.tryTake();
    }

    /** A name for a computation that nobody joins. */
    synchronized Within.Here alone() {
        return new Within.Here(this, ++next);
    }

    /**
     * Marks what is under way in a namespace as computed from what no longer holds: its callers get it, nobody else does, and it is not
     * stored.
     */
    void outdate(String namespace) {
        outdateIf(key -> key.namespace().equals(namespace));
    }

    /** The same for one key, which was written. */
    void outdate(String namespace, String text) {
        outdateIf(key -> key.isOf(namespace, text));
    }

    private synchronized void outdateIf(Predicate<Key> concerns) {
        flights.values().removeIf(one -> {
            boolean concerned = concerns.test(one.key);
            one.outdated |= concerned;
            return concerned;
        });
    }

    /**
     * Gives all up; from now on nothing is begun. Who waits is told at once. Questions on their way have this long to be answered, so that
     * a lease that comes is given back.
     */
    void close(Duration lastWord) {
        List<Course> all;
        synchronized (this) {
            closed = true;
            flights.clear();
            all = List.copyOf(running);
        }
        // Those who leave now do not tear off what is on its way.
        all.forEach(course -> course.outcome.completeExceptionally(Threads.closed()));
        end(all, false);
        awaitAnswers(lastWord);
        end(all, true);
    }

    private void end(List<Course> all, boolean asking) {
        List<CompletableFuture<?>> ends = new ArrayList<>();
        synchronized (this) {
            for (Course course : all) {
                if (course.running != null && (asking || !course.asking)) {
                    course.abandoned = true;
                    ends.add(course.running);
                }
            }
        }
        ends.forEach(end -> end.cancel(true));
    }

    private synchronized void awaitAnswers(Duration longest) {
        long ends = System.nanoTime() + longest.toNanos();
        while (running.stream().anyMatch(course -> course.asking)) {
            long left = ends - System.nanoTime();
            if (left <= 0) {
                return;
            }
            try {
                wait(left / 1_000_000 + 1);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }
}
