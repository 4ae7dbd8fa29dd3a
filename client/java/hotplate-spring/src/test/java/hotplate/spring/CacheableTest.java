package hotplate.spring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.Hotplate;
import hotplate.Ttl;
import hotplate.junit.HotplateServer;
import hotplate.junit.LocalServer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.cache.Cache;
import org.springframework.cache.CacheManager;
import org.springframework.cache.annotation.CacheEvict;
import org.springframework.cache.annotation.Cacheable;
import org.springframework.cache.annotation.EnableCaching;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** A real Spring context over a real server. */
@HotplateServer
class CacheableTest {
    private AnnotationConfigApplicationContext spring;
    private Reports reports;

    record Report(String id, int score) {}

    /** What is expensive. */
    static class Reports {
        private final AtomicInteger runs = new AtomicInteger();

        public int runs() {
            return runs.get();
        }

        // region method
        @Cacheable(cacheNames = "reports", key = "#id", sync = true)
        public Report report(String id) throws InterruptedException {
            return compute(id);
        }

        @CacheEvict(cacheNames = "reports", key = "#id")
        public void changed(String id) {}
        // end

        private Report compute(String id) throws InterruptedException {
            runs.incrementAndGet();
            Thread.sleep(200);
            return new Report(id, 7);
        }

        @Cacheable(cacheNames = "reports", key = "'none-' + #id")
        public Report none(String id) {
            runs.incrementAndGet();
            return null;
        }

        @Cacheable(cacheNames = "reports", keyGenerator = "keys", sync = true)
        public Report of(String id, int page) {
            runs.incrementAndGet();
            return new Report(id, page);
        }

        @Cacheable(cacheNames = "reports", key = "'bad'", sync = true)
        public Report fails() {
            throw new IllegalStateException("no report today");
        }

        @Cacheable(cacheNames = "reports", key = "'async-' + #id", sync = true)
        public CompletableFuture<Report> later(String id) {
            runs.incrementAndGet();
            return CompletableFuture.supplyAsync(() -> new Report(id, 9));
        }
    }

    /** As an application writes it. */
    // region manager
    @Configuration
    @EnableCaching
    static class Application {
        @Bean
        CacheManager cacheManager(Hotplate hotplate) {
            return HotplateCacheManager.builder(hotplate)
                    .cache("reports", Codec.json(Report.class), ComputeOptions.ttl(Ttl.LONG))
                    .build();
        }
        // end

        @Bean
        HotplateKeys keys() {
            return new HotplateKeys();
        }

        @Bean
        Reports reports() {
            return new Reports();
        }
    }

    @BeforeEach
    void start(LocalServer server) {
        spring = new AnnotationConfigApplicationContext();
        // Closed with the context.
        spring.registerBean(Hotplate.class, () -> Hotplate.builder().url(server.url("spring")).build());
        spring.register(Application.class);
        spring.refresh();
        reports = spring.getBean(Reports.class);
        cache().clear();
    }

    @AfterEach
    void stop() {
        spring.close();
    }

    private Cache cache() {
        return spring.getBean(CacheManager.class).getCache("reports");
    }

    @Test
    void fiftyCallersAreOneComputation() throws Exception {
        ExecutorService callers = Executors.newFixedThreadPool(50);
        try {
            List<Future<Report>> all = new ArrayList<>();
            for (int caller = 0; caller < 50; caller++) {
                all.add(callers.submit(() -> reports.report("a")));
            }
            for (Future<Report> one : all) {
                assertEquals(new Report("a", 7), one.get());
            }
        } finally {
            callers.shutdownNow();
        }
        assertEquals(1, reports.runs());
    }

    @Test
    void nullIsKept() {
        assertNull(reports.none("x"));
        assertNull(reports.none("x"));
        assertEquals(1, reports.runs());
        assertNotNull(cache().get("none-x"));
    }

    @Test
    void severalArgumentsMakeAKeyTogether() {
        assertEquals(new Report("a", 1), reports.of("a", 1));
        assertEquals(new Report("a", 2), reports.of("a", 2));
        assertEquals(new Report("a", 1), reports.of("a", 1));
        assertEquals(2, reports.runs());
    }

    @Test
    void theMethodsOwnExceptionIsThrown() {
        assertEquals("no report today", assertThrows(IllegalStateException.class, reports::fails).getMessage());
    }

    @Test
    void futuresAreRetrieved() throws ExecutionException, InterruptedException {
        assertEquals(new Report("b", 9), reports.later("b").get());
        assertEquals(new Report("b", 9), reports.later("b").get());
        assertEquals(1, reports.runs());
        assertNull(cache().retrieve("absent").get());
    }

    @Test
    void whatIsEvictedIsComputedAgain() throws InterruptedException {
        reports.report("c");
        reports.changed("c");
        reports.report("c");
        assertEquals(2, reports.runs());
    }

    @Test
    void theCacheIsASpringCache() {
        Cache cache = cache();
        assertNull(cache.putIfAbsent("k", new Report("k", 1)));
        assertEquals(new Report("k", 1), cache.putIfAbsent("k", new Report("k", 2)).get());
        assertEquals(new Report("k", 1), cache.get("k", Report.class));
        assertTrue(cache.evictIfPresent("k"));
        assertNull(cache.get("k"));
        assertThrows(Cache.ValueRetrievalException.class, () -> cache.get("k", () -> {
            throw new IllegalStateException("no");
        }));
        assertThrows(IllegalArgumentException.class, () -> cache.get(List.of("a", "b")));
        assertNull(spring.getBean(CacheManager.class).getCache("undeclared"));
    }

    private static HotplateSpringCache<String> texts(Hotplate hotplate, ComputeOptions options) {
        return new HotplateSpringCache<>("t", hotplate.cache("spring-texts", Codec.text()), options, HotplateKeys::text, true);
    }

    @Test
    void aSynchronizedMethodRunsOnItsCallersThread(Hotplate hotplate) {
        HotplateSpringCache<String> cache = texts(hotplate, ComputeOptions.DEFAULT);
        String here = Thread.currentThread().getName();
        assertEquals(here, cache.get("thread", () -> Thread.currentThread().getName()));
        // What it asks for is asked for from that computation.
        assertEquals("in", cache.get("outer", () -> cache.get("inner", () -> "in")));
        Cache.ValueRetrievalException circle = assertThrows(
                Cache.ValueRetrievalException.class,
                () -> cache.get("circle", () -> cache.get("circle", () -> "never")));
        Throwable root = circle;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        assertTrue(String.valueOf(root.getMessage()).contains("wait for ever"), root::toString);
    }

    @Test
    void whatIsStaleIsInTheWayOfNothingNew(Hotplate hotplate) throws Exception {
        HotplateSpringCache<String> cache =
                texts(hotplate, ComputeOptions.ttl(java.time.Duration.ofMillis(50)).staleFor(java.time.Duration.ofMinutes(5)));
        cache.put("stale", "old");
        while (cache.get("stale") != null) {
            Thread.sleep(5);
        }
        Cache.ValueWrapper there = cache.putIfAbsent("stale", "new");
        assertNotNull(there);
        assertEquals("old", there.get());
    }

    @Test
    void whatCannotBeReadIsNone(Hotplate hotplate) throws Exception {
        hotplate.cache("spring-texts", Codec.json(Integer.class)).put("other", 7);
        HotplateSpringCache<String> cache = texts(hotplate, ComputeOptions.DEFAULT);
        assertNull(cache.get("other"));
        assertNull(cache.retrieve("other").get());
        cache.put("other", "text");
        assertEquals("text", cache.get("other").get());
    }

    static class Base {
        public String find(int id) {
            return "";
        }

        public String find(long id) {
            return "";
        }
    }

    static class Users extends Base {}

    static class Orders extends Base {}

    record One(int id) {}

    record Other(int id) {}

    @Test
    void keysOfMethodsAreTheirs() throws Exception {
        java.lang.reflect.Method ints = Base.class.getMethod("find", int.class);
        java.lang.reflect.Method longs = Base.class.getMethod("find", long.class);
        HotplateKeys keys = new HotplateKeys();
        List<Object> all = List.of(
                keys.generate(new Users(), ints, 1),
                keys.generate(new Orders(), ints, 1),
                keys.generate(new Users(), longs, 1L),
                keys.generate(new Users(), ints, 2),
                keys.generate(new Users(), ints, "1"),
                keys.generate(new Users(), ints, new One(1)),
                keys.generate(new Users(), ints, new Other(1)));
        assertEquals(7, all.stream().distinct().count());
        List<Object> simple = List.of("7", 7L, 7.0, '7', true, "true", org.springframework.cache.interceptor.SimpleKey.EMPTY, Ttl.class.getName());
        assertEquals(simple.size(), simple.stream().map(HotplateKeys::text).distinct().count());
        assertEquals("7", HotplateKeys.text("7"));
        assertThrows(IllegalArgumentException.class, () -> HotplateKeys.text(List.of(1)));
    }
}
