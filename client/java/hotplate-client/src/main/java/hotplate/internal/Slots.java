package hotplate.internal;

import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;

/** Places for computations. Who waits for one is served in the order of coming; waiting is bounded by the computations there are. */
final class Slots {
    private final ArrayDeque<CompletableFuture<Runnable>> waiting = new ArrayDeque<>();
    private int free;

    Slots(int places) {
        free = places;
    }

    /** A place, as soon as there is one: run what comes to give it back. */
    CompletableFuture<Runnable> take() {
        synchronized (this) {
            if (free == 0) {
                CompletableFuture<Runnable> turn = new CompletableFuture<>();
                waiting.add(turn);
                return turn;
            }
            free--;
        }
        return CompletableFuture.completedFuture(once());
    }

    /** A place, if there is one now; else null. */
    synchronized Runnable tryTake() {
        if (free == 0) {
            return null;
        }
        free--;
        return once();
    }

    /** Who went on without the place it waited for takes no place among those who wait. */
    void leaveUnless(CompletableFuture<Runnable> turn, Runnable used) {
        synchronized (this) {
            waiting.remove(turn);
        }
        if (!turn.cancel(false) && !turn.isCompletedExceptionally() && turn.join() != used) {
            turn.join().run();
        }
    }

    private Runnable once() {
        boolean[] given = {false};
        return () -> {
            synchronized (given) {
                if (given[0]) {
                    return;
                }
                given[0] = true;
            }
            giveBack();
        };
    }

    private void giveBack() {
        while (true) {
            CompletableFuture<Runnable> next;
            synchronized (this) {
                next = waiting.poll();
                if (next == null) {
                    free++;
                    return;
                }
            }
            if (next.complete(once())) {
                return;
            }
        }
    }
}
