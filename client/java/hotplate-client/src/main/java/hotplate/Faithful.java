package hotplate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.ZoneId;
import java.time.temporal.Temporal;
import java.time.temporal.TemporalAmount;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;

/**
 * Key parameters as JSON that every language makes alike: what has no form without loss is refused. Classes are no part of it: {@link Arguments}
 * has them. How JSON becomes one text lives in {@link Canonical}.
 */
final class Faithful {
    private static final JsonNodeFactory MAKE = new JsonNodeFactory(true);
    private static final int DEPTH_MAX = 64;
    private static final Set<Class<?>> NUMBERS = Set.of(
            Byte.class, Short.class, Integer.class, Long.class, Float.class, Double.class, BigInteger.class, BigDecimal.class);

    private Faithful() {}

    /**
     * A value as JSON: text, numbers, booleans, UUIDs, enums, dates and times; arrays, lists and sets; maps with text or enums as keys;
     * records and other objects, each with all fields.
     *
     * @throws HotplateException INVALID_ARGUMENT for what has no such form
     */
    static JsonNode json(Object value) {
        return json(value, 0);
    }

    private static JsonNode json(Object value, int depth) {
        if (depth > DEPTH_MAX) {
            throw HotplateException.invalid("key", "a key parameter is nested deeper than 64, or in a circle");
        }
        JsonNode simple = simple(value);
        if (simple != null) {
            return simple;
        }
        if (value.getClass().isArray()) {
            return array(value, depth);
        }
        if (value instanceof Set<?> set) {
            return unordered(set, depth);
        }
        if (value instanceof List<?> || value instanceof Deque<?>) {
            ArrayNode items = MAKE.arrayNode();
            ((Iterable<?>) value).forEach(item -> items.add(json(item, depth + 1)));
            return items;
        }
        if (value instanceof Map<?, ?> map) {
            ObjectNode object = MAKE.objectNode();
            map.forEach((name, item) -> object.set(name(name), json(item, depth + 1)));
            return object;
        }
        return fields(value, item -> json(item, depth + 1));
    }

    /** What is one JSON value; null for what is not. */
    static JsonNode simple(Object value) {
        if (value == null) {
            return MAKE.nullNode();
        } else if (value instanceof JsonNode node) {
            return node;
        } else if (value instanceof Boolean flag) {
            return MAKE.booleanNode(flag);
        } else if (value instanceof Number number) {
            return number(number);
        } else if (value instanceof Enum<?> one) {
            return MAKE.textNode(one.name());
        }
        boolean text = value instanceof CharSequence
                || value instanceof Character
                || value instanceof UUID
                || value instanceof Temporal
                || value instanceof TemporalAmount
                || value instanceof ZoneId;
        return text ? MAKE.textNode(value.toString()) : null;
    }

    private static JsonNode number(Number number) {
        checked(number);
        if (number instanceof Byte || number instanceof Short || number instanceof Integer || number instanceof Long) {
            return MAKE.numberNode(number.longValue());
        } else if (number instanceof Float some) {
            return MAKE.numberNode(some);
        } else if (number instanceof Double some) {
            return MAKE.numberNode(some);
        }
        return number instanceof BigInteger some ? MAKE.numberNode(some) : MAKE.numberNode((BigDecimal) number);
    }

    /** Refuses numbers of other classes than Java's own: what they are is not known. */
    static void checked(Number number) {
        if (!NUMBERS.contains(number.getClass())) {
            throw refused(number);
        }
    }

    /** Refuses bytes. */
    static void checkedArray(Object array) {
        if (array instanceof byte[]) {
            throw HotplateException.invalid("key", "a key parameter is bytes: pass them to `content`");
        }
    }

    private static JsonNode array(Object array, int depth) {
        checkedArray(array);
        ArrayNode items = MAKE.arrayNode();
        for (int at = 0; at < Array.getLength(array); at++) {
            items.add(json(Array.get(array, at), depth + 1));
        }
        return items;
    }

    /** Sorted by canonical text: the order in which a set is read differs from process to process. */
    private static JsonNode unordered(Set<?> set, int depth) {
        List<JsonNode> items = new ArrayList<>();
        set.forEach(item -> items.add(json(item, depth + 1)));
        items.sort(java.util.Comparator.comparing(Canonical::json));
        return MAKE.arrayNode().addAll(items);
    }

    private static String name(Object name) {
        if (name instanceof Enum<?> one) {
            return one.name();
        } else if (name instanceof CharSequence text) {
            return text.toString();
        }
        throw HotplateException.invalid(
                "key", "a map in a key parameter has keys that are neither text nor enums: their text may be that of another");
    }

    /** An object with all that makes it up, whatever its methods show of it. */
    static JsonNode fields(Object value, Function<Object, JsonNode> json) {
        ObjectNode object = MAKE.objectNode();
        if (value.getClass().isSynthetic() || value.getClass().isHidden()) {
            throw refused(value);
        }
        for (Class<?> type = value.getClass(); type != Object.class; type = type.getSuperclass()) {
            for (Field field : type.getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers())) {
                    continue;
                }
                if (field.isSynthetic() || object.has(field.getName()) || !reachable(field)) {
                    throw refused(value);
                }
                object.set(field.getName(), json.apply(read(field, value)));
            }
        }
        if (object.isEmpty() && !value.getClass().isRecord()) {
            throw refused(value);
        }
        return object;
    }

    private static boolean reachable(Field field) {
        return !Modifier.isTransient(field.getModifiers()) && field.trySetAccessible();
    }

    private static Object read(Field field, Object of) {
        try {
            return field.get(of);
        } catch (IllegalAccessException denied) {
            throw refused(of);
        }
    }

    private static HotplateException refused(Object value) {
        return HotplateException.invalid(
                "key",
                "a key parameter of " + value.getClass().getName() + " has no JSON form without loss: pass a record, a map or text");
    }
}
