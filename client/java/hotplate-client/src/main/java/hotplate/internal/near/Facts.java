package hotplate.internal.near;

import hotplate.v1.EntryMetadata;
import java.util.List;

/**
 * What of an entry, besides its key, selectors look at.
 *
 * @param kind the operation or model type
 * @param tags the groups it belongs to
 * @param dependsOn what it was made from
 */
public record Facts(String kind, List<String> tags, List<String> dependsOn) {
    static Facts of(EntryMetadata metadata) {
        return new Facts(
                metadata.getKind(), List.copyOf(metadata.getTagsList()), List.copyOf(metadata.getDependsOnList()));
    }
}
