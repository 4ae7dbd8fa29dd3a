package hotplate.internal.near;

import hotplate.v1.Selector;
import java.util.List;

/** Some entries of a namespace, looked at from the client: what a selector means, or more. */
public sealed interface NearSet {
    /** The entry with this key. */
    record OneKey(String key) implements NearSet {}

    /** Keys that begin with this. */
    record Prefix(String prefix) implements NearSet {}

    /** Keys that match this. */
    record Matching(Glob glob) implements NearSet {}

    /** Entries with all of these tags. */
    record Tags(List<String> tags) implements NearSet {}

    /** Entries of this kind. */
    record Kind(String kind) implements NearSet {}

    /** Entries that name this among what they were made from. */
    record DependentsOf(String name) implements NearSet {}

    /** Entries that were made from others, whatever these are. */
    record Dependents() implements NearSet {}

    /** All entries. */
    record Everything() implements NearSet {}

    /** The entry with this key. */
    static NearSet key(String key) {
        return new OneKey(key);
    }

    /**
     * What a selector means. One that this client does not know, or cannot read, means everything: what is dropped needlessly is fetched
     * again, what is kept wrongly is served.
     */
    static NearSet of(Selector selector) {
        return switch (selector.getSelectorCase()) {
            case KEY -> new OneKey(selector.getKey());
            case PREFIX -> new Prefix(selector.getPrefix());
            case GLOB -> {
                Glob glob = Glob.parse(selector.getGlob());
                yield glob == null ? new Everything() : new Matching(glob);
            }
            case TAG -> new Tags(List.of(selector.getTag()));
            case ALL_TAGS -> new Tags(List.copyOf(selector.getAllTags().getTagsList()));
            case KIND -> new Kind(selector.getKind());
            case DEPENDENTS_OF -> new DependentsOf(selector.getDependentsOf());
            default -> new Everything();
        };
    }

    /** Whether it means an entry. */
    default boolean selects(String key, Facts facts) {
        if (this instanceof OneKey one) {
            return one.key.equals(key);
        } else if (this instanceof Prefix some) {
            return key.startsWith(some.prefix);
        } else if (this instanceof Matching some) {
            return some.glob.matches(key);
        } else if (this instanceof Tags all) {
            return facts.tags().containsAll(all.tags);
        } else if (this instanceof Kind some) {
            return some.kind.equals(facts.kind());
        } else if (this instanceof DependentsOf some) {
            return facts.dependsOn().contains(some.name);
        } else if (this instanceof Dependents) {
            return !facts.dependsOn().isEmpty();
        }
        return true;
    }
}
