package hotplate.internal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;

/** Computations that ask for other computations: which one is running on this thread, and who waits for whom. */
public final class Within {
    private static final ThreadLocal<Here> HERE = new ThreadLocal<>();

    private final Map<Long, List<Long>> waits = new HashMap<>();

    /** A computation, as what it asks for sees it: the table it is in and its number there. */
    record Here(Object table, long id) {}

    /** The computation this is called from; null for none. One that asks from another thread is not known. */
    static Here here() {
        return HERE.get();
    }

    /** Runs a computation as this one. */
    static <V> V run(Here here, Callable<V> work) throws Exception {
        Here before = HERE.get();
        HERE.set(here);
        try {
            return work.call();
        } finally {
            if (before == null) {
                HERE.remove();
            } else {
                HERE.set(before);
            }
        }
    }

    /** One waits for another from now on. False: that one waits for it already, over others or not, and both would wait for ever. */
    public boolean enter(long waiter, long forWhom) {
        if (leads(forWhom, waiter)) {
            return false;
        }
        waits.computeIfAbsent(waiter, none -> new ArrayList<>()).add(forWhom);
        return true;
    }

    /** It waits no more. */
    public void leave(long waiter, long forWhom) {
        List<Long> some = waits.get(waiter);
        if (some != null && some.remove(Long.valueOf(forWhom)) && some.isEmpty()) {
            waits.remove(waiter);
        }
    }

    /** Whether nobody waits. */
    public boolean isEmpty() {
        return waits.isEmpty();
    }

    /** Whether one is the other, or waits for it, over others or not. */
    boolean leads(long from, long to) {
        Set<Long> seen = new HashSet<>(Set.of(from));
        ArrayDeque<Long> next = new ArrayDeque<>(Set.of(from));
        while (!next.isEmpty()) {
            long id = next.pop();
            if (id == to) {
                return true;
            }
            waits.getOrDefault(id, List.of()).stream().filter(seen::add).forEach(next::push);
        }
        return false;
    }
}
