package hotplate.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import hotplate.Ttl;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/** The fields of one object of a request. One that nobody asked for is a fault: then the driver is too old. */
final class Fields {
    private final JsonNode object;
    private final Set<String> read = new HashSet<>();

    Fields(JsonNode object) {
        this.object = object == null ? MissingNode.getInstance() : object;
    }

    /** A field; missing when it is not there or null. */
    JsonNode get(String name) {
        read.add(name);
        JsonNode value = object.path(name);
        return value.isNull() ? MissingNode.getInstance() : value;
    }

    /** The same where null is a value. */
    JsonNode raw(String name) {
        read.add(name);
        return object.path(name);
    }

    boolean has(String name) {
        return !get(name).isMissingNode();
    }

    String text(String name) {
        return get(name).asText(null);
    }

    boolean flag(String name) {
        return get(name).asBoolean(false);
    }

    Duration millis(String name) {
        return Duration.ofMillis(get(name).asLong());
    }

    Fields object(String name) {
        return new Fields(get(name));
    }

    List<JsonNode> list(String name) {
        List<JsonNode> all = new ArrayList<>();
        get(name).forEach(all::add);
        return all;
    }

    List<String> texts(String name) {
        return list(name).stream().map(JsonNode::asText).toList();
    }

    /** Does something with a field that is there. */
    void with(String name, Consumer<JsonNode> use) {
        if (has(name)) {
            use.accept(get(name));
        }
    }

    /** A lifetime as users write it, or a number of seconds. */
    Ttl ttl(String name) {
        return Ttl.parse(get(name).asText());
    }

    /** Ends the reading of this object. */
    void end() {
        object.fieldNames().forEachRemaining(name -> {
            if (!read.contains(name)) {
                throw new Fault("an unknown field: " + name);
            }
        });
    }
}
