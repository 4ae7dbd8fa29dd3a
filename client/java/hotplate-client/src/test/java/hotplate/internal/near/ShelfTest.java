package hotplate.internal.near;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import hotplate.v1.Entry;
import hotplate.v1.EntryMetadata;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetResponse;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Where kept entries are: bounds, what makes room, and what selectors find. */
class ShelfTest {
    private static Kept kept(String key, int bytes, String... tags) {
        GetResponse response = GetResponse.newBuilder()
                .setOutcome(GetOutcome.GET_OUTCOME_HIT)
                .setEntry(Entry.newBuilder()
                        .setValue(ByteString.copyFrom(new byte[bytes]))
                        .setMetadata(EntryMetadata.newBuilder().addAllTags(List.of(tags))))
                .build();
        Kept.Lives lives = new Kept.Lives(0, 1, 1);
        return new Kept(Content.of(key, response), new Stamp(1, 0, 0, 0), 0, 0, lives, 1, 0);
    }

    @Test
    void whatIsUsedStaysAndTheBoundHolds() {
        Shelf shelf = new Shelf(20_000, 1_000);
        shelf.insert(kept("used", 1_000));
        for (int n = 0; n < 200; n++) {
            assertNotNull(shelf.get("used"));
            shelf.insert(kept("scan:" + n, 1_000));
            assertTrue(shelf.bytes() <= 20_000);
        }
        assertNotNull(shelf.peek("used"));
        assertNull(shelf.peek("scan:0"));
        Kept large = kept("large", 20_000);
        assertEquals(List.of(large), shelf.insert(large));
        assertEquals(shelf.size(), shelf.clear());
        assertEquals(0, shelf.bytes());
    }

    @Test
    void theIndexIsWhatIsThere() {
        Shelf shelf = new Shelf(100_000, 1_000);
        Random random = new Random(7);
        for (int step = 0; step < 5_000; step++) {
            String key = "k:" + random.nextInt(300);
            if (random.nextInt(3) == 0) {
                shelf.remove(key);
            } else {
                shelf.insert(kept(key, random.nextInt(500), "t" + random.nextInt(4)));
            }
        }
        int tagged = 0;
        for (int tag = 0; tag < 4; tag++) {
            for (String key : shelf.candidates(new NearSet.Tags(List.of("t" + tag)))) {
                assertNotNull(shelf.peek(key));
                tagged++;
            }
        }
        assertEquals(shelf.size(), tagged);
        assertEquals(shelf.size(), shelf.candidates(new NearSet.Prefix("k:")).size());
        assertEquals(shelf.size(), shelf.candidates(new NearSet.Everything()).size());
        shelf.keys().forEach(shelf::remove);
        assertEquals(0, shelf.bytes());
    }

    @Test
    void globsMatchAsDocumented() {
        assertTrue(matches("model:*", "model:a:b") && matches("*:b", "a:b:b") && matches("a*c*e", "abcde"));
        assertTrue(matches("?x", "äx") && !matches("?x", "x") && matches("*", ""));
        assertTrue(matches("[a-c]1", "b1") && !matches("[!a-c]1", "b1") && matches("[]x]", "]") && matches("[a-]", "-"));
        assertTrue(matches("\\*", "*") && !matches("\\*", "a") && matches("**a", "bba"));
        assertFalse(matches("a", "ab") || matches("ab", "a") || matches("*a", "ab"));
        assertFalse(matches("*a*a*a*a*a*a*a*b", "a".repeat(1_024)));
        assertEquals("a*", Glob.parse("a\\*?").literal());
        for (String none : List.of("[a", "a\\", "[z-a]", "[!")) {
            assertNull(Glob.parse(none), none);
            assertTrue(NearSet.of(hotplate.v1.Selector.newBuilder().setGlob(none).build())
                    .selects("any", new Facts("", List.of(), List.of())));
        }
    }

    private static boolean matches(String pattern, String text) {
        return Glob.parse(pattern).matches(text);
    }
}
