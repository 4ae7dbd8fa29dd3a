package hotplate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** Keys of Java's own types: what differs has another key, what is equal has the same in every process, and the rest is refused. */
class KeysTest {
    record Lap(String track, Set<String> cars, BigDecimal limit) {}

    /** Shows nothing of itself. */
    static final class Hidden {
        private final int secret;

        Hidden(int secret) {
            this.secret = secret;
        }
    }

    static final class Empty {}

    private static String params(Object value) {
        return Key.of("k").params(value).render();
    }

    private static void refused(Runnable use) {
        HotplateException refused = assertThrows(HotplateException.class, use::run);
        assertEquals(ErrorKind.INVALID_ARGUMENT, refused.kind());
        assertEquals("key", refused.field().orElse(""));
    }

    @Test
    void decimalsBeyondADoubleAreRefusedAndOthersAreTheirNumber() {
        assertEquals("k:x_0.1", Key.of("k").param("x", new BigDecimal("0.10")).render());
        assertEquals("k:x_12", Key.of("k").param("x", new BigDecimal("12.00")).render());
        assertEquals(params(List.of(0.5)), params(List.of(new BigDecimal("0.5"))));
        for (String many : List.of("9007199254740993", "0.12345678901234567891", "1e400", new BigDecimal(0.1).toString())) {
            refused(() -> params(List.of(new BigDecimal(many))));
            refused(() -> Key.of("k").param("x", new BigDecimal(many)).render());
        }
        refused(() -> params(List.of(Double.NaN)));
    }

    @Test
    void theOrderOfSetsAndMapsDoesNotMatter() {
        Set<String> one = new LinkedHashSet<>(List.of("a", "b", "c"));
        Set<String> other = new LinkedHashSet<>(List.of("c", "a", "b"));
        assertEquals(params(Map.of("ids", one)), params(Map.of("ids", other)));
        assertEquals(params(new Lap("m", one, null)), params(new Lap("m", other, null)));
        assertEquals(params(Map.of("ids", List.of("a", "b", "c"))), params(Map.of("ids", one)));
    }

    @Test
    void argumentsThatDifferHaveAnotherKey() {
        assertNotEquals(params(new Hidden(1)), params(new Hidden(2)));
        assertNotEquals(params(new Lap("a", Set.of(), BigDecimal.ONE)), params(new Lap("a", Set.of(), BigDecimal.TEN)));
        assertEquals(params(Map.of("day", "2026-11-22")), params(Map.of("day", LocalDate.of(2026, 11, 22))));
        assertEquals(params(List.of(1, 2)), params(new int[] {1, 2}));
    }

    @Test
    void whatHasNoFaithfulFormIsRefused() {
        List<Object> circle = new java.util.ArrayList<>();
        circle.add(circle);
        for (Object odd : List.of(
                new Empty(), new Object(), Map.of(1, "a"), new byte[1], circle, java.util.Optional.of(1), (Runnable) () -> {})) {
            refused(() -> params(odd));
        }
    }

    @Test
    void anIdIsNoNullAndNoArray() {
        refused(() -> Key.of("user").id(null).render());
        refused(() -> Key.of((String) null).render());
        refused(() -> Key.of("u").id(new int[] {1}).render());
        refused(() -> Key.of("u").unordered(Arrays.asList("a", null)).render());
        refused(() -> Key.of("u").text(null).render());
        refused(() -> Key.of("u").param(null, 1).render());
        refused(() -> Key.textOf(null));
        UUID id = UUID.randomUUID();
        assertEquals("u:" + id + ":7:USE:true", Key.of("u").id(id).id(7L).id(CacheMode.USE).id(true).render());
    }

    interface Shape {}

    record Circle(double a) implements Shape {}

    record Square(double a) implements Shape {}

    enum Unit {
        METRE
    }

    @Test
    void argumentsOfAnotherClassHaveAnotherKey() {
        try (Hotplate hotplate = Hotplate.builder().url("hotplate://127.0.0.1:1/t").build()) {
            Cached<Object, Double> area =
                    Cached.of(hotplate.cache(Codec.json(Double.class)), Key.of("area"), ComputeOptions.DEFAULT, shape -> 1.0);
            LocalDate day = LocalDate.of(2026, 11, 22);
            UUID id = UUID.randomUUID();
            List<Object> all = Arrays.asList(
                    null, new Circle(1), new Square(1), Map.of("a", 1.0), Unit.METRE, "METRE", Set.of("a", "b"), List.of("a", "b"),
                    new String[] {"a", "b"}, new java.util.ArrayDeque<>(List.of("a", "b")), day, day.toString(), id, id.toString(), 'x', "x",
                    1, 1L, 1.0, 1f, 0.0, -0.0, BigDecimal.ONE, new BigDecimal("1.0"), java.math.BigInteger.ONE, "1", true, "true",
                    Map.of(Unit.METRE, 1), Map.of("METRE", 1), Map.of(1, 1), Map.of(1L, 1), 9007199254740993L, 9007199254740992L,
                    List.of(new Circle(1)), List.of(new Square(1)), Map.of("hotplate.KeysTest$Circle", Map.of("a", 1.0)));
            assertEquals(all.size(), all.stream().map(area::key).distinct().count());
            assertEquals(area.key(Map.of("a", 1, "b", 2)), area.key(new java.util.TreeMap<>(Map.of("b", 2, "a", 1))));
            assertEquals(area.key(Set.of("a", "b")), area.key(new LinkedHashSet<>(List.of("b", "a"))));
            assertEquals(area.key(List.of("a")), area.key(Arrays.asList("a")));
            for (Object odd : List.of(new Empty(), new Object(), new byte[1], (Runnable) () -> {})) {
                refused(() -> area.key(odd));
            }
        }
    }
}
