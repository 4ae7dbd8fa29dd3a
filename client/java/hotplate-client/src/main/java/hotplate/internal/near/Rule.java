package hotplate.internal.near;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The near-cache rule: which answers may be kept, and when what is kept may be served. It knows positions and sets, no values, no clock and
 * no network. Not for several threads.
 */
final class Rule {
    /** Logs of a server: 0 to 63 hold changes of keys, the last one changes of sets. */
    static final int LOGS = 65;
    /** The log of changes of sets. */
    static final int SET_LOG = LOGS - 1;

    /** Why an answer is not kept by this rule. */
    enum Unfit {
        /** The stream is away or has not caught up. */
        NOT_SYNCED,
        /** It comes from another history than the stream. */
        OTHER_HISTORY,
        /** Something that covers it changed later. */
        OVERTAKEN,
        /** This client wrote something that covers it since it asked. */
        OWN_WRITE
    }

    private enum Line {
        LOST,
        CATCHING_UP,
        SYNCED
    }

    private static final ArrayDeque<Change> NONE = new ArrayDeque<>();

    private final long progressMax;
    private final int fencesMax;
    private Line line = Line.LOST;
    private long heardAt;
    private Place place = new Place(0, new long[LOGS]);
    /** Changes that were told, for answers that left before them; the oldest give way to {@code floors}. */
    private final ArrayDeque<Change> fences = new ArrayDeque<>();
    /** The same by key, for those of one key, and the others: most answers concern few of them. */
    private final Map<String, ArrayDeque<Change>> keyFences = new HashMap<>();

    private final ArrayDeque<Change> setFences = new ArrayDeque<>();
    /** An answer that is not as current as this may have been overtaken by what was forgotten. */
    private long[] floors = new long[LOGS];

    /** When this client last wrote a key, and what it wrote otherwise; each in the order of the last time. */
    private final LinkedHashMap<String, Long> ownKeys = new LinkedHashMap<>();

    private final LinkedHashMap<NearSet, Long> ownSets = new LinkedHashMap<>();
    private long ownNow;
    private long ownFloor;

    /** Nothing is served and kept until a stream is there. {@code fencesMax} bounds what is remembered of it, and of own writes. */
    Rule(long progressMaxNanos, int fencesMax) {
        this.progressMax = progressMaxNanos;
        this.fencesMax = fencesMax;
    }

    /** The stream exists. One that continues after a token serves only when it has caught up. False: drop what is kept. */
    boolean created(Place at, boolean continued, long now) {
        heardAt = now;
        if (continued && at.epoch() == place.epoch()) {
            line = Line.CATCHING_UP;
            return true;
        }
        startOver(at);
        return false;
    }

    /**
     * A message came. After a silence that is longer than allowed, what waited in between is too old: a program or machine that was paused
     * would otherwise take it for news.
     */
    void hear(long now) throws TooLate {
        if (line == Line.LOST || now - heardAt >= progressMax) {
            lost();
            throw new TooLate();
        }
        heardAt = now;
    }

    /** Everything up to here was told. */
    void progress(Place at) throws TooLate {
        sameHistory(at.epoch());
        for (int log = 0; log < LOGS; log++) {
            place.numbers()[log] = max(place.numbers()[log], at.numbers()[log]);
        }
        line = Line.SYNCED;
    }

    /** Remembers a change. Call it after what it covers was dropped. */
    void changed(Change change) throws TooLate {
        sameHistory(change.epoch());
        place.numbers()[change.log()] = max(place.numbers()[change.log()], change.number());
        fences.add(change);
        fencesOf(change.what()).add(change);
        if (fences.size() > fencesMax) {
            Change oldest = fences.poll();
            fencesOf(oldest.what()).poll();
            if (oldest.what() instanceof NearSet.OneKey one) {
                keyFences.computeIfPresent(one.key(), (key, left) -> left.isEmpty() ? null : left);
            }
            floors[oldest.log()] = max(floors[oldest.log()], oldest.number());
        }
    }

    private ArrayDeque<Change> fencesOf(NearSet what) {
        return what instanceof NearSet.OneKey one
                ? keyFences.computeIfAbsent(one.key(), none -> new ArrayDeque<>())
                : setFences;
    }

    /** Changes up to here were lost; from here on the stream is complete. */
    void discontinued(Place at) {
        startOver(at);
    }

    /** The stream is gone. */
    void lost() {
        line = Line.LOST;
    }

    /** What this client has written so far: take it before asking. */
    long ticket() {
        return ownNow;
    }

    /** This client writes, or has written, what these cover. Call it before the call and again when it has ended. */
    void wrote(List<NearSet> sets) {
        ownNow++;
        for (NearSet set : sets) {
            if (set instanceof NearSet.OneKey one) {
                ownKeys.remove(one.key());
                ownKeys.put(one.key(), ownNow);
            } else {
                ownSets.remove(set);
                ownSets.put(set, ownNow);
            }
        }
        forget(ownKeys);
        forget(ownSets);
    }

    private void forget(LinkedHashMap<?, Long> own) {
        Iterator<Long> oldest = own.values().iterator();
        while (own.size() > fencesMax) {
            ownFloor = Math.max(ownFloor, oldest.next());
            oldest.remove();
        }
    }

    private boolean wroteSince(long ticket, String key, Facts facts) {
        return ticket < ownFloor
                || ownKeys.getOrDefault(key, 0L) > ticket
                || ownSets.entrySet().stream().anyMatch(one -> one.getValue() > ticket && one.getKey().selects(key, facts));
    }

    /** Why an answer may not be kept; null when it may. */
    Unfit admit(String key, Facts facts, Stamp stamp, long ticket) {
        if (line != Line.SYNCED) {
            return Unfit.NOT_SYNCED;
        }
        if (stamp.epoch() != place.epoch() || stamp.log() >= SET_LOG) {
            return Unfit.OTHER_HISTORY;
        }
        if (wroteSince(ticket, key, facts)) {
            return Unfit.OWN_WRITE;
        }
        if (less(stamp.key(), floors[stamp.log()]) || less(stamp.set(), floors[SET_LOG])) {
            return Unfit.OVERTAKEN;
        }
        boolean ahead = !less(stamp.key(), place.numbers()[stamp.log()]) && !less(stamp.set(), place.numbers()[SET_LOG]);
        boolean fenced = !ahead
                && (keyFences.getOrDefault(key, NONE).stream().anyMatch(fence -> fence.overtakes(stamp))
                        || setFences.stream().anyMatch(fence -> fence.overtakes(stamp) && fence.what().selects(key, facts)));
        return fenced ? Unfit.OVERTAKEN : null;
    }

    /** Until when what is kept may be served, if nothing else is heard; zero: not at all. */
    long servesUntil() {
        return line == Line.SYNCED ? heardAt + progressMax : 0;
    }

    /** Whether the stream is there and has caught up. */
    boolean synced() {
        return line == Line.SYNCED;
    }

    /** When the stream was last heard; zero: never. */
    long heardAt() {
        return heardAt;
    }

    private void sameHistory(long epoch) throws TooLate {
        if (epoch != place.epoch()) {
            lost();
            throw new TooLate();
        }
    }

    private void startOver(Place at) {
        place = new Place(at.epoch(), at.numbers().clone());
        floors = at.numbers().clone();
        fences.clear();
        keyFences.clear();
        setFences.clear();
        line = Line.SYNCED;
    }

    private static long max(long one, long other) {
        return less(one, other) ? other : one;
    }

    /** Numbers of the contract are unsigned. */
    private static boolean less(long one, long other) {
        return Long.compareUnsigned(one, other) < 0;
    }
}
