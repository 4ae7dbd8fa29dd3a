package hotplate.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import hotplate.Codec;
import hotplate.Key;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;

/** Values and keys as requests and answers write them. */
final class Values {
    static final ObjectMapper JSON = new ObjectMapper();
    private static final int BYTES_SHOWN = 4_096;

    private Values() {}

    /** Values of any codec as one type: JSON, or bytes for {@code raw}. */
    static Codec<Object> codec(String name) {
        return switch (name == null ? "json" : name) {
            case "json" -> new Any(Codec.json());
            case "msgpack" -> new Any(Codec.messagePack(JsonNode.class));
            case "raw" -> new Any(Codec.raw());
            default -> throw new Fault("an unknown codec: " + name);
        };
    }

    /** A codec whose values are JSON or bytes, whichever it has. */
    private record Any(Codec<?> codec) implements Codec<Object> {
        @Override
        public String contentType() {
            return codec.contentType();
        }

        @Override
        public boolean reads(String contentType) {
            return codec.reads(contentType);
        }

        @Override
        public byte[] encode(Object value) {
            return encoded(codec, value);
        }

        @SuppressWarnings("unchecked")
        private static <T> byte[] encoded(Codec<T> codec, Object value) {
            return codec.encode((T) value);
        }

        @Override
        public Object decode(byte[] bytes) {
            return codec.decode(bytes);
        }
    }

    /** A value of a request, as the codec's type. */
    static Object value(String codec, JsonNode value) {
        return "raw".equals(codec) ? bytes(value) : value;
    }

    /** Bytes of a request: given, or to be filled in. */
    static byte[] bytes(JsonNode value) {
        if (value.has("$bytes")) {
            return Base64.getDecoder().decode(value.get("$bytes").asText());
        }
        if (value.has("$fill")) {
            byte[] filled = new byte[value.get("$fill").get("bytes").asInt()];
            long seed = value.get("$fill").path("seed").asLong();
            for (int i = 0; i < filled.length; i++) {
                filled[i] = (byte) ((i * 31L + i / 251 * 7L + seed) & 0xFF);
            }
            return filled;
        }
        throw new Fault("these are no bytes");
    }

    /** A value of an answer. */
    static JsonNode shown(Object value) {
        if (!(value instanceof byte[] bytes)) {
            return value == null ? JsonNodeFactory.instance.nullNode() : (JsonNode) value;
        }
        ObjectNode shown = JsonNodeFactory.instance.objectNode();
        if (bytes.length <= BYTES_SHOWN) {
            return shown.put("$bytes", Base64.getEncoder().encodeToString(bytes));
        }
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            return shown.put("$sha256", HexFormat.of().formatHex(digest)).put("bytes", bytes.length);
        } catch (NoSuchAlgorithmException absent) {
            throw new IllegalStateException("every Java platform has SHA-256", absent);
        }
    }

    /** A key: text, or the calls of the builder. */
    static CharSequence key(JsonNode key) {
        return key.isTextual() ? key.textValue() : calls(key.get("calls"));
    }

    /** What calls of the key builder make. */
    static Key calls(JsonNode calls) {
        Key key = Key.of();
        for (JsonNode call : calls) {
            JsonNode first = call.path(1);
            switch (call.get(0).asText()) {
                case "segments" -> {
                    for (JsonNode segment : first) {
                        key = key.id(segment.asText());
                    }
                }
                case "id" -> key = key.id(first.asText());
                case "param" -> key = key.param(first.asText(), call.get(2));
                case "params" -> key = key.params(first);
                case "unordered" -> {
                    List<String> ids = new ArrayList<>();
                    first.forEach(id -> ids.add(id.asText()));
                    key = key.unordered(ids);
                }
                case "text" -> key = key.text(first.asText());
                case "content" -> key = key.content(HexFormat.of().parseHex(first.asText()));
                default -> throw new Fault("an unknown call of the key builder: " + call.get(0));
            }
        }
        return key;
    }
}
