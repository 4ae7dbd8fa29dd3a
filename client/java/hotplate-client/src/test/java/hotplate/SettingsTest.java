package hotplate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.internal.Address;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a client is set up with, and what is refused with a word on what to change. No connection is opened here. */
class SettingsTest {
    private static String refused(HotplateBuilder builder) {
        HotplateException refused = assertThrows(HotplateException.class, builder::build);
        assertEquals(ErrorKind.CONFIGURATION, refused.kind());
        return refused.text();
    }

    @Test
    void addressesAreReadInEveryForm() {
        assertEquals(new Address("cache", 7070, false, null, null, null), Address.parse("hotplate://cache"));
        assertEquals(new Address("cache", 81, false, null, null, null), Address.parse("cache:81"));
        assertEquals(new Address("[::1]", 9, false, "ml", null, null), Address.parse("hotplate://[::1]:9/ml/"));
        assertEquals(80, Address.parse("http://cache").port());
        assertEquals(new Address("cache", 443, true, null, null, null), Address.parse("https://cache"));
        Address full = Address.parse("cache:1/team/ml?tls=true&timeout=250ms&profile=batch");
        assertEquals(new Address("cache", 1, true, "team/ml", Duration.ofMillis(250), Profile.BATCH), full);
        for (String local : new String[] {"localhost", "127.9.9.9", "hotplate://[::1]"}) {
            assertTrue(Address.parse(local).isLoopback(), local);
        }
        for (String other : new String[] {"localhost.example", "10.0.0.1", "hotplate://[::2]"}) {
            assertFalse(Address.parse(other).isLoopback(), other);
        }
    }

    @Test
    void whatCannotWorkIsRefused() {
        assertTrue(refused(Hotplate.builder().url("ftp://cache")).contains("scheme"));
        assertTrue(refused(Hotplate.builder().url("hotplate://me:secret@cache")).contains("credentials"));
        assertFalse(refused(Hotplate.builder().url("hotplate://me:secret@cache")).contains("secret"));
        assertTrue(refused(Hotplate.builder().url("cache?color=red")).contains("color"));
        assertTrue(refused(Hotplate.builder().url("cache.example").token("t")).contains("unencrypted"));
        assertTrue(refused(Hotplate.builder().token("a\nb")).contains("header"));
        assertTrue(refused(Hotplate.builder().journalMax(0)).contains("journalMax"));
        assertTrue(refused(Hotplate.builder().connectionsMax(65)).contains("connectionsMax"));
        assertTrue(refused(Hotplate.builder().timeout(Duration.ZERO)).contains("timeout"));
        assertTrue(refused(Hotplate.builder().tlsCa("no pem".getBytes(StandardCharsets.UTF_8))).contains("PEM"));
        assertThrows(HotplateException.class, () -> NearOptions.DEFAULT.progressMax(Duration.ofMillis(10)));
        Hotplate.builder().url("cache.example").token("t").allowInsecureToken(true).build().close();
        assertFalse(Hotplate.builder().token("hunter2").toString().contains("hunter2"));
    }

    @Test
    void theEnvironmentFillsInWhatCodeLeftOpen(@TempDir Path folder) throws IOException {
        Path token = Files.writeString(folder.resolve("token"), " secret\n");
        Map<String, String> variables = Map.of(
                "HOTPLATE_URL", "127.0.0.1:1/env, 127.0.0.1:2",
                "HOTPLATE_TOKEN_FILE", token.toString(),
                "HOTPLATE_TIMEOUT", "250ms");
        try (Hotplate client = Hotplate.builder().env(name -> Optional.ofNullable(variables.get(name))).build()) {
            assertEquals("env", client.namespace());
            assertTrue(client.available());
        }
        try (Hotplate client = Hotplate.builder()
                .namespace("code")
                .env(name -> Optional.ofNullable(variables.get(name)))
                .build()) {
            assertEquals("code", client.namespace());
        }
        HotplateException unread = assertThrows(
                HotplateException.class,
                () -> Hotplate.builder().env(name -> name.equals("HOTPLATE_CA_FILE") ? Optional.of("/no/such") : Optional.empty()));
        assertTrue(unread.text().contains("HOTPLATE_CA_FILE"));
    }

    @Test
    void durationsAreReadAsPeopleWriteThem() {
        assertEquals(Duration.ofMillis(93_830_000), Durations.parse("1d2h3m50s"));
        assertEquals(Duration.ofMillis(1_500), Durations.parse(" 1.5 "));
        assertEquals(Duration.ofDays(36_500), Durations.parse("36500d"));
        for (String bad : new String[] {"", "0", "0s", "1s2m", "1h1h", "-1s", "1.5s", "1.2345", "36501d", "h", "1 h"}) {
            assertThrows(HotplateException.class, () -> Durations.parse(bad), bad);
        }
        for (long millis : new long[] {1, 999, 1_000, 61_001, 93_830_000, 604_800_000, 1_234_567_890}) {
            assertEquals(Duration.ofMillis(millis), Durations.parse(Durations.format(Duration.ofMillis(millis))));
        }
        assertEquals(Ttl.VERY_LONG, Ttl.parse("VERY_LONG"));
        assertEquals(Ttl.named("nightly"), Ttl.parse("nightly"));
        assertEquals(Ttl.seconds(7_200), Ttl.parse("2h"));
    }

    @Test
    void codecsRefuseWhatIsNotTheirsAndQuoteNothing() {
        Codec<Integer> json = Codec.json(Integer.class);
        byte[] seven = {'7'};
        assertEquals(7, json.decodeChecked("Application/JSON; charset=utf-8", "", seven));
        assertEquals(7, json.decodeChecked("application/problem+json", "", seven));
        for (String[] other : new String[][] {{"text/plain", ""}, {"", ""}, {"application/json", "gzip"}}) {
            assertThrows(HotplateException.class, () -> json.decodeChecked(other[0], other[1], seven));
        }
        byte[] secret = "{\"password\":\"hunter2\"}".getBytes(StandardCharsets.UTF_8);
        for (Codec<Integer> codec : java.util.List.of(json, Codec.messagePack(Integer.class))) {
            HotplateException shape = assertThrows(HotplateException.class, () -> codec.decode(secret));
            assertFalse(shape.toString().contains("hunter2") || shape.toString().contains("password"), shape.toString());
            assertThrows(HotplateException.class, () -> codec.decode(new byte[] {'7', ' ', '7'}));
        }
        assertEquals(json, Codec.json(Integer.class));
        assertFalse(json.equals(Codec.json(Long.class)));
    }

    @Test
    void aKeyIsItsTextAndItsFaultIsToldWhenItIsUsed() {
        Key key = Key.of("model", "metrics").id("a b").param("top", 10);
        assertEquals("model:metrics:a%20b:top_10", key.toString());
        assertEquals(26, key.length());
        Key bad = Key.of("model").id("").param("x", 1);
        HotplateException fault = assertThrows(HotplateException.class, bad::render);
        assertEquals("key", fault.field().orElseThrow());
        assertThrows(HotplateException.class, () -> Selector.key(bad));
        assertThrows(HotplateException.class, () -> Key.of("\ud800").render());
    }

    record Sample(String name, double share, int count, java.time.Instant at) {}

    @Test
    void jsonIsWrittenAndReadStrictly() {
        Codec<Sample> json = Codec.json(Sample.class);
        Sample sample = new Sample("a", 0.5, 3, java.time.Instant.ofEpochSecond(1_234));
        assertEquals(
                "{\"name\":\"a\",\"share\":0.5,\"count\":3,\"at\":\"1970-01-01T00:20:34Z\"}",
                new String(json.encode(sample), StandardCharsets.UTF_8));
        assertEquals(sample, json.decode(json.encode(sample)));
        for (double odd : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThrows(HotplateException.class, () -> json.encode(new Sample("a", odd, 3, null)));
            assertThrows(HotplateException.class, () -> Codec.json(double[].class).encode(new double[] {odd}));
            assertThrows(HotplateException.class, () -> Codec.json().encode(
                    com.fasterxml.jackson.databind.node.DoubleNode.valueOf(odd)));
        }
        for (String other : new String[] {
            "{\"name\":\"a\",\"share\":\"0.5\",\"count\":3,\"at\":null}",
            "{\"name\":\"a\",\"share\":0.5,\"count\":3.9,\"at\":null}",
            "{\"name\":\"a\",\"share\":0.5,\"at\":null}",
            "{\"name\":\"a\",\"share\":1e400,\"count\":3,\"at\":null}",
            "{\"name\":\"a\",\"share\":0.5,\"count\":3,\"at\":null,\"more\":1}",
        }) {
            assertThrows(HotplateException.class, () -> json.decode(other.getBytes(StandardCharsets.UTF_8)), other);
        }
        byte[] date = Codec.messagePack(java.time.LocalDate.class).encode(java.time.LocalDate.of(2026, 11, 22));
        assertEquals(java.time.LocalDate.of(2026, 11, 22), Codec.messagePack(java.time.LocalDate.class).decode(date));
    }

    @Test
    void whatIsYesOrNoIsNothingElse() {
        assertTrue(refused(Hotplate.builder().url("cache?tls=yes")).contains("tls"));
        assertTrue(refused(Hotplate.builder().url("cache?tls=")).contains("tls"));
        assertFalse(Address.parse("https://cache?tls=false").tls());
        for (String value : new String[] {"yes", "TRUE", "2"}) {
            hotplate.internal.Environment odd = name -> Optional.of(value);
            assertThrows(HotplateException.class, odd::disabled, value);
        }
        hotplate.internal.Environment on = name -> Optional.of("1");
        hotplate.internal.Environment off = name -> Optional.of("false");
        assertTrue(on.disabled() && !off.disabled());
        assertTrue(refused(Hotplate.builder().url("hotplate://my_host:7070")).contains("underscore"));
        assertTrue(refused(Hotplate.builder().url("cache:70700")).contains("port"));
        assertThrows(NullPointerException.class, () -> Hotplate.builder().onError(null));
        assertThrows(HotplateException.class, () -> ComputeOptions.DEFAULT.waitMax(Duration.ofSeconds(-1)));
        assertThrows(NullPointerException.class, () -> ComputeOptions.DEFAULT.waitMax(null));
    }

    @Test
    void codecsOfTwoMessageTypesDiffer() {
        assertFalse(Codec.protobuf(com.google.protobuf.DynamicMessage.getDefaultInstance(com.google.protobuf.Duration.getDescriptor()))
                .equals(Codec.protobuf(com.google.protobuf.DynamicMessage.getDefaultInstance(
                        com.google.protobuf.StringValue.getDescriptor()))));
    }
}
