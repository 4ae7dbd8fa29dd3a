package hotplate;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How a value is stored. Start with {@link #DEFAULT} or {@link #ttl(Duration)} and add what matters. Immutable. */
public final class WriteOptions {
    /** Nothing special: the namespace's defaults. */
    public static final WriteOptions DEFAULT = new WriteOptions();

    private Ttl ttl;
    private Duration staleFor;
    private Duration idle;
    private Double jitter;
    private Double refreshAhead;
    private Double xfetchBeta;
    private String kind = "";
    private List<String> tags = List.of();
    private List<String> dependsOn = List.of();
    private Map<String, String> labels = Map.of();
    private Duration cost;
    private Boolean present;
    private String etag;

    private WriteOptions() {}

    private WriteOptions copy() {
        WriteOptions copy = new WriteOptions();
        copy.ttl = ttl;
        copy.staleFor = staleFor;
        copy.idle = idle;
        copy.jitter = jitter;
        copy.refreshAhead = refreshAhead;
        copy.xfetchBeta = xfetchBeta;
        copy.kind = kind;
        copy.tags = tags;
        copy.dependsOn = dependsOn;
        copy.labels = labels;
        copy.cost = cost;
        copy.present = present;
        copy.etag = etag;
        return copy;
    }

    /** How long it stays fresh, at least 1 ms. */
    public static WriteOptions ttl(Duration ttl) {
        return DEFAULT.withTtl(Ttl.of(ttl));
    }

    /** How long it stays fresh. */
    public static WriteOptions ttl(Ttl ttl) {
        return DEFAULT.withTtl(ttl);
    }

    /** How long it stays fresh. */
    public WriteOptions withTtl(Ttl lifetime) {
        WriteOptions copy = copy();
        copy.ttl = lifetime;
        return copy;
    }

    /** For how long after that it may still be served as stale. */
    public WriteOptions staleFor(Duration duration) {
        WriteOptions copy = copy();
        copy.staleFor = duration;
        return copy;
    }

    /** Ends it when it was not read for this long. */
    public WriteOptions idle(Duration duration) {
        WriteOptions copy = copy();
        copy.idle = duration;
        return copy;
    }

    /** Share of the TTL, 0 to 0.5, by which the end moves earlier at random. */
    public WriteOptions jitter(double share) {
        WriteOptions copy = copy();
        copy.jitter = share;
        return copy;
    }

    /**
     * Makes it due to be renewed in this last share of its TTL, 0 to 0.9: then one reader at a time who asks for a lease gets it
     * with the value. Zero: never, whatever the namespace says.
     */
    public WriteOptions refreshAhead(double share) {
        WriteOptions copy = copy();
        copy.refreshAhead = share;
        copy.xfetchBeta = null;
        return copy;
    }

    /**
     * Makes it due to be renewed by XFetch: at random, the more likely the nearer its end and the more it cost to compute. 1 is the
     * rule; a larger factor renews earlier. Above 0, at most 100.
     */
    public WriteOptions refreshAheadXfetch(double beta) {
        WriteOptions copy = copy();
        copy.xfetchBeta = beta;
        copy.refreshAhead = null;
        return copy;
    }

    /** The operation or model type that made it, at most 128 bytes; picks the TTL where none is given. */
    public WriteOptions kind(String name) {
        WriteOptions copy = copy();
        copy.kind = name;
        return copy;
    }

    /** Groups it belongs to, besides those named before: at most 64 of at most 128 bytes. */
    public WriteOptions tags(String... more) {
        return tags(Arrays.asList(more));
    }

    /** Groups it belongs to, besides those named before. */
    public WriteOptions tags(Collection<String> more) {
        WriteOptions copy = copy();
        copy.tags = joined(tags, more);
        return copy;
    }

    /** What it was made from, besides what was named before: keys, or tags as {@code tag:NAME}. When that goes, so does this. */
    public WriteOptions dependsOn(CharSequence... names) {
        WriteOptions copy = copy();
        copy.dependsOn = joined(dependsOn, Arrays.stream(names).map(Key::textOf).toList());
        return copy;
    }

    /** A free-form fact. */
    public WriteOptions label(String name, String value) {
        WriteOptions copy = copy();
        Map<String, String> more = new LinkedHashMap<>(labels);
        more.put(name, value);
        copy.labels = Map.copyOf(more);
        return copy;
    }

    /** What computing it cost. {@link HotplateCache#get(CharSequence, Loader)} measures it by itself. */
    public WriteOptions cost(Duration duration) {
        WriteOptions copy = copy();
        copy.cost = duration;
        return copy;
    }

    /** Stores only where there is none. */
    public WriteOptions ifAbsent() {
        WriteOptions copy = copy();
        copy.present = false;
        copy.etag = null;
        return copy;
    }

    /** Stores only where there is one. */
    public WriteOptions ifPresent() {
        WriteOptions copy = copy();
        copy.present = true;
        copy.etag = null;
        return copy;
    }

    /** Stores only in place of the entry with this etag. */
    public WriteOptions ifEtag(String version) {
        WriteOptions copy = copy();
        copy.present = null;
        copy.etag = version;
        return copy;
    }

    private static List<String> joined(List<String> some, Collection<String> more) {
        List<String> all = new ArrayList<>(some);
        all.addAll(more);
        return List.copyOf(all);
    }

    /** How long it stays fresh; null: the namespace's default. */
    public Ttl ttl() {
        return ttl;
    }

    /** For how long it may be served as stale; null: not at all. */
    public Duration staleFor() {
        return staleFor;
    }

    /** For how long it may go unread; null: for ever. */
    public Duration idle() {
        return idle;
    }

    /** Share of the TTL by which its end moves; null: the namespace's default. */
    public Double jitter() {
        return jitter;
    }

    /** Last share of its TTL in which it is renewed; null: not said. */
    public Double refreshAhead() {
        return refreshAhead;
    }

    /** The factor of XFetch; null: not said. */
    public Double xfetchBeta() {
        return xfetchBeta;
    }

    /** The operation or model type; empty where none is given. */
    public String kind() {
        return kind;
    }

    /** Groups it belongs to. */
    public List<String> tags() {
        return tags;
    }

    /** What it was made from. */
    public List<String> dependsOn() {
        return dependsOn;
    }

    /** Free-form facts. */
    public Map<String, String> labels() {
        return labels;
    }

    /** What computing it cost; null: not said. */
    public Duration cost() {
        return cost;
    }

    /** Whether there must be an entry, or must not; null: either. */
    public Boolean present() {
        return present;
    }

    /** The etag that the entry must have; null: any. */
    public String etag() {
        return etag;
    }
}
