package hotplate.internal.near;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Which single keys the stream follows, for near caches that do not follow whole namespaces. The calls are made elsewhere. Not for several
 * threads.
 */
final class Follow {
    /** Followed keys looked at to find one that can be given up. */
    private static final int LOOKS_MAX = 32;

    private enum State {
        /** The server was not told yet. */
        WANTED,
        /** The same, and it may follow it from before. */
        WANTED_AGAIN,
        /** The server was told and has not answered. */
        ASKED,
        /** Every change of it is told, from some numbers on. */
        FOLLOWED
    }

    private record Since(State state, long[] numbers) {}

    /**
     * What the server is to be told.
     *
     * @param watch the open stream's name
     * @param add keys to follow
     * @param remove keys not to follow any longer
     */
    record Update(String watch, List<String> add, List<String> remove) {}

    private final Map<String, Since> keys = new HashMap<>();
    /** All of {@code keys}, in the order in which they are asked whether they can be given up; also some that were. */
    private final ArrayDeque<String> turns = new ArrayDeque<>();

    private final LinkedHashSet<String> wanted = new LinkedHashSet<>();
    private final Set<String> unwanted = new LinkedHashSet<>();
    private int keysMax;
    private String watch = "";

    Follow(int keysMax) {
        this.keysMax = keysMax;
    }

    /** Keys followed or to be followed. */
    int size() {
        return keys.size();
    }

    /** What a stream that is opened now has to follow. */
    List<String> keys() {
        return List.copyOf(keys.keySet());
    }

    /** A stream was opened with all of {@code keys}. */
    void opened(String name, Place at) {
        watch = name;
        long[] numbers = at.numbers().clone();
        // Those that were followed before are told from where the last stream ended.
        keys.replaceAll((key, since) -> since.state == State.FOLLOWED ? since : new Since(State.FOLLOWED, numbers));
        wanted.clear();
        unwanted.clear();
    }

    /** The stream is gone. */
    void lost() {
        watch = "";
    }

    /** Whether every change of this key after such an answer is told. */
    boolean covers(String key, Stamp stamp) {
        Since since = keys.get(key);
        return since != null
                && since.state == State.FOLLOWED
                && Long.compareUnsigned(stamp.key(), since.numbers[stamp.log()]) >= 0;
    }

    /** Follows a key. When there are too many, one goes that {@code kept} does not name; false when all are needed. */
    boolean want(String key, Predicate<String> kept) {
        if (keys.containsKey(key)) {
            return true;
        }
        for (int looks = 0; looks < LOOKS_MAX && keys.size() >= keysMax; looks++) {
            String other = turns.poll();
            if (other == null) {
                return false;
            }
            if (keys.containsKey(other) && kept.test(other)) {
                turns.add(other);
            } else {
                unwant(other);
            }
        }
        if (keys.size() >= keysMax) {
            return false;
        }
        boolean before = unwanted.remove(key);
        if (turns.size() >= 2L * keysMax) {
            turns.clear();
            turns.addAll(keys.keySet());
        }
        turns.add(key);
        wanted.add(key);
        keys.put(key, new Since(before ? State.WANTED_AGAIN : State.WANTED, null));
        return true;
    }

    /** A key is no longer needed. */
    void unwant(String key) {
        Since since = keys.remove(key);
        if (since == null) {
            return;
        }
        wanted.remove(key);
        // Of what the server never heard there is nothing to tell: otherwise reads would fill this faster than calls empty it.
        if (since.state != State.WANTED) {
            unwanted.add(key);
        }
    }

    /** The next update, of at most so many keys either way; null when there is nothing to tell, or nobody. */
    Update update(int most) {
        if (watch.isEmpty() || wanted.isEmpty() && unwanted.isEmpty()) {
            return null;
        }
        List<String> add = first(wanted, most);
        add.forEach(key -> keys.put(key, new Since(State.ASKED, null)));
        return new Update(watch, add, first(unwanted, most));
    }

    private static List<String> first(Set<String> from, int most) {
        List<String> some = new ArrayList<>();
        for (Iterator<String> all = from.iterator(); all.hasNext() && some.size() < most; ) {
            some.add(all.next());
            all.remove();
        }
        return some;
    }

    /** The server follows what was added, from these numbers on. */
    void updated(Update update, long[] numbers) {
        // What another stream was told is no news; that one was opened with these keys.
        if (!update.watch.equals(watch)) {
            return;
        }
        update.add.forEach(key -> keys.computeIfPresent(
                key, (same, since) -> since.state == State.ASKED ? new Since(State.FOLLOWED, numbers) : since));
    }

    /**
     * The server does not follow what was to be added, and may follow what was to be removed. With {@code full}, no more than are followed now
     * ever will be.
     */
    void refused(Update update, boolean full) {
        if (update.watch.equals(watch)) {
            for (String key : update.remove) {
                Since since = keys.get(key);
                if (since == null) {
                    unwanted.add(key);
                } else if (since.state == State.WANTED) {
                    keys.put(key, new Since(State.WANTED_AGAIN, null));
                }
            }
            for (String key : update.add) {
                Since since = keys.get(key);
                if (since != null && since.state == State.ASKED) {
                    keys.remove(key);
                }
            }
        }
        if (full) {
            keysMax = Math.max(1, keys.size());
        }
    }
}
