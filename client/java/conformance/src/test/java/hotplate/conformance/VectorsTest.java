package hotplate.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import hotplate.Canonical;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The vectors that every client runs, without the orchestrator. */
class VectorsTest {
    private static JsonNode vectors(String name) throws IOException {
        Path file = Path.of("..", "..", "..", "tests", "conformance", name);
        return Values.JSON.readTree(Files.readAllBytes(file));
    }

    @Test
    void everyKeyIsMadeAsItMustBe() throws IOException {
        JsonNode keys = vectors("keys.json").get("keys");
        assertTrue(keys.size() >= 100, "only " + keys.size() + " vectors");
        for (JsonNode vector : keys) {
            String name = vector.get("name").asText();
            if (vector.path("refused").asBoolean()) {
                HotplateException refused = assertThrows(
                        HotplateException.class, () -> Values.calls(vector.get("calls")).render(), name);
                assertEquals(ErrorKind.INVALID_ARGUMENT, refused.kind(), name);
            } else {
                assertEquals(vector.get("key").asText(), Values.calls(vector.get("calls")).render(), name);
            }
        }
    }

    @Test
    void everyFloatIsWrittenAsItMustBe() throws IOException {
        for (JsonNode vector : vectors("keys.json").get("floats")) {
            double value = Double.longBitsToDouble(Long.parseUnsignedLong(vector.get("bits").asText(), 16));
            assertEquals(vector.get("text").asText(), Canonical.number(value));
        }
    }

    @Test
    void everyNearCacheCaseHolds() throws IOException {
        JsonNode all = vectors("near.json");
        assertTrue(all.get("cases").size() >= 40);
        for (JsonNode one : all.get("cases")) {
            ObjectNode came = NearCase.run(all.get("settings"), one);
            for (int at = 0; at < one.get("steps").size(); at++) {
                check(one.get("name").asText() + ", step " + at, one.get("steps").get(at), came.get("steps").get(at));
            }
        }
    }

    private static void check(String where, JsonNode step, JsonNode came) {
        switch (step.get("step").asText()) {
            case "answer" -> {
                assertEquals(step.get("kept").asBoolean(), came.path("kept").asBoolean(), where);
                assertEquals(step.path("why").asText(), came.path("why").asText(), where);
            }
            case "read" -> assertEquals(step.get("expect"), came.get("value"), where);
            case "followed" -> {
                assertEquals(step.path("add").size(), came.get("add").size(), where);
                assertEquals(step.path("remove").size(), came.get("remove").size(), where);
            }
            default -> assertEquals(step.path("reopen").asBoolean(), came.path("reopen").asBoolean(), where);
        }
    }
}
