package hotplate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.Array;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a function was called with, as JSON that also says of which class each part is: to Java, a text and an enum of that name are not the same.
 * Only text, booleans, null and lists stand for themselves; anything else is an object whose one name is its class, so that nothing can be
 * taken for something else. Parameters that other languages make as well live in {@link Faithful}.
 */
final class Arguments {
    private static final JsonNodeFactory MAKE = new JsonNodeFactory(true);
    private static final int DEPTH_MAX = 64;

    private Arguments() {}

    /**
     * A value as JSON: the same for lists, sets and maps that are equal, whoever made them.
     *
     * @throws HotplateException INVALID_ARGUMENT for what has no such form
     */
    static JsonNode json(Object value) {
        return json(value, 0);
    }

    private static JsonNode json(Object value, int depth) {
        if (depth > DEPTH_MAX) {
            throw HotplateException.invalid("key", "an argument is nested deeper than 64, or in a circle");
        } else if (value instanceof Number number) {
            Faithful.checked(number);
            return of(value.getClass(), MAKE.textNode(number.toString()));
        } else if (value instanceof Enum<?> one) {
            return of(one.getDeclaringClass(), MAKE.textNode(one.name()));
        } else if (value instanceof JsonNode node) {
            return of(JsonNode.class, node);
        }
        JsonNode simple = Faithful.simple(value);
        if (simple != null) {
            boolean itself = value == null || value instanceof Boolean || value instanceof String;
            return itself ? simple : of(value.getClass(), simple);
        }
        return made(value, depth);
    }

    /** What is made of others. */
    private static JsonNode made(Object value, int depth) {
        if (value.getClass().isArray()) {
            return array(value, depth);
        } else if (value instanceof List<?> list) {
            return items(list, depth);
        } else if (value instanceof Set<?> set) {
            return of(Set.class, sorted(set.stream().map(item -> json(item, depth + 1)).toList()));
        } else if (value instanceof Map<?, ?> map) {
            return of(Map.class, sorted(map.entrySet().stream().map(entry -> pair(entry, depth)).toList()));
        } else if (value instanceof Deque<?> queue) {
            return of(Deque.class, items(queue, depth));
        }
        return of(value.getClass(), Faithful.fields(value, item -> json(item, depth + 1)));
    }

    private static ObjectNode of(Class<?> type, JsonNode content) {
        return MAKE.objectNode().set(type.getName(), content);
    }

    private static ArrayNode items(Iterable<?> items, int depth) {
        ArrayNode all = MAKE.arrayNode();
        items.forEach(item -> all.add(json(item, depth + 1)));
        return all;
    }

    private static JsonNode array(Object array, int depth) {
        Faithful.checkedArray(array);
        ArrayNode items = MAKE.arrayNode();
        for (int at = 0; at < Array.getLength(array); at++) {
            items.add(json(Array.get(array, at), depth + 1));
        }
        return of(array.getClass(), items);
    }

    private static JsonNode pair(Map.Entry<?, ?> entry, int depth) {
        return MAKE.arrayNode().add(json(entry.getKey(), depth + 1)).add(json(entry.getValue(), depth + 1));
    }

    /** In the order of their canonical text: that in which sets and maps are read differs from process to process. */
    private static ArrayNode sorted(Collection<JsonNode> items) {
        return MAKE.arrayNode().addAll(items.stream().sorted(Comparator.comparing(Canonical::json)).toList());
    }
}
