package hotplate;

import java.util.List;

/** What a near cache hears of. */
public sealed interface NearFollow {
    /** Every change of the namespace. Right for namespaces that change little, or of which much is read here. */
    record Namespace() implements NearFollow {}

    /**
     * Changes of keys that begin with one of these, 1 to 128; only such keys are kept.
     *
     * @param prefixes none of them empty
     */
    record Prefixes(List<String> prefixes) implements NearFollow {
        /** Takes a copy. */
        public Prefixes {
            prefixes = List.copyOf(prefixes);
        }
    }

    /**
     * Changes of the keys it keeps. Right for large namespaces of which little is read here. A key is kept from its second read on:
     * the first one tells the server that it is followed.
     */
    record KeptKeys() implements NearFollow {}
}
