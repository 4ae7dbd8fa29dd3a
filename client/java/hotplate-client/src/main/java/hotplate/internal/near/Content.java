package hotplate.internal.near;

import hotplate.Codec;
import hotplate.Tier;
import hotplate.internal.Wire;
import hotplate.v1.Entry;
import hotplate.v1.EntryMetadata;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** What does not change while a kept entry stays the same. */
final class Content {
    /** What keeping an entry takes besides its texts and value, roughly: maps, index and records. */
    private static final long ENTRY_BYTES = 384;
    /** The same for each tag and each dependency. */
    private static final long NAME_BYTES = 96;

    final String key;
    final Facts facts;
    final String etag;
    final String contentType;
    final String encoding;
    /** The value's bytes; null for a negative. */
    final byte[] value;

    final String reason;
    final String message;
    final Tier tier;
    /** Why the last renewal failed; null where it did not. */
    final String refreshFailure;

    /** Read by the codec that came first; others read anew. */
    private volatile Shared shared;

    private record Shared(Codec<?> codec, Object value) {}

    private Content(String key, GetResponse response, EntryMetadata metadata) {
        Entry entry = response.getEntry();
        this.key = key;
        this.facts = Facts.of(metadata);
        this.etag = metadata.getEtag();
        this.contentType = metadata.getContentType();
        this.encoding = metadata.getEncoding();
        this.value = entry.hasValue() ? entry.getValue().toByteArray() : null;
        this.reason = entry.getNegative().getReason();
        this.message = entry.getNegative().getMessage();
        this.tier = Wire.tier(response.getServedFrom());
        this.refreshFailure = Wire.refreshFailure(metadata);
    }

    /** The content of a fresh answer; null for anything else. */
    static Content of(String key, GetResponse response) {
        Entry entry = response.getEntry();
        boolean hit = entry.hasValue() && response.getOutcome() == GetOutcome.GET_OUTCOME_HIT;
        boolean negative = entry.hasNegative() && response.getOutcome() == GetOutcome.GET_OUTCOME_NEGATIVE;
        return entry.hasMetadata() && (hit || negative) ? new Content(key, response, entry.getMetadata()) : null;
    }

    /** The value, read once and shared with all whose codec is equal. */
    @SuppressWarnings("unchecked")
    <V> V shared(Codec<V> codec) {
        Shared known = shared;
        if (known != null && known.codec().equals(codec)) {
            return (V) known.value();
        }
        V read = read(codec);
        synchronized (this) {
            // Another reader may have been first: then all share what that one read, unless its codec is another.
            if (shared == null) {
                shared = new Shared(codec, read);
            }
            return shared.codec().equals(codec) ? (V) shared.value() : read;
        }
    }

    /** The value, read anew. A codec may hand out the array it is given: it gets its own. */
    <V> V read(Codec<V> codec) {
        return codec.decodeChecked(contentType, encoding, value.clone());
    }

    /** Bytes it counts for: its value twice, as it came and as it was read. */
    long bytes() {
        long bytes = ENTRY_BYTES + (value == null ? size(reason) + size(message) : 2L * value.length);
        for (List<String> names : List.of(facts.tags(), facts.dependsOn())) {
            for (String name : names) {
                bytes += NAME_BYTES + size(name);
            }
        }
        return bytes + size(key) + size(etag) + size(contentType) + size(encoding) + size(facts.kind());
    }

    private static long size(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}
