package hotplate;

import hotplate.internal.Texts;
import hotplate.v1.TagSet;
import java.util.Arrays;
import java.util.List;

/** Which entries of a namespace are meant. Text that is no Unicode is refused: INVALID_ARGUMENT, with the field. */
public final class Selector {
    private final hotplate.v1.Selector wire;

    private Selector(hotplate.v1.Selector.Builder wire) {
        this.wire = wire.build();
    }

    private static hotplate.v1.Selector.Builder wire() {
        return hotplate.v1.Selector.newBuilder();
    }

    /**
     * The entry with this key.
     *
     * @throws HotplateException when the key cannot be rendered
     */
    public static Selector key(CharSequence key) {
        return new Selector(wire().setKey(Key.textOf(key)));
    }

    /** Every key that begins with this, 1 to 1,024 bytes. */
    public static Selector prefix(CharSequence prefix) {
        return new Selector(wire().setPrefix(Key.textOf("prefix", prefix)));
    }

    /** Every key that matches: {@code *}, {@code ?}, {@code [a-z]}, {@code \} escapes. */
    public static Selector glob(String glob) {
        return new Selector(wire().setGlob(Texts.valid("glob", glob)));
    }

    /** Every entry with this tag. */
    public static Selector tag(String tag) {
        return new Selector(wire().setTag(Texts.valid("tag", tag)));
    }

    /** Every entry that has all of these tags, 1 to 16. */
    public static Selector allTags(String... tags) {
        for (String tag : tags) {
            Texts.valid("all_tags", tag);
        }
        return new Selector(wire().setAllTags(TagSet.newBuilder().addAllTags(Arrays.asList(tags))));
    }

    /** Every entry of this kind. */
    public static Selector kind(String kind) {
        return new Selector(wire().setKind(Texts.valid("kind", kind)));
    }

    /** Every entry whose writer named this in {@code dependsOn}: a key, or a tag as {@code tag:NAME}. */
    public static Selector dependentsOf(CharSequence name) {
        return new Selector(wire().setDependentsOf(Key.textOf("dependents_of", name)));
    }

    /** Every entry of the namespace. */
    public static Selector everything() {
        return new Selector(wire().setEverything(true));
    }

    /** The selector as the contract carries it. */
    public hotplate.v1.Selector toWire() {
        return wire;
    }

    /** Several as the contract carries them. */
    public static List<hotplate.v1.Selector> toWire(List<Selector> selectors) {
        return selectors.stream().map(Selector::toWire).toList();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Selector selector && wire.equals(selector.wire);
    }

    @Override
    public int hashCode() {
        return wire.hashCode();
    }
}
