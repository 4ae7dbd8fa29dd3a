package hotplate.junit;

import hotplate.MissReason;
import hotplate.Selector;
import hotplate.Ttl;
import hotplate.WriteOptions;
import hotplate.internal.near.Facts;
import hotplate.internal.near.NearSet;
import hotplate.v1.Entry;
import hotplate.v1.EntryMetadata;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;

/** The entries of one namespace in memory, as bytes. All under one lock. */
final class Shelf {
    private static final Duration DEFAULT_TTL = Duration.ofHours(1);
    private static final Map<String, Duration> CLASSES = Map.of(
            "very_short", Duration.ofSeconds(300),
            "short", Duration.ofSeconds(900),
            "medium", Duration.ofSeconds(1_800),
            "long", Duration.ofSeconds(3_600),
            "very_long", Duration.ofSeconds(7_200),
            "day", Duration.ofDays(1),
            "week", Duration.ofDays(7));

    /** What is being computed, by what it is shared by. */
    final Map<Object, Running> computations = new HashMap<>();
    /** Until when nobody stores what is computed for a key. */
    final Map<String, Long> heldOff = new HashMap<>();
    long hits;
    long misses;
    long puts;
    private final LongSupplier clock;
    private final TreeMap<String, Item> items = new TreeMap<>();
    private final Map<String, MissReason> gone = new HashMap<>();

    /** What is stored under a key; {@code bytes} is null for a negative. */
    record Item(
            byte[] bytes,
            String contentType,
            String reason,
            String message,
            Facts facts,
            String etag,
            long storedAt,
            long freshUntil,
            long usableUntil) {
        boolean fresh(long now) {
            return now < freshUntil;
        }
    }

    /** A computation and how many wait for it. */
    static final class Running {
        final CompletableFuture<Object> outcome = new CompletableFuture<>();
        CompletableFuture<?> stage;
        int waiters;
    }

    Shelf(LongSupplier clock) {
        this.clock = clock;
    }

    long now() {
        return clock.getAsLong();
    }

    /** What may be used of a key; null: nothing. */
    synchronized Item get(String key, boolean stale, Duration maxAge, boolean counts) {
        long now = now();
        Item item = items.get(key);
        if (item != null && now >= item.usableUntil) {
            drop(key, MissReason.EXPIRED);
            item = null;
        }
        boolean usable = item != null
                && (item.fresh(now) || stale)
                && (maxAge == null || now - item.storedAt <= maxAge.toNanos());
        if (counts && usable) {
            hits++;
        } else if (counts) {
            misses++;
        }
        return usable ? item : null;
    }

    synchronized MissReason whyNot(String key, Duration maxAge) {
        Item item = items.get(key);
        if (item == null) {
            return gone.getOrDefault(key, MissReason.NEVER_STORED);
        }
        return item.fresh(now()) && maxAge != null ? MissReason.TOO_OLD : MissReason.EXPIRED;
    }

    /** Whether a condition holds now. */
    synchronized Item inTheWay(String key, WriteOptions options) {
        Item item = get(key, true, null, false);
        boolean there = item != null;
        boolean holds = options.etag() != null
                ? there && item.etag.equals(options.etag())
                : options.present() == null || options.present() == there;
        return holds ? null : there ? item : NOTHING;
    }

    /** Stands for no entry where a condition wants one. */
    static final Item NOTHING = new Item(null, "", "", "", new Facts("", List.of(), List.of()), null, 0, 0, 0);

    synchronized Item put(String key, byte[] bytes, String contentType, String[] negative, WriteOptions options) {
        long now = now();
        long fresh = now + ttl(options.ttl()).toNanos();
        long usable = options.staleFor() == null ? fresh : fresh + options.staleFor().toNanos();
        Facts facts = new Facts(options.kind(), options.tags(), options.dependsOn());
        String etag = etag(bytes != null ? bytes : String.join("\n", negative).getBytes(java.nio.charset.StandardCharsets.UTF_8));
        Item item = new Item(
                bytes,
                contentType,
                negative == null ? "" : negative[0],
                negative == null ? "" : negative[1],
                facts,
                etag,
                now,
                fresh,
                usable);
        items.put(key, item);
        gone.remove(key);
        puts++;
        return item;
    }

    private static Duration ttl(Ttl ttl) {
        if (ttl == null) {
            return DEFAULT_TTL;
        }
        return ttl.className() == null ? ttl.duration() : CLASSES.getOrDefault(ttl.className(), DEFAULT_TTL);
    }

    synchronized boolean touch(String key, Ttl ttl) {
        Item item = get(key, false, null, false);
        if (item == null) {
            return false;
        }
        long fresh = now() + ttl(ttl).toNanos();
        long usable = fresh + (item.usableUntil - item.freshUntil);
        items.put(
                key,
                new Item(item.bytes, item.contentType, item.reason, item.message, item.facts, item.etag, item.storedAt, fresh, usable));
        return true;
    }

    /** Drops, or marks stale, what is selected and what was made from it; answers how many were selected. */
    synchronized long invalidate(List<Selector> selectors, boolean stale) {
        List<NearSet> sets = selectors.stream().map(Selector::toWire).map(NearSet::of).toList();
        List<String> selected = new ArrayList<>();
        items.forEach((key, item) -> {
            if (item.usableUntil > now() && sets.stream().anyMatch(set -> set.selects(key, item.facts))) {
                selected.add(key);
            }
        });
        ArrayDeque<String> names = new ArrayDeque<>(selected);
        selectors.forEach(selector -> {
            if (!selector.toWire().getTag().isEmpty()) {
                names.add("tag:" + selector.toWire().getTag());
            } else if (!selector.toWire().getKey().isEmpty()) {
                names.add(selector.toWire().getKey());
            }
        });
        selected.forEach(key -> end(key, stale));
        while (!names.isEmpty()) {
            String name = names.poll();
            List<String> made = items.entrySet().stream()
                    .filter(entry -> entry.getValue().facts.dependsOn().contains(name))
                    .filter(entry -> entry.getValue().fresh(now()))
                    .map(Map.Entry::getKey)
                    .toList();
            made.forEach(key -> end(key, stale));
            names.addAll(made);
        }
        // What is being computed was begun before: its callers get it, nobody else does.
        computations.clear();
        return selected.size();
    }

    /** What is there of what any of these selects, or of all, as it is now. */
    synchronized List<Entry> entries(List<Selector> selectors) {
        List<NearSet> sets = selectors.stream().map(Selector::toWire).map(NearSet::of).toList();
        List<Entry> found = new ArrayList<>();
        items.forEach((key, item) -> {
            boolean selected = sets.isEmpty() || sets.stream().anyMatch(set -> set.selects(key, item.facts));
            if (selected && item.usableUntil > now()) {
                found.add(Entry.newBuilder()
                        .setKey(key)
                        .setMetadata(EntryMetadata.newBuilder()
                                .setEtag(item.etag)
                                .setKind(item.facts.kind())
                                .setContentType(item.contentType)
                                .addAllTags(item.facts.tags())
                                .addAllDependsOn(item.facts.dependsOn())
                                .setSizeBytes(item.bytes == null ? 0 : item.bytes.length))
                        .build());
            }
        });
        return found;
    }

    private void end(String key, boolean stale) {
        Item item = items.get(key);
        if (item == null) {
            return;
        }
        long now = now();
        long usable = Math.min(item.usableUntil, now + (item.usableUntil - item.freshUntil));
        if (!stale || item.usableUntil == item.freshUntil) {
            drop(key, MissReason.INVALIDATED);
        } else if (item.fresh(now)) {
            items.put(
                    key,
                    new Item(item.bytes, item.contentType, item.reason, item.message, item.facts, item.etag, item.storedAt, now, usable));
        }
    }

    private void drop(String key, MissReason why) {
        items.remove(key);
        gone.put(key, why);
    }

    synchronized int size() {
        long now = now();
        return (int) items.values().stream().filter(item -> item.usableUntil > now).count();
    }

    private static String etag(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes), 0, 8);
        } catch (NoSuchAlgorithmException absent) {
            throw new IllegalStateException("every Java platform has SHA-256", absent);
        }
    }
}
