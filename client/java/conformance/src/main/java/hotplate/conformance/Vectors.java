package hotplate.conformance;

import com.fasterxml.jackson.databind.node.ObjectNode;
import hotplate.Canonical;
import hotplate.Codec;
import hotplate.Durations;
import hotplate.Ttl;
import java.util.Base64;

/** Operations without a client: what every client must agree on. */
final class Vectors {
    private Vectors() {}

    static ObjectNode run(String op, Fields f) {
        return switch (op) {
            case "key" -> Answers.object().put("key", Values.calls(f.get("calls")).render());
            case "float" -> {
                double value = Double.longBitsToDouble(Long.parseUnsignedLong(f.text("bits"), 16));
                yield Answers.object().put("text", Canonical.number(value));
            }
            case "ttl_parse" -> {
                Ttl ttl = Ttl.parse(f.text("text"));
                yield ttl.className() != null
                        ? Answers.object().put("class", ttl.className())
                        : Answers.object().put("ms", ttl.duration().toMillis());
            }
            case "ttl_format" -> Answers.object().put("text", Durations.format(f.millis("ms")));
            case "encode" -> {
                Codec<Object> codec = Values.codec(f.text("codec"));
                byte[] bytes = codec.encode(Values.value(f.text("codec"), f.raw("value")));
                yield Answers.object()
                        .put("content_type", codec.contentType())
                        .put("bytes", Base64.getEncoder().encodeToString(bytes));
            }
            case "decode" -> {
                Codec<Object> codec = Values.codec(f.text("codec"));
                String type = f.has("content_type") ? f.text("content_type") : "";
                String encoding = f.has("content_encoding") ? f.text("content_encoding") : "";
                Object value = codec.decodeChecked(type, encoding, Base64.getDecoder().decode(f.text("bytes")));
                ObjectNode answer = Answers.object();
                answer.set("value", Values.shown(value));
                yield answer;
            }
            case "near_case" -> NearCase.run(f.get("settings"), f.get("case"));
            default -> throw new Unsupported("no such operation: " + op);
        };
    }
}
