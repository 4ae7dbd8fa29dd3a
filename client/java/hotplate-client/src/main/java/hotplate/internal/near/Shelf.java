package hotplate.internal.near;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Where kept entries are: a map for reads by any thread, and an index by what selectors name for drops. Everything that changes it is called
 * under one lock of its owner. What makes room is the oldest that was not used since it was last looked at (SIEVE).
 */
final class Shelf {
    private final long bytesMax;
    private final long share;
    private final ConcurrentHashMap<String, Kept> map = new ConcurrentHashMap<>();
    private final NavigableSet<String> keys = new TreeSet<>();
    private final Map<Name, Set<String>> names = new HashMap<>();
    private final Ring ring = new Ring();
    private long bytes;

    private enum What {
        TAG,
        KIND,
        DEPENDENCY,
        ANY_DEPENDENCY
    }

    private record Name(What what, String name) {}

    Shelf(long bytesMax, int entriesMax) {
        this.bytesMax = bytesMax;
        // What an entry takes at least, so that a bound in bytes is one in entries as well.
        this.share = (bytesMax + entriesMax - 1) / entriesMax;
    }

    long share() {
        return share;
    }

    /** An entry, as one that is used. */
    Kept get(String key) {
        Kept kept = map.get(key);
        if (kept != null && !kept.used) {
            kept.used = true;
        }
        return kept;
    }

    /** An entry, without counting as a use. */
    Kept peek(String key) {
        return map.get(key);
    }

    /** Puts an entry in the place of the one with its key, and answers what had to go for it: the entry itself when it does not fit. */
    List<Kept> insert(Kept kept) {
        remove(kept.content.key);
        List<Kept> gone = new ArrayList<>();
        if (kept.charge > bytesMax) {
            gone.add(kept);
            return gone;
        }
        while (bytes + kept.charge > bytesMax) {
            Kept victim = remove(ring.next());
            gone.add(victim);
        }
        map.put(kept.content.key, kept);
        ring.add(kept.content.key);
        keys.add(kept.content.key);
        bytes += kept.charge;
        names(kept).forEach(name -> names.computeIfAbsent(name, none -> new HashSet<>()).add(kept.content.key));
        return gone;
    }

    /** Takes an entry out; null when there is none. */
    Kept remove(String key) {
        Kept kept = map.remove(key);
        if (kept == null) {
            return null;
        }
        ring.remove(key);
        keys.remove(key);
        bytes -= kept.charge;
        for (Name name : names(kept)) {
            Set<String> some = names.get(name);
            some.remove(key);
            if (some.isEmpty()) {
                names.remove(name);
            }
        }
        return kept;
    }

    /** Takes everything out and answers how many that were. */
    int clear() {
        int count = keys.size();
        map.clear();
        ring.clear();
        keys.clear();
        names.clear();
        bytes = 0;
        return count;
    }

    /** Entries. */
    int size() {
        return keys.size();
    }

    /** Bytes counted for them. */
    long bytes() {
        return bytes;
    }

    /** All keys. */
    List<String> keys() {
        return List.copyOf(keys);
    }

    /** Keys among which everything is that a set means; whether each of them is meant has to be asked. */
    List<String> candidates(NearSet set) {
        if (set instanceof NearSet.OneKey one) {
            return keys.contains(one.key()) ? List.of(one.key()) : List.of();
        } else if (set instanceof NearSet.Prefix some) {
            return from(some.prefix());
        } else if (set instanceof NearSet.Matching some) {
            return from(some.glob().literal());
        } else if (set instanceof NearSet.Tags all && !all.tags().isEmpty()) {
            return named(What.TAG, all.tags().get(0));
        } else if (set instanceof NearSet.Kind some) {
            return named(What.KIND, some.kind());
        } else if (set instanceof NearSet.DependentsOf some) {
            return named(What.DEPENDENCY, some.name());
        } else if (set instanceof NearSet.Dependents) {
            return named(What.ANY_DEPENDENCY, "");
        }
        return keys();
    }

    private List<String> from(String begin) {
        List<String> some = new ArrayList<>();
        for (String key : keys.tailSet(begin)) {
            if (!key.startsWith(begin)) {
                break;
            }
            some.add(key);
        }
        return some;
    }

    private List<String> named(What what, String name) {
        return List.copyOf(names.getOrDefault(new Name(what, name), Set.of()));
    }

    private static List<Name> names(Kept kept) {
        Facts facts = kept.content.facts;
        List<Name> all = new ArrayList<>();
        facts.tags().forEach(tag -> all.add(new Name(What.TAG, tag)));
        facts.dependsOn().forEach(name -> all.add(new Name(What.DEPENDENCY, name)));
        if (!facts.dependsOn().isEmpty()) {
            all.add(new Name(What.ANY_DEPENDENCY, ""));
        }
        all.add(new Name(What.KIND, facts.kind()));
        return all;
    }

    /** Keys in the order of coming, with a hand that goes from the oldest to the newest and begins anew. */
    private final class Ring {
        private final Map<String, Node> nodes = new HashMap<>();
        private Node oldest;
        private Node newest;
        private Node hand;

        private static final class Node {
            final String key;
            Node older;
            Node newer;

            Node(String key) {
                this.key = key;
            }
        }

        void add(String key) {
            Node node = new Node(key);
            node.older = newest;
            if (newest == null) {
                oldest = node;
            } else {
                newest.newer = node;
            }
            newest = node;
            nodes.put(key, node);
        }

        void remove(String key) {
            Node node = nodes.remove(key);
            if (hand == node) {
                hand = node.newer;
            }
            if (node.older == null) {
                oldest = node.newer;
            } else {
                node.older.newer = node.newer;
            }
            if (node.newer == null) {
                newest = node.older;
            } else {
                node.newer.older = node.older;
            }
        }

        /** Whose turn it is to go. There is at least one. */
        String next() {
            while (true) {
                Node node = hand == null ? oldest : hand;
                hand = node.newer;
                Kept kept = map.get(node.key);
                if (!kept.used) {
                    return node.key;
                }
                kept.used = false;
            }
        }

        void clear() {
            nodes.clear();
            oldest = null;
            newest = null;
            hand = null;
        }
    }
}
