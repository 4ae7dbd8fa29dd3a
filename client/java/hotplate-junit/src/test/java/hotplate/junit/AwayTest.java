package hotplate.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.Codec;
import hotplate.ErrorKind;
import hotplate.Hotplate;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Invalidated;
import hotplate.Lookup;
import hotplate.MissReason;
import hotplate.NearOptions;
import hotplate.OnError;
import hotplate.Selector;
import hotplate.Watch;
import hotplate.WatchItem;
import hotplate.WatchOptions;
import hotplate.Written;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

/** What holds while the line to the server is cut, and after it was mended. */
@HotplateServer
class AwayTest {
    private static Hotplate client(Relay relay, String namespace) {
        return Hotplate.builder().url(relay.url(namespace)).timeout(Duration.ofSeconds(5)).journalMax(2).build();
    }

    @Test
    void readsMissWritesDropAndInvalidationsAreRemembered(LocalServer server) throws Exception {
        List<Boolean> changes = new CopyOnWriteArrayList<>();
        try (Relay relay = new Relay(server.address());
                Hotplate hotplate = client(relay, "away");
                AutoCloseable told = hotplate.onAvailability(changes::add)) {
            HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));
            cache.put("a", 1);
            relay.cut();
            Until.holds("it is found out", () -> {
                assertEquals(new Lookup.Miss<>(MissReason.UNAVAILABLE), cache.lookup("b"));
                return !hotplate.available();
            });
            assertEquals(new Written.Dropped(MissReason.UNAVAILABLE), cache.put("b", 1));
            assertEquals(4, cache.get("a", key -> 4));
            assertInstanceOf(Invalidated.Queued.class, cache.remove("a"));
            assertInstanceOf(Invalidated.Queued.class, cache.invalidate(Selector.tag("t")));
            HotplateException full = assertThrows(HotplateException.class, () -> cache.remove("c"));
            assertTrue(full.isReason("JOURNAL_FULL"));
            assertEquals(2, hotplate.invalidationsWaiting());
            relay.mend();
            Until.holds("they are carried out", () -> hotplate.invalidationsWaiting() == 0);
            assertEquals(new Lookup.Miss<>(MissReason.INVALIDATED), cache.lookup("a"));
            assertEquals(2, hotplate.degradation().invalidationsReplayed());
            assertTrue(hotplate.available());
            Until.holds("both changes are told", () -> List.of(false, true).equals(changes));
        }
    }

    @Test
    void strictCallersGetTheFailure(LocalServer server) throws Exception {
        try (Relay relay = new Relay(server.address());
                Hotplate hotplate = Hotplate.builder().url(relay.url("strict")).onError(OnError.RAISE).build()) {
            relay.cut();
            HotplateException away = assertThrows(
                    HotplateException.class, () -> hotplate.cache(Codec.text()).lookup("a"));
            assertEquals(ErrorKind.UNAVAILABLE, away.kind());
        }
    }

    @Test
    void theKillSwitchAsksNobody() {
        try (Hotplate hotplate = Hotplate.builder().url("127.0.0.1:1").disabled(true).build()) {
            HotplateCache<String> cache = hotplate.cache(Codec.text());
            assertEquals(new Lookup.Miss<>(MissReason.DISABLED), cache.lookup("a"));
            assertEquals("x", cache.get("a", key -> "x"));
            assertInstanceOf(Invalidated.Disabled.class, cache.remove("a"));
            assertFalse(hotplate.available());
        }
    }

    @Test
    void aWatchGoesOnOverACutLine(LocalServer server) throws Exception {
        try (Relay relay = new Relay(server.address());
                Hotplate watching = client(relay, "watched");
                Hotplate writing = Hotplate.builder().url(server.url("watched")).build()) {
            HotplateCache<Integer> cache = writing.cache(Codec.json(Integer.class));
            WatchOptions options = WatchOptions.of(Selector.prefix("w:")).progressInterval(Duration.ofMillis(100));
            List<String> keys = new ArrayList<>();
            boolean lost = false;
            try (Watch watch = watching.cache().watch(options)) {
                assertInstanceOf(WatchItem.Created.class, next(watch));
                cache.put("w:1", 1);
                cache.put("other", 1);
                for (int written = 1; keys.size() < 3; ) {
                    WatchItem item = next(watch);
                    lost |= item instanceof WatchItem.Lost;
                    if (item instanceof WatchItem.Events told) {
                        told.events().forEach(event -> keys.add(event.getKey()));
                    }
                    if (keys.size() == 1 && written == 1) {
                        written = 3;
                        relay.cut();
                        cache.put("w:2", 2);
                        cache.put("w:3", 3);
                        relay.mend();
                    }
                }
                Thread closer = new Thread(watch::close);
                closer.start();
                HotplateException end = assertThrows(HotplateException.class, () -> {
                    while (true) {
                        watch.next(null);
                    }
                });
                assertEquals(ErrorKind.CANCELLED, end.kind());
                closer.join();
            }
            assertEquals(List.of("w:1", "w:2", "w:3"), keys);
            assertTrue(lost);
        }
    }

    private static WatchItem next(Watch watch) {
        Optional<WatchItem> item = watch.next(Duration.ofSeconds(60));
        return item.orElseThrow(() -> new AssertionError("nothing within a minute"));
    }

    @Test
    void aNearCacheHearsOfOthersAndOfItself(LocalServer server) throws Exception {
        try (Relay relay = new Relay(server.address());
                Hotplate near = Hotplate.builder()
                        .url(relay.url("near"))
                        .nearCache(NearOptions.DEFAULT.progressMax(Duration.ofSeconds(2)))
                        .build();
                Hotplate other = Hotplate.builder().url(server.url("near")).build()) {
            HotplateCache<Integer> here = near.cache(Codec.json(Integer.class));
            HotplateCache<Integer> there = other.cache(Codec.json(Integer.class));
            there.put("n", 1);
            Until.holds("it is kept", () -> isNear(here, 1));
            assertTrue(((Lookup.Hit<Integer>) here.lookupShared("n")).near());
            assertEquals(1, here.get("n", key -> 9));
            there.put("n", 2);
            Until.holds("it hears of it", () -> here.lookup("n").toOptional().orElse(0) == 2);
            Until.holds("it is kept again", () -> isNear(here, 2));
            here.put("n", 3);
            assertEquals(3, here.lookup("n").toOptional().orElseThrow());
            Until.holds("it is kept again", () -> isNear(here, 3));
            here.invalidate(Selector.everything());
            assertFalse(here.lookup("n").isHit());
            there.put("n", 4);
            Until.holds("it is kept again", () -> isNear(here, 4));
            relay.cut();
            Until.holds("nothing is served without word", () -> !here.nearStats().orElseThrow().serving());
            relay.mend();
            Until.holds("it catches up", () -> isNear(here, 4));
            assertTrue(here.nearStats().orElseThrow().losses() > 0);
        }
    }

    @Test
    void closingEndsEveryThread(LocalServer server) throws Exception {
        Hotplate hotplate = Hotplate.builder().url(server.url("threads")).nearCache(NearOptions.DEFAULT).build();
        HotplateCache<Integer> cache = hotplate.cache(Codec.json(Integer.class));
        cache.get("a", key -> 1);
        cache.lookupAsync("a").get();
        Thread follower = new Thread(() -> {
            try (Watch watch = cache.watch(WatchOptions.DEFAULT)) {
                watch.forEach(item -> {});
            } catch (HotplateException end) {
                assertTrue(end.kind().isOutage());
            }
        });
        follower.start();
        Until.holds("it is followed", () -> cache.nearStats().orElseThrow().serving());
        List<Thread> own = threads();
        assertFalse(own.isEmpty());
        hotplate.close();
        hotplate.close();
        Until.holds("all threads have ended", () -> own.stream().noneMatch(Thread::isAlive));
        follower.join(60_000);
        assertFalse(follower.isAlive());
    }

    /** The threads of clients: other clients of this class are closed by now. */
    private static List<Thread> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("hotplate-") && !thread.getName().contains("server"))
                .toList();
    }

    private static boolean isNear(HotplateCache<Integer> cache, int value) {
        return cache.lookup("n") instanceof Lookup.Hit<Integer> hit && hit.near() && hit.value() == value;
    }
}
