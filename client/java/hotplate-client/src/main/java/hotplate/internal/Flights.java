package hotplate.internal;

import hotplate.Codec;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import java.util.function.Predicate;

/** One computation for many callers of this process: who waits for what, and when nobody waits any more. */
final class Flights {
    private final Slots slots;
    private final Map<Key, Flight> flights = new HashMap<>();
    private final Within waits = new Within();
    private long next;
    private boolean closed;

    /** What a computation is shared by: equal only when a caller may take another's result. */
    record Key(String namespace, String key, boolean refresh, Codec<?> codec) {}

    /** A running computation, as it sees what happens around it. */
    static final class Course {
        private final long id;
        private volatile boolean outdated;
        private volatile boolean computed;
        private final CompletableFuture<Void> needed = new CompletableFuture<>();

        private Course(long id) {
            this.id = id;
        }

        /** Whether the result may be stored. */
        boolean mayStore() {
            return !outdated;
        }

        /** Keeps the rest from being given up: from here on it is finished even when nobody waits. */
        void computed() {
            computed = true;
        }
    }

    private static final class Flight {
        final Course course;
        final CompletableFuture<Object> outcome = new CompletableFuture<>();
        CompletableFuture<?> running;
        boolean abandoned;
        int waiters = 1;

        Flight(Course course) {
            this.course = course;
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
        Flight flight;
        boolean starts;
        synchronized (this) {
            if (closed) {
                return Async.failed(Threads.closed());
            }
            flight = flights.get(key);
            starts = flight == null;
            if (starts) {
                flight = new Flight(new Course(++next));
                flights.put(key, flight);
                if (within != null) {
                    // What is new waits for nobody yet.
                    waits.enter(within, flight.course.id);
                }
            } else {
                if (within != null && !waits.enter(within, flight.course.id)) {
                    return Async.failed(new HotplateException(
                            ErrorKind.INVALID_ARGUMENT,
                            "this computation asks for what waits for it: both would wait for ever"));
                }
                flight.waiters++;
            }
        }
        if (asks != null) {
            flight.course.needed.complete(null);
        }
        if (starts) {
            start(key, flight, compute);
        }
        CompletableFuture<V> place = new CompletableFuture<>();
        Flight joined = flight;
        place.whenComplete((value, failure) -> leave(key, joined, within));
        joined.outcome.whenComplete((value, failure) -> {
            if (failure == null) {
                place.complete((V) value);
            } else {
                place.completeExceptionally(Async.failure(failure));
            }
        });
        return place;
    }

    private <V> void start(Key key, Flight flight, BiFunction<Course, Within.Here, CompletableFuture<V>> compute) {
        CompletableFuture<V> running;
        try {
            running = compute.apply(flight.course, new Within.Here(this, flight.course.id));
        } catch (RuntimeException thrown) {
            running = Async.failed(Async.failure(thrown));
        }
        boolean late;
        synchronized (this) {
            flight.running = running;
            late = flight.abandoned;
        }
        running.whenComplete((value, failure) -> {
            // Who comes after an end begins anew: failures are not kept.
            land(key, flight);
            if (failure == null) {
                flight.outcome.complete(value);
            } else {
                flight.outcome.completeExceptionally(Async.failure(failure));
            }
        });
        if (late) {
            running.cancel(true);
        }
    }

    private synchronized void land(Key key, Flight flight) {
        flights.remove(key, flight);
    }

    private void leave(Key key, Flight flight, Long within) {
        CompletableFuture<?> end = null;
        synchronized (this) {
            if (within != null) {
                waits.leave(within, flight.course.id);
            }
            if (flights.get(key) != flight) {
                // One that left the table has no count of waiters: it runs to its end.
                return;
            }
            if (--flight.waiters == 0 && !flight.course.computed) {
                flight.abandoned = true;
                flights.remove(key);
                end = flight.running;
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
        outdateIf(key -> key.key().equals(text) && key.namespace().equals(namespace));
    }

    private synchronized void outdateIf(Predicate<Key> concerns) {
        for (Iterator<Map.Entry<Key, Flight>> all = flights.entrySet().iterator(); all.hasNext(); ) {
            Map.Entry<Key, Flight> one = all.next();
            if (concerns.test(one.getKey())) {
                one.getValue().course.outdated = true;
                all.remove();
            }
        }
    }

    /** Gives all up; from now on nothing is begun. */
    void close() {
        List<CompletableFuture<?>> ends = new ArrayList<>();
        synchronized (this) {
            closed = true;
            flights.values().forEach(flight -> {
                flight.abandoned = true;
                if (flight.running != null) {
                    ends.add(flight.running);
                }
            });
        }
        ends.forEach(end -> end.cancel(true));
    }
}
