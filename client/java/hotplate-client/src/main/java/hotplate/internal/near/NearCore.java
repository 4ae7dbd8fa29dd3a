package hotplate.internal.near;

import hotplate.NearFollow;
import hotplate.NearOptions;
import hotplate.NearStats;
import hotplate.internal.Wire;
import hotplate.v1.DiscontinuityReason;
import hotplate.v1.EntryMetadata;
import hotplate.v1.GetResponse;
import hotplate.v1.LogPosition;
import hotplate.v1.Position;
import hotplate.v1.UpdateWatchRequest;
import hotplate.v1.WatchCreated;
import hotplate.v1.WatchDiscontinuity;
import hotplate.v1.WatchEvent;
import hotplate.v1.WatchEvents;
import hotplate.v1.WatchResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Predicate;

/**
 * A near cache without its network and without a clock: the rule, what it keeps, and who may look. Reads look at the map and at two numbers;
 * everything that changes what may be read happens under one lock. Times are nanoseconds of a clock of the caller's that never goes back.
 */
public final class NearCore {
    /** Changes remembered for answers on their way, and as many of this client's own writes. */
    public static final int FENCES_MAX = 4_096;

    private final NearOptions options;
    private final Shelf shelf;
    private final Rule rule;
    private final Follow follow;
    /** Until when may be served; zero: not now. */
    private volatile long servesUntil;
    /** Entries of another number are not served: they wait to be confirmed. */
    private volatile long trust;

    private final LongAdder hits = new LongAdder();
    private final LongAdder misses = new LongAdder();
    private final ArrayDeque<String> suspects = new ArrayDeque<>();
    /** Whether the stream tells what this client does itself. */
    private boolean hearsOwn;
    /** Whether the open stream does not do what it should by now. */
    private boolean outdated;

    private long admitted;
    private long invalidated;
    private long evicted;
    private long distrusted;
    private long revalidated;
    private long losses;
    private final long[] refused = new long[Why.values().length];

    private enum Why {
        NOT_SYNCED,
        OTHER_HISTORY,
        OVERTAKEN,
        OWN_WRITE,
        NOT_FOLLOWED,
        DEPENDENT,
        TOO_LARGE
    }

    /**
     * A question on its way to the server.
     *
     * @param ticket what this client had written by then
     * @param at when it was asked
     */
    public record Asked(long ticket, long at) {}

    /**
     * What to open a stream with.
     *
     * @param hearsOwn whether it is to tell what this client does itself
     * @param keys the keys to follow; null when not single keys are followed
     */
    public record Opening(boolean hearsOwn, List<String> keys) {}

    /**
     * Entries of which the server is to be asked whether they are still right.
     *
     * @param asked the question
     * @param kept the entries
     */
    public record Suspects(Asked asked, List<Kept> kept) {}

    /**
     * What an answer about lifetimes says of an entry that waits to be confirmed.
     *
     * @param stamp how current it is
     * @param freshFor nanoseconds for which it stays fresh
     * @param usableFor nanoseconds for which it may be used
     */
    public record Confirmation(Stamp stamp, long freshFor, long usableFor) {}

    /** Keeps nothing yet. {@code fencesMax} bounds what is remembered of changes and of own writes. */
    public NearCore(NearOptions options, int fencesMax) {
        this.options = options;
        this.shelf = new Shelf(options.bytesMax(), options.entriesMax());
        this.rule = new Rule(options.progressMax().toNanos(), fencesMax);
        this.follow = options.follow() instanceof NearFollow.KeptKeys ? new Follow(options.entriesMax()) : null;
    }

    NearOptions options() {
        return options;
    }

    /** What is kept of this key and may be served now, not older than {@code maxAge}, which may be null. */
    public Kept hit(String key, Duration maxAge, long now) {
        Kept kept = now < servesUntil ? shelf.get(key) : null;
        boolean usable = kept != null
                && kept.trust == trust
                && now < kept.until
                && (maxAge == null || kept.age(now) <= maxAge.toNanos());
        (usable ? hits : misses).increment();
        return usable ? kept : null;
    }

    /** Notes that the server is asked now. */
    public synchronized Asked ask(long now) {
        return new Asked(rule.ticket(), now);
    }

    /** Keeps an answer if it may be kept. Answers whether the server has to be told something. */
    public boolean offer(Asked asked, String key, GetResponse response) {
        // What cannot fit, as it came and as it is read, is not copied first.
        if (response.getEntry().getValue().size() > options.bytesMax() / 2) {
            refuseAsTooLarge(key);
            return false;
        }
        Content content = Content.of(key, response);
        Stamp stamp = Stamp.of(response.getAsOf());
        if (content == null || stamp == null) {
            return false;
        }
        EntryMetadata metadata = response.getEntry().getMetadata();
        Kept.Lives lives = new Kept.Lives(
                Wire.duration(metadata.getAge()).toNanos(),
                nanos(Wire.duration(metadata.getFreshFor())),
                nanos(Wire.duration(metadata.getUsableFor())));
        return keep(asked, content, stamp, lives);
    }

    static long nanos(Duration duration) {
        return duration.toDays() > 10_000 ? Long.MAX_VALUE / 4 : duration.toNanos();
    }

    /** An answer that nobody tries to keep. Whoever has read it must not read an older one afterwards. */
    private synchronized void refuseAsTooLarge(String key) {
        refused[Why.TOO_LARGE.ordinal()]++;
        if (shelf.remove(key) != null && follow != null) {
            follow.unwant(key);
        }
    }

    private synchronized boolean keep(Asked asked, Content content, Stamp stamp, Kept.Lives lives) {
        Why why = unfit(asked, content, stamp);
        if (why == Why.NOT_FOLLOWED && follow != null) {
            refused[why.ordinal()]++;
            return follow.want(content.key, key -> shelf.peek(key) != null);
        }
        if (why != null) {
            refused[why.ordinal()]++;
            return false;
        }
        long ttlMax = nanos(options.ttlMax());
        Kept kept = new Kept(content, stamp, trust, asked.at(), lives, ttlMax, shelf.share());
        boolean tell = false;
        boolean fits = true;
        for (Kept gone : shelf.insert(kept)) {
            if (gone == kept) {
                fits = false;
                continue;
            }
            evicted++;
            if (follow != null) {
                follow.unwant(gone.content.key);
                tell = true;
            }
        }
        if (fits) {
            admitted++;
        } else {
            refused[Why.TOO_LARGE.ordinal()]++;
        }
        return tell;
    }

    private Why unfit(Asked asked, Content content, Stamp stamp) {
        Rule.Unfit unfit = rule.admit(content.key, content.facts, stamp, asked.ticket());
        if (unfit != null) {
            return switch (unfit) {
                case NOT_SYNCED -> Why.NOT_SYNCED;
                case OTHER_HISTORY -> Why.OTHER_HISTORY;
                case OVERTAKEN -> Why.OVERTAKEN;
                case OWN_WRITE -> Why.OWN_WRITE;
            };
        }
        if (!content.facts.dependsOn().isEmpty() && !options.keepDependents()) {
            return Why.DEPENDENT;
        }
        if (!follows(content.key, stamp)) {
            return Why.NOT_FOLLOWED;
        }
        // Answers may overtake each other: who has read the newer one must not read the older one afterwards.
        Kept held = shelf.peek(content.key);
        boolean newer = held != null
                && held.trust == trust
                && (Long.compareUnsigned(held.stamp.key(), stamp.key()) > 0
                        || Long.compareUnsigned(held.stamp.set(), stamp.set()) > 0);
        return newer ? Why.OVERTAKEN : null;
    }

    private boolean follows(String key, Stamp stamp) {
        if (options.follow() instanceof NearFollow.Prefixes some) {
            return some.prefixes().stream().anyMatch(key::startsWith);
        }
        return follow == null || follow.covers(key, stamp);
    }

    /** This client is about to write what these cover, or has done so. */
    public synchronized void wrote(List<NearSet> sets) {
        rule.wrote(sets);
        sets.forEach(set -> dropCovered(set, kept -> true));
    }

    /**
     * Whether this client wrote what these cover is not known: it may happen at any time from now on. From here on the stream tells what this
     * client does, too. Answers whether it has to be opened again for that.
     */
    public synchronized boolean mayHaveWritten(List<NearSet> sets) {
        wrote(sets);
        if (hearsOwn) {
            return false;
        }
        hearsOwn = true;
        outdated = true;
        rule.lost();
        publish();
        return true;
    }

    /** What to open the next stream with. */
    public synchronized Opening opening() {
        outdated = false;
        gone();
        return new Opening(hearsOwn, follow == null ? null : follow.keys());
    }

    /** The stream is gone. */
    public synchronized void lost() {
        losses++;
        gone();
    }

    private void gone() {
        rule.lost();
        if (follow != null) {
            follow.lost();
        }
        publish();
    }

    /**
     * Takes in one message of the stream that was opened last.
     *
     * @param continued whether the stream continues after a token
     * @throws TooLate the stream must be opened again, after the last message that was taken in
     */
    public synchronized void take(WatchResponse message, boolean continued, long now) throws TooLate {
        if (outdated) {
            throw new TooLate();
        }
        try {
            switch (message.getMessageCase()) {
                case CREATED -> created(message.getCreated(), continued, now);
                case EVENTS -> {
                    rule.hear(now);
                    events(message.getEvents());
                }
                case PROGRESS -> {
                    rule.hear(now);
                    rule.progress(Place.of(message.getProgress().getPosition()));
                }
                case DISCONTINUITY -> {
                    rule.hear(now);
                    discontinued(message.getDiscontinuity());
                }
                default -> {
                    // What was there, and what this client does not know, changes nothing.
                }
            }
        } finally {
            publish();
        }
    }

    private void created(WatchCreated created, boolean continued, long now) throws TooLate {
        Place at = Place.of(created.getPosition());
        if (!rule.created(at, continued, now)) {
            dropAll();
        }
        if (follow != null) {
            follow.opened(created.getWatchId(), at);
        }
    }

    private void events(WatchEvents told) throws TooLate {
        for (WatchEvent event : told.getEventsList()) {
            Change change = Change.of(event);
            dropCovered(change.what(), kept -> change.overtakes(kept.stamp));
            rule.changed(change);
        }
    }

    private void discontinued(WatchDiscontinuity lost) throws TooLate {
        rule.discontinued(Place.of(lost.getPosition()));
        if (lost.getReason() == DiscontinuityReason.DISCONTINUITY_REASON_NEW_EPOCH) {
            dropAll();
            return;
        }
        // What is kept may still be right: it is served again when the server says so.
        trust = trust + 1;
        distrusted += shelf.size();
        suspects.clear();
        suspects.addAll(shelf.keys());
    }

    private void dropAll() {
        distrusted += shelf.clear();
        suspects.clear();
    }

    private void dropCovered(NearSet set, Predicate<Kept> overtaken) {
        for (String key : shelf.candidates(set)) {
            Kept kept = shelf.peek(key);
            if (kept != null && set.selects(key, kept.content.facts) && overtaken.test(kept)) {
                shelf.remove(key);
                invalidated++;
            }
        }
    }

    /** Entries of which the server is to be asked whether they are still right, at most so many. */
    public synchronized Suspects suspects(int most, long now) {
        List<Kept> some = new ArrayList<>();
        while (some.size() < most && !suspects.isEmpty()) {
            Kept kept = shelf.peek(suspects.poll());
            if (kept != null && kept.trust != trust) {
                some.add(kept);
            }
        }
        return new Suspects(new Asked(rule.ticket(), now), some);
    }

    /** The server says that an entry is still what it was; null: that it is not, or it has not said anything. */
    public synchronized void confirm(Asked asked, Kept suspect, Confirmation confirmed) {
        Kept held = shelf.peek(suspect.content.key);
        if (held != null && held.trust == suspect.trust) {
            shelf.remove(suspect.content.key);
        }
        if (confirmed == null) {
            return;
        }
        long trusted = trust;
        keep(
                asked,
                suspect.content,
                confirmed.stamp(),
                new Kept.Lives(suspect.age(asked.at()), confirmed.freshFor(), confirmed.usableFor()));
        Kept kept = shelf.peek(suspect.content.key);
        revalidated += kept != null && kept.trust == trusted ? 1 : 0;
    }

    /** Key and etag of an entry that is asked about. */
    public static String[] named(Kept kept) {
        return new String[] {kept.content.key, kept.content.etag};
    }

    /** What the server is to be told about single keys; null: nothing. */
    public synchronized UpdateWatchRequest update(int keysMax) {
        Follow.Update update = follow == null ? null : follow.update(keysMax);
        return update == null
                ? null
                : UpdateWatchRequest.newBuilder()
                        .setWatchId(update.watch())
                        .addAllAddKeys(update.add())
                        .addAllRemoveKeys(update.remove())
                        .build();
    }

    /** The server was told; {@code at} says from where on it follows what was added. */
    public synchronized void updated(UpdateWatchRequest update, Position at) {
        long[] numbers = new long[Rule.LOGS];
        Arrays.fill(numbers, -1L);
        for (LogPosition log : at.getLogsList()) {
            if (log.getLog() >= 0 && log.getLog() < numbers.length) {
                numbers[log.getLog()] = log.getNumber();
            }
        }
        follow.updated(of(update), numbers);
    }

    /** The server could not be told; with {@code full} it follows no more keys. */
    synchronized void notUpdated(UpdateWatchRequest update, boolean full) {
        follow.refused(of(update), full);
    }

    private static Follow.Update of(UpdateWatchRequest update) {
        return new Follow.Update(update.getWatchId(), update.getAddKeysList(), update.getRemoveKeysList());
    }

    /** What happened and what is held. */
    public synchronized NearStats stats(long now) {
        long heard = rule.heardAt();
        return new NearStats(
                hits.sum(),
                misses.sum(),
                admitted,
                new NearStats.Refusals(
                        refused[Why.NOT_SYNCED.ordinal()],
                        refused[Why.OTHER_HISTORY.ordinal()],
                        refused[Why.OVERTAKEN.ordinal()],
                        refused[Why.OWN_WRITE.ordinal()],
                        refused[Why.NOT_FOLLOWED.ordinal()],
                        refused[Why.DEPENDENT.ordinal()],
                        refused[Why.TOO_LARGE.ordinal()]),
                invalidated,
                evicted,
                distrusted,
                revalidated,
                losses,
                shelf.size(),
                shelf.bytes(),
                follow == null ? 0 : follow.size(),
                rule.synced() && now < servesUntil,
                heard == 0 ? null : Duration.ofNanos(Math.max(0, now - heard)));
    }

    private void publish() {
        servesUntil = rule.servesUntil();
    }
}
