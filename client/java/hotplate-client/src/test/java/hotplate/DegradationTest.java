package hotplate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.RetryInfo;
import hotplate.v1.BatchGetResponse;
import hotplate.v1.BatchGetResult;
import hotplate.v1.BatchPutRequest;
import hotplate.v1.BatchPutResponse;
import hotplate.v1.BatchPutResult;
import hotplate.v1.CacheServiceGrpc;
import hotplate.v1.GetRequest;
import hotplate.v1.InvalidateRequest;
import hotplate.v1.InvalidateResponse;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.WatchRequest;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What is left without an answer, or with an odd one, on a server that does what the test says. */
class DegradationTest {
    private final Scripted server = new Scripted();

    @AfterEach
    void end() {
        server.close();
    }

    private static HotplateCache<String> texts(Hotplate hotplate) {
        return hotplate.cache(Codec.text());
    }

    @Test
    void oddDetailsOfAFailureHangNobody() {
        byte[] endless = com.google.rpc.Status.newBuilder()
                .setCode(14)
                .addDetails(Any.pack(RetryInfo.newBuilder()
                        .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(Long.MAX_VALUE))
                        .build()))
                .build()
                .toByteArray();
        List<byte[]> all = List.of(new byte[] {(byte) 0xff, (byte) 0xff, 7, 1}, endless);
        for (byte[] details : all) {
            server.get = (request, to) -> to.onError(Scripted.detailed(Status.UNAVAILABLE, details));
            try (Hotplate hotplate = server.client()) {
                assertEquals(new Lookup.Miss<>(MissReason.UNAVAILABLE), texts(hotplate).lookup("k"));
            }
        }
        server.get = Scripted.says(request -> Scripted.hit("v").toBuilder()
                .setEntry(Scripted.hit("v").getEntry().toBuilder()
                        .setMetadata(Scripted.text().toBuilder()
                                .setAge(com.google.protobuf.Duration.newBuilder().setSeconds(Long.MAX_VALUE))))
                .build());
        try (Hotplate hotplate = server.client()) {
            assertTrue(texts(hotplate).lookup("k").isHit());
        }
    }

    @Test
    void whatIsPendingElsewhereIsDone() throws Exception {
        server.invalidate = (request, to) -> to.onError(Scripted.failure(Status.Code.UNAVAILABLE, "TIER_PENDING"));
        try (Hotplate hotplate = server.client()) {
            for (int round = 0; round < 6; round++) {
                assertInstanceOf(Invalidated.Done.class, texts(hotplate).remove("k"));
            }
            assertTrue(hotplate.available());
            assertEquals(0, hotplate.invalidationsWaiting());
            assertEquals(6, server.calls(InvalidateRequest.class));
            assertEquals(new Lookup.Miss<>(MissReason.OTHER), texts(hotplate).lookup("other"));
        }
        try (Hotplate strict = Hotplate.builder().url(server.url()).onError(OnError.RAISE).build()) {
            HotplateException told = assertThrows(HotplateException.class, () -> texts(strict).remove("k"));
            assertTrue(told.isReason("TIER_PENDING"));
        }
    }

    @Test
    void oneInvalidationThatTheServerFailsAtHoldsUpNoOther() throws Exception {
        List<String> done = new CopyOnWriteArrayList<>();
        server.invalidate = (request, to) -> to.onError(Status.UNAVAILABLE.asRuntimeException());
        try (Hotplate hotplate = server.client()) {
            for (String key : List.of("bad", "refused", "good")) {
                assertInstanceOf(Invalidated.Queued.class, texts(hotplate).remove(key));
            }
            server.invalidate = (request, to) -> answer(request, to, done);
            Scripted.until("all are settled", () -> hotplate.invalidationsWaiting() == 0);
            assertEquals(List.of("good", "everything"), done);
        }
    }

    private static void answer(InvalidateRequest request, StreamObserver<InvalidateResponse> to, List<String> done) {
        List<String> keys = request.getSelectorsList().stream().map(one -> one.getKey()).toList();
        if (keys.contains("bad")) {
            to.onError(Status.INTERNAL.asRuntimeException());
        } else if (keys.contains("refused")) {
            to.onError(Status.PERMISSION_DENIED.asRuntimeException());
        } else {
            done.add(request.getSelectors(0).getEverything() ? "everything" : String.join(",", keys));
            to.onNext(InvalidateResponse.getDefaultInstance());
            to.onCompleted();
        }
    }

    @Test
    void aClosedClientRefusesEverythingAndRemembersNothing() throws Exception {
        Hotplate hotplate = server.client();
        HotplateCache<String> cache = texts(hotplate);
        hotplate.close();
        List<org.junit.jupiter.api.function.Executable> calls = List.of(
                () -> cache.lookup("k"),
                () -> cache.put("k", "v"),
                () -> cache.invalidate(Selector.tag("t")),
                () -> cache.get("k", key -> "v"),
                () -> cache.get("k", key -> "v", ComputeOptions.DEFAULT.mode(CacheMode.BYPASS)),
                () -> cache.touch("k", Ttl.LONG),
                () -> cache.lookupAll(List.of("k")).get(0).get(),
                () -> cache.putAll(Map.of("k", "v"), WriteOptions.DEFAULT).get(0).get(),
                () -> cache.readStream("k", ReadOptions.DEFAULT),
                () -> cache.writeStream("k", WriteOptions.DEFAULT),
                () -> cache.watch(WatchOptions.DEFAULT),
                () -> cache.stats(),
                () -> hotplate.serverInfo());
        for (int at = 0; at < calls.size(); at++) {
            HotplateException closed = assertThrows(HotplateException.class, calls.get(at), "call " + at);
            assertEquals(ErrorKind.CANCELLED, closed.kind());
            assertEquals("the client was closed", closed.text());
        }
        assertEquals(0, hotplate.invalidationsWaiting());
        assertTrue(server.seen.isEmpty());
    }

    @Test
    void closingLeavesNobodyWaiting() throws Exception {
        Hotplate hotplate = Hotplate.builder().url(server.url()).timeout(Duration.ofMinutes(10)).onError(OnError.RAISE).build();
        server.get = (request, to) -> {
            if (request.getKey().equals("again")) {
                byte[] later = com.google.rpc.Status.newBuilder()
                        .setCode(14)
                        .addDetails(Any.pack(RetryInfo.newBuilder()
                                .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(300))
                                .build()))
                        .build()
                        .toByteArray();
                to.onError(Scripted.detailed(Status.UNAVAILABLE, later));
            }
        };
        server.batchGet = Scripted.silent();
        CountDownLatch began = new CountDownLatch(1);
        HotplateCache<String> cache = texts(hotplate);
        List<CompletableFuture<?>> callers = new ArrayList<>();
        callers.add(cache.lookupAsync("silent"));
        callers.add(cache.lookupAsync("again"));
        callers.add(cache.lookupAllAsync(List.of("k")).thenApply(all -> all.get(0).get()));
        callers.add(CompletableFuture.supplyAsync(() -> cache.get(
                "k",
                key -> {
                    began.countDown();
                    // It does not heed its interrupt.
                    while (!stop) {
                        java.util.concurrent.locks.LockSupport.parkNanos(20_000_000);
                    }
                    return "";
                },
                ComputeOptions.DEFAULT.mode(CacheMode.BYPASS))));
        assertTrue(began.await(60, TimeUnit.SECONDS));
        Scripted.until("they are under way", () -> server.calls(GetRequest.class) >= 2);
        server.invalidate = Scripted.silent();
        callers.add(cache.invalidateAsync(List.of(Selector.tag("t"))));
        hotplate.close();
        stop = true;
        for (int at = 0; at < callers.size(); at++) {
            CompletableFuture<?> caller = callers.get(at);
            Exception end = assertThrows(Exception.class, () -> caller.get(30, TimeUnit.SECONDS), "caller " + at);
            HotplateException closed = assertInstanceOf(HotplateException.class, end.getCause(), "caller " + at + ": " + end);
            assertEquals("CANCELLED: the client was closed", closed.getMessage());
        }
    }

    private volatile boolean stop;

    @Test
    void whatIsStillRememberedIsTriedOnceAtTheEnd() throws Exception {
        server.invalidate = (request, to) -> to.onError(Status.UNAVAILABLE.asRuntimeException());
        Hotplate hotplate = server.client();
        assertInstanceOf(Invalidated.Queued.class, texts(hotplate).remove("k"));
        AtomicInteger done = new AtomicInteger();
        server.invalidate = Scripted.says(request -> {
            done.incrementAndGet();
            return InvalidateResponse.getDefaultInstance();
        });
        hotplate.close();
        assertTrue(done.get() > 0);
    }

    @Test
    void turnedOffNothingIsSentByAnything() throws Exception {
        try (Hotplate hotplate = Hotplate.builder().url(server.url()).disabled(true).nearCache(NearOptions.DEFAULT).build()) {
            HotplateCache<String> cache = texts(hotplate);
            assertEquals(new Lookup.Miss<>(MissReason.DISABLED), cache.lookup("k"));
            assertEquals("v", cache.get("k", key -> "v"));
            assertEquals(new Written.Dropped(MissReason.DISABLED), cache.put("k", "v"));
            try (ReadStream read = cache.readStream("k", ReadOptions.DEFAULT)) {
                assertEquals(new Lookup.Miss<>(MissReason.DISABLED), read.found());
                assertNull(read.next());
            }
            try (WriteStream write = cache.writeStream("k", WriteOptions.DEFAULT)) {
                write.send(new byte[] {1});
                assertEquals(new Written.Dropped(MissReason.DISABLED), write.finish());
            }
            List<org.junit.jupiter.api.function.Executable> calls = List.of(
                    () -> cache.watch(WatchOptions.DEFAULT),
                    () -> cache.preload(List.of(), PreloadOptions.DEFAULT),
                    () -> cache.joinPreload("j"),
                    () -> cache.stats(),
                    () -> cache.entries(),
                    () -> cache.explain("k"),
                    () -> hotplate.serverInfo());
            for (org.junit.jupiter.api.function.Executable call : calls) {
                HotplateException off = assertThrows(HotplateException.class, call);
                assertEquals(ErrorKind.FAILED_PRECONDITION, off.kind());
                assertTrue(off.text().contains("HOTPLATE_DISABLE"));
            }
        }
        assertTrue(server.seen.isEmpty(), server.seen::toString);
    }

    @Test
    void textThatIsNoUnicodeIsRefusedBeforeItIsSent() throws Exception {
        String half = "user:\ud800";
        try (Hotplate hotplate = server.client()) {
            HotplateCache<String> cache = texts(hotplate);
            Map<String, org.junit.jupiter.api.function.Executable> calls = new LinkedHashMap<>();
            calls.put("key", () -> cache.put(half, "v"));
            calls.put("prefix", () -> Selector.prefix(half));
            calls.put("glob", () -> Selector.glob(half));
            calls.put("tag", () -> Selector.tag(half));
            calls.put("all_tags", () -> Selector.allTags("a", half));
            calls.put("kind", () -> Selector.kind(half));
            calls.put("dependents_of", () -> Selector.dependentsOf(half));
            calls.put("tags", () -> cache.put("k", "v", WriteOptions.DEFAULT.tags(half)));
            calls.put("labels", () -> cache.put("k", "v", WriteOptions.DEFAULT.label("a", half)));
            calls.put("reason", () -> cache.putNegative("k", half, "m", WriteOptions.DEFAULT));
            calls.put("namespace", () -> hotplate.cache(half, Codec.text()));
            calls.forEach((field, call) -> {
                HotplateException refused = assertThrows(HotplateException.class, call, field);
                assertEquals(ErrorKind.INVALID_ARGUMENT, refused.kind());
                assertEquals(field, refused.field().orElse(""));
                assertFalse(refused.toString().contains("user:"));
            });
            assertTrue(server.seen.isEmpty());
            server.batchGet = Scripted.says(request -> BatchGetResponse.newBuilder()
                    .addAllResults(request.getItemsList().stream()
                            .map(item -> BatchGetResult.newBuilder().setResponse(Scripted.hit("v")).build())
                            .toList())
                    .build());
            List<ItemResult<Lookup<String>>> found = cache.lookupAll(List.of("a", half, "b"));
            assertTrue(found.get(0).get().isHit() && found.get(2).get().isHit());
            assertEquals(ErrorKind.INVALID_ARGUMENT, found.get(1).failure().kind());
            assertThrows(HotplateException.class, () -> Codec.text().encode("a\ud83d"));
            assertArrayEquals(new byte[] {(byte) 0xf0, (byte) 0x9f, (byte) 0x98, (byte) 0x80}, Codec.text().encode("😀"));
        }
    }

    @Test
    void manyValuesGoByNumberAndSizeAndEachHasItsOwnResult() throws Exception {
        server.limits = server.limits.toBuilder().setUnaryValueBytesMax(64 << 20).setChunkBytesMax(0).build();
        server.batchPut = (request, to) -> {
            if (request.getItems(0).getKey().equals("b:0")) {
                to.onError(Status.INVALID_ARGUMENT.asRuntimeException());
                return;
            }
            BatchPutResponse.Builder all = BatchPutResponse.newBuilder();
            request.getItemsList().forEach(item -> all.addResults(BatchPutResult.newBuilder().setResponse(Scripted.stored())));
            to.onNext(all.build());
            to.onCompleted();
        };
        try (Hotplate hotplate = server.client()) {
            HotplateCache<byte[]> cache = hotplate.cache(Codec.raw());
            Map<String, byte[]> values = new LinkedHashMap<>();
            for (int at = 0; at < 6; at++) {
                values.put("a:" + at, new byte[1 << 20]);
            }
            values.put("large", new byte[5 << 20]);
            values.put("none", null);
            for (int at = 0; at < 100; at++) {
                values.put("b:" + at, new byte[1]);
            }
            List<ItemResult<Written>> results = cache.putAll(values, WriteOptions.DEFAULT);
            assertEquals(values.size(), results.size());
            for (int at = 0; at < 7; at++) {
                assertTrue(results.get(at).get().isStored(), "item " + at);
            }
            assertEquals(ErrorKind.CODEC, results.get(7).failure().kind());
            assertEquals(ErrorKind.INVALID_ARGUMENT, results.get(8).failure().kind());
            assertEquals(List.of("large"), server.seen(PutRequest.class).stream().map(PutRequest::getKey).toList());
            for (BatchPutRequest message : server.seen(BatchPutRequest.class)) {
                long bytes = message.getItemsList().stream().mapToLong(item -> item.getValue().size()).sum();
                assertTrue(message.getItemsCount() <= 100 && bytes <= 4 << 20, message.getItemsCount() + " of " + bytes);
            }
        }
    }

    @Test
    void aWriteWhoseEndIsNotKnownIsHeardOf() throws Exception {
        // Whether it was carried out, nobody says.
        server.put = Scripted.fails(Status.INTERNAL);
        for (OnError how : OnError.values()) {
            int before = server.calls(WatchRequest.class);
            try (Hotplate hotplate = Hotplate.builder()
                    .url(server.url())
                    .timeout(Duration.ofSeconds(30))
                    .onError(how)
                    .nearCache(NearOptions.DEFAULT.progressMax(Duration.ofSeconds(60)))
                    .build()) {
                texts(hotplate).lookup("x");
                Scripted.until("it is followed", () -> server.calls(WatchRequest.class) == before + 1);
                assertEquals("v", texts(hotplate).get("k", key -> "v"));
                Scripted.until("its own changes are heard, too", () -> {
                    List<WatchRequest> watches = server.seen(WatchRequest.class);
                    return watches.get(watches.size() - 1).getExcludeClientId().isEmpty();
                });
            }
        }
    }

    @Test
    void theLastWordOnTheAvailabilityIsTheLast() throws Exception {
        CountDownLatch goOn = new CountDownLatch(1);
        List<Boolean> told = new CopyOnWriteArrayList<>();
        server.get = (request, to) -> to.onError(Status.UNAVAILABLE.asRuntimeException());
        try (Hotplate hotplate = server.client()) {
            hotplate.onAvailability(there -> {
                try {
                    goOn.await(60, TimeUnit.SECONDS);
                } catch (InterruptedException end) {
                    Thread.currentThread().interrupt();
                }
                told.add(there);
                throw new IllegalStateException("a listener's own fault");
            });
            Scripted.until("it is away", () -> !texts(hotplate).lookup("k").isHit() && !hotplate.available());
            server.get = Scripted.says(request -> Scripted.hit("v"));
            Scripted.until("it is back", () -> texts(hotplate).lookup("k").isHit() && hotplate.available());
            goOn.countDown();
            Scripted.until("both are told", () -> told.equals(List.of(false, true)));
        }
    }

    @Test
    void aReusedArrayDoesNotChangeWhatIsStored() throws Exception {
        List<StreamObserver<PutResponse>> puts = new CopyOnWriteArrayList<>();
        server.put = (request, to) -> puts.add(to);
        try (Hotplate hotplate = server.client()) {
            byte[] reused = {1, 2, 3};
            for (int round = 0; round < 50; round++) {
                reused[0] = 1;
                hotplate.cache(Codec.raw()).putAsync("k", reused, WriteOptions.DEFAULT);
                reused[0] = 9;
            }
            Scripted.until("all came", () -> puts.size() == 50);
            assertTrue(server.seen(PutRequest.class).stream().allMatch(put -> put.getValue().byteAt(0) == 1));
        }
    }

    /** A server whose answers to these calls are no messages. */
    private static Server babbling(MethodDescriptor<?, ?>... methods) throws IOException {
        ServerServiceDefinition.Builder service = ServerServiceDefinition.builder(CacheServiceGrpc.SERVICE_NAME);
        for (MethodDescriptor<?, ?> method : methods) {
            service.addMethod(
                    method.toBuilder(new Bytes(), new Bytes()).build(),
                    ServerCalls.asyncUnaryCall((request, to) -> {
                        to.onNext(new byte[] {(byte) 0xff, (byte) 0xff, 7, 1});
                        to.onCompleted();
                    }));
        }
        return NettyServerBuilder.forPort(0).addService(service.build()).build().start();
    }

    /** Messages as they are. */
    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
        @Override
        public InputStream stream(byte[] value) {
            return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException fault) {
                throw new UncheckedIOException(fault);
            }
        }
    }

    @Test
    void anAnswerThatCannotBeReadIsTheServersFault() throws Exception {
        Server babbling = babbling(CacheServiceGrpc.getGetMethod(), CacheServiceGrpc.getPutMethod(), CacheServiceGrpc.getInvalidateMethod());
        String url = "hotplate://127.0.0.1:" + babbling.getPort() + "/t";
        try (Hotplate lenient = Hotplate.builder().url(url).build();
                Hotplate strict = Hotplate.builder().url(url).onError(OnError.RAISE).build()) {
            assertFalse(texts(lenient).lookup("k").isHit());
            assertInstanceOf(Written.Dropped.class, texts(lenient).put("k", "v"));
            assertInstanceOf(Invalidated.Queued.class, texts(lenient).remove("k"));
            HotplateException told = assertThrows(HotplateException.class, () -> texts(strict).put("k", "v"));
            assertEquals(ErrorKind.INTERNAL, told.kind());
        } finally {
            babbling.shutdownNow();
        }
    }
}
