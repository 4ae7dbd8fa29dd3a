package hotplate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hotplate.v1.Entry;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetRequest;
import hotplate.v1.GetResponse;
import hotplate.v1.LargeValue;
import hotplate.v1.MissPolicy;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.ReleaseLeaseRequest;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Who joins whom, and what becomes of a lease that is on its way, on a server that answers when the test says. */
class FlightsTest {
    private final Scripted server = new Scripted();

    @org.junit.jupiter.api.AfterEach
    void end() {
        server.close();
    }

    private static HotplateCache<String> texts(Hotplate hotplate) {
        return hotplate.cache(Codec.text());
    }

    /** Answers Gets that ask for a lease when the test does. */
    private List<StreamObserver<GetResponse>> held() {
        List<StreamObserver<GetResponse>> held = new CopyOnWriteArrayList<>();
        server.get = (request, to) -> held.add(to);
        return held;
    }

    private static void answer(StreamObserver<GetResponse> to, GetResponse response) {
        to.onNext(response);
        to.onCompleted();
    }

    private static GetResponse leased() {
        return Scripted.miss(GetRequest.newBuilder().setMissPolicy(MissPolicy.MISS_POLICY_LEASE).build());
    }

    @Test
    void whoAcceptsSomethingElseAsksForItself() throws Exception {
        try (Hotplate hotplate = server.client()) {
            List<StreamObserver<GetResponse>> held = held();
            List<CompletableFuture<String>> all = new ArrayList<>();
            for (ComputeOptions options : List.of(
                    ComputeOptions.DEFAULT,
                    ComputeOptions.DEFAULT.maxAge(Duration.ofSeconds(1)),
                    ComputeOptions.DEFAULT.staleWhileRevalidate(true),
                    ComputeOptions.DEFAULT.perProcess(true),
                    ComputeOptions.DEFAULT.staleIfError(true))) {
                all.add(texts(hotplate).getAsync("k", key -> new CompletableFuture<>(), options));
            }
            Scripted.until("each asks, but the last joins the first", () -> held.size() == 4);
            Thread.sleep(50);
            assertEquals(4, held.size());
            held.forEach(to -> answer(to, Scripted.hit("v")));
            for (CompletableFuture<String> one : all) {
                assertEquals("v", one.get(60, TimeUnit.SECONDS));
            }
        }
    }

    @Test
    void aStaleValueInPlaceOfAFailureIsEachCallersOwn() throws Exception {
        try (Hotplate hotplate = server.client()) {
            hasStale(Scripted.hit("old"));
            CompletableFuture<String> computing = new CompletableFuture<>();
            CompletableFuture<String> strict = texts(hotplate).getAsync("k", key -> computing, ComputeOptions.DEFAULT);
            CompletableFuture<String> lenient =
                    texts(hotplate).getAsync("k", key -> computing, ComputeOptions.DEFAULT.staleIfError(true));
            Scripted.until("it is asked for", () -> server.calls(GetRequest.class) == 1);
            computing.completeExceptionally(new IllegalStateException("no"));
            assertThrows(Exception.class, () -> strict.get(60, TimeUnit.SECONDS));
            assertEquals("old", lenient.get(60, TimeUnit.SECONDS));
        }
    }

    @Test
    void aLeaseThatNobodyWaitsForAnyMoreGoesBackAndNothingIsComputed() throws Exception {
        AtomicInteger runs = new AtomicInteger();
        try (Hotplate hotplate = server.client()) {
            List<StreamObserver<GetResponse>> held = held();
            for (int round = 0; round < 5; round++) {
                CompletableFuture<String> given = texts(hotplate).getAsync("k", key -> {
                    runs.incrementAndGet();
                    return new CompletableFuture<>();
                });
                Scripted.until("it asks", () -> held.size() == 1);
                given.cancel(true);
            }
            Thread.sleep(50);
            assertEquals(1, held.size(), "one call for all who gave up");
            answer(held.get(0), leased());
            Scripted.until("it is given back", () -> server.calls(ReleaseLeaseRequest.class) == 1);
            assertEquals(0, runs.get());
            assertEquals(1, server.calls(GetRequest.class));
        }
    }

    @Test
    void whoComesMeanwhileJoinsTheCallThatWasGivenUp() throws Exception {
        try (Hotplate hotplate = server.client()) {
            List<StreamObserver<GetResponse>> held = held();
            CompletableFuture<String> given = texts(hotplate).getAsync("k", key -> new CompletableFuture<>());
            Scripted.until("it asks", () -> held.size() == 1);
            given.cancel(true);
            CompletableFuture<String> joined =
                    texts(hotplate).getAsync("k", key -> CompletableFuture.completedFuture("second"));
            answer(held.get(0), Scripted.hit("there"));
            assertEquals("there", joined.get(60, TimeUnit.SECONDS));
            assertEquals(1, server.calls(GetRequest.class));
        }
    }

    @Test
    void closingTellsWhoWaitsForAnAnswer() throws Exception {
        Hotplate hotplate = server.client();
        List<StreamObserver<GetResponse>> held = held();
        CompletableFuture<String> caller = texts(hotplate).getAsync("k", key -> new CompletableFuture<>());
        Scripted.until("it asks", () -> held.size() == 1);
        hotplate.close();
        HotplateException end = closed(caller);
        assertEquals(ErrorKind.CANCELLED, end.kind());
        assertEquals("the client was closed", end.text());
    }

    private static HotplateException closed(CompletableFuture<?> caller) {
        Exception end = assertThrows(Exception.class, () -> caller.get(60, TimeUnit.SECONDS));
        return assertInstanceOf(HotplateException.class, end.getCause());
    }

    private static GetResponse largeWithLease() {
        return GetResponse.newBuilder()
                .setOutcome(GetOutcome.GET_OUTCOME_STALE)
                .setLease(Scripted.lease().toBuilder()
                        .setDuration(com.google.protobuf.Duration.newBuilder().setNanos(60_000_000)))
                .setEntry(Entry.newBuilder()
                        .setLarge(LargeValue.getDefaultInstance())
                        .setMetadata(Scripted.text()))
                .build();
    }

    @Test
    void aLeaseBesideALargeValueIsKeptWhileTheValueIsReadAndGivenBackWhenThatFails() throws Exception {
        try (Hotplate hotplate = server.client()) {
            server.get = Scripted.says(request -> largeWithLease());
            List<StreamObserver<hotplate.v1.ReadValueResponse>> reading = new CopyOnWriteArrayList<>();
            server.readValue = (request, to) -> reading.add(to);
            CompletableFuture<String> caller = texts(hotplate)
                    .getAsync("k", key -> new CompletableFuture<>(), ComputeOptions.DEFAULT.staleWhileRevalidate(true));
            Scripted.until("it is read", () -> reading.size() == 1);
            Scripted.until("the lease is extended meanwhile", () -> server.calls(hotplate.v1.ExtendLeaseRequest.class) > 0);
            reading.get(0).onError(Status.PERMISSION_DENIED.asRuntimeException());
            assertThrows(Exception.class, () -> caller.get(60, TimeUnit.SECONDS));
            Scripted.until("it is given back", () -> server.calls(ReleaseLeaseRequest.class) == 1);
        }
    }

    @Test
    void aVersionThatIsGoneIsAskedForAgainAsBeforeAndLosesNoLease() throws Exception {
        try (Hotplate hotplate = server.client()) {
            server.get = Scripted.says(request -> request.getMissPolicy() == MissPolicy.MISS_POLICY_UNSPECIFIED
                    ? Scripted.hit("newer")
                    : largeWithLease());
            server.readValue = (request, to) -> to.onError(Scripted.failure(Status.Code.FAILED_PRECONDITION, "VERSION_GONE"));
            CompletableFuture<String> renewed = new CompletableFuture<>();
            ComputeOptions options =
                    ComputeOptions.DEFAULT.staleWhileRevalidate(true).maxAge(Duration.ofSeconds(7));
            assertEquals("newer", texts(hotplate).getAsync("k", key -> renewed, options).get(60, TimeUnit.SECONDS));
            GetRequest again = server.seen(GetRequest.class).get(1);
            assertEquals(7, again.getMaxAge().getSeconds());
            assertFalse(again.hasWaitTimeout());
            assertEquals(server.seen(GetRequest.class).get(0).getStalePolicy(), again.getStalePolicy());
            renewed.complete("newest");
            Scripted.until("it is renewed under its lease", () -> server.calls(PutRequest.class) == 1);
            assertEquals("lease", server.seen(PutRequest.class).get(0).getLeaseToken());
        }
    }

    @Test
    void storingHoldsCallersUpForASecondAtMost() throws Exception {
        try (Hotplate hotplate = server.client()) {
            List<StreamObserver<PutResponse>> puts = new CopyOnWriteArrayList<>();
            server.put = (request, to) -> puts.add(to);
            long began = System.nanoTime();
            assertEquals("v", texts(hotplate).get("k", key -> "v"));
            assertTrue(System.nanoTime() - began < 15_000_000_000L, "it waited for the storing to end");
            assertEquals(1, puts.size());
            assertEquals(0, server.calls(ReleaseLeaseRequest.class), "the lease is still used");
        }
        assertEquals(1, server.calls(ReleaseLeaseRequest.class), "closing gives it back");
    }

    @Test
    void nobodyJoinsWhatBeganBeforeAnInvalidationHoweverThatEnded() throws Exception {
        try (Hotplate hotplate = Hotplate.builder().url(server.url()).onError(OnError.RAISE).build()) {
            List<StreamObserver<GetResponse>> held = held();
            server.invalidate = (request, to) -> {
                CompletableFuture<String> between = texts(hotplate).getAsync("k", key -> new CompletableFuture<>());
                betweens.add(between);
                to.onError(Status.INTERNAL.asRuntimeException());
            };
            assertThrows(HotplateException.class, () -> texts(hotplate).remove("k"));
            Scripted.until("it asks, although the server's call that it was made in is over", () -> held.size() == 1);
            CompletableFuture<String> after = texts(hotplate).getAsync("k", key -> new CompletableFuture<>());
            Scripted.until("who asks after it asks anew", () -> held.size() == 2);
            answer(held.get(0), Scripted.hit("old"));
            answer(held.get(1), Scripted.hit("new"));
            assertEquals("new", after.get(60, TimeUnit.SECONDS));
        }
    }

    private final List<CompletableFuture<String>> betweens = new CopyOnWriteArrayList<>();

    @Test
    void whatAsksForItselfWithOtherOptionsIsAnErrorAtOnce() {
        try (Hotplate hotplate = server.client()) {
            HotplateCache<String> cache = texts(hotplate);
            HotplateException circle = assertThrows(
                    HotplateException.class,
                    () -> cache.get("k", key -> cache.get(
                            "k", again -> "never", ComputeOptions.DEFAULT.maxAge(Duration.ofSeconds(1)))));
            assertTrue(circle.text().contains("wait for ever"), circle.text());
        }
    }

    @Test
    void aTimeoutOfTheCallersOwnFutureIsItsGivingUp() throws Exception {
        try (Hotplate hotplate = server.client()) {
            CompletableFuture<String> computing = new CompletableFuture<>();
            CountDownLatch began = new CountDownLatch(1);
            CompletableFuture<String> caller = texts(hotplate).getAsync("k", key -> {
                began.countDown();
                return computing;
            });
            assertTrue(began.await(60, TimeUnit.SECONDS));
            caller.orTimeout(10, TimeUnit.MILLISECONDS);
            assertThrows(CompletionException.class, caller::join);
            Scripted.until("the computation is given up", computing::isCancelled);
            Scripted.until("the lease is given back", () -> server.calls(ReleaseLeaseRequest.class) == 1);
        }
    }

    @Test
    void aLoaderThatWaitsHoldsUpNoOtherCall() throws Exception {
        CountDownLatch goOn = new CountDownLatch(1);
        try (Hotplate hotplate = server.client()) {
            HotplateCache<String> cache = texts(hotplate);
            List<CompletableFuture<String>> waiting = new ArrayList<>();
            for (int caller = 0; caller < 20; caller++) {
                waiting.add(cache.getAsync("k" + caller, key -> {
                    goOn.await();
                    return CompletableFuture.completedFuture(cache.get("inner:" + key, inner -> "in"));
                }));
            }
            assertEquals("v", cache.get("other", key -> "v"));
            goOn.countDown();
            for (CompletableFuture<String> one : waiting) {
                assertEquals("in", one.get(60, TimeUnit.SECONDS));
            }
            CompletableFuture<String> none = cache.getAsync("none", key -> null);
            Exception failed = assertThrows(Exception.class, () -> none.get(60, TimeUnit.SECONDS));
            assertEquals(ErrorKind.COMPUTE, assertInstanceOf(HotplateException.class, failed.getCause()).kind());
        }
    }

    @Test
    void aLoaderOnItsCallersThreadIsThereAlsoForThoseWhoJoin() throws Exception {
        try (Hotplate hotplate = server.client()) {
            HotplateCache<String> cache = texts(hotplate);
            ComputeOptions own = ComputeOptions.DEFAULT.callersThread(true);
            CountDownLatch began = new CountDownLatch(1);
            CountDownLatch goOn = new CountDownLatch(1);
            CompletableFuture<String> first = CompletableFuture.supplyAsync(() -> cache.get(
                    "k",
                    key -> {
                        began.countDown();
                        goOn.await();
                        return Thread.currentThread().getName();
                    },
                    own));
            assertTrue(began.await(60, TimeUnit.SECONDS));
            CompletableFuture<String> joined = cache.getAsync("k", key -> CompletableFuture.completedFuture("not this one"));
            goOn.countDown();
            assertEquals(first.get(60, TimeUnit.SECONDS), joined.get(60, TimeUnit.SECONDS));
            assertFalse(first.get().startsWith("hotplate-"));
        }
    }

    /** Says this to who takes a stale value in place of a failure, and gives all others the lease. */
    private void hasStale(GetResponse stale) {
        server.get = Scripted.says(request -> switch (request.getStalePolicy()) {
            case STALE_POLICY_IF_ERROR -> stale.toBuilder().setOutcome(GetOutcome.GET_OUTCOME_STALE).build();
            default -> Scripted.miss(request);
        });
    }

    @Test
    void aValueIsRenewedBehindAStaleOneAlsoForWhoComputesOnItsOwnThread() throws Exception {
        try (Hotplate hotplate = server.client()) {
            server.get = Scripted.says(request -> Scripted.hit("old").toBuilder()
                    .setOutcome(GetOutcome.GET_OUTCOME_STALE)
                    .setLease(Scripted.lease())
                    .build());
            CompletableFuture<String> thread = new CompletableFuture<>();
            ComputeOptions own = ComputeOptions.DEFAULT.staleWhileRevalidate(true).callersThread(true);
            assertEquals("old", texts(hotplate).get("k", key -> {
                thread.complete(Thread.currentThread().getName());
                return "new";
            }, own));
            assertTrue(thread.get(60, TimeUnit.SECONDS).startsWith("hotplate-"), thread::join);
            Scripted.until("it is stored", () -> server.calls(PutRequest.class) == 1);
        }
    }

    @Test
    void anInterruptedComputationIsNoFailureThatIsRemembered() throws Exception {
        ComputeOptions own = ComputeOptions.DEFAULT.rememberFailure(Ttl.seconds(60)).staleIfError(true).callersThread(true);
        List<Loader<String>> loaders = List.of(
                key -> {
                    Thread.sleep(60_000);
                    return "late";
                },
                key -> {
                    try {
                        Thread.sleep(60_000);
                    } catch (InterruptedException interrupted) {
                        throw new IllegalStateException("wrapped", interrupted);
                    }
                    return "late";
                },
                key -> {
                    while (!Thread.currentThread().isInterrupted()) {
                        Thread.onSpinWait();
                    }
                    throw new IllegalStateException("gone on");
                });
        for (Loader<String> loader : loaders) {
            int before = server.calls(ReleaseLeaseRequest.class);
            try (Hotplate hotplate = server.client()) {
                CountDownLatch began = new CountDownLatch(1);
                CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
                CompletableFuture<Throwable> failure = new CompletableFuture<>();
                Thread caller = new Thread(() -> {
                    try {
                        texts(hotplate).get("k", key -> {
                            began.countDown();
                            return loader.load(key);
                        }, own);
                    } catch (HotplateException told) {
                        interrupted.complete(Thread.interrupted());
                        failure.complete(told);
                    }
                });
                caller.start();
                assertTrue(began.await(60, TimeUnit.SECONDS));
                caller.interrupt();
                Throwable told = failure.get(60, TimeUnit.SECONDS);
                assertEquals(ErrorKind.CANCELLED, assertInstanceOf(HotplateException.class, told).kind());
                assertTrue(interrupted.join(), "the thread stays interrupted");
                Scripted.until("the lease is given back", () -> server.calls(ReleaseLeaseRequest.class) == before + 1);
                assertFalse(server.seen(ReleaseLeaseRequest.class).get(before).hasFailure());
            }
        }
    }

    @Test
    void aStaleValueThatCannotBeReadLeavesTheFailureAsItIs() throws Exception {
        GetResponse other = Scripted.hit("{}");
        hasStale(other.toBuilder()
                .setEntry(other.getEntry().toBuilder()
                        .setMetadata(Scripted.text().toBuilder().setContentType("application/json")))
                .build());
        try (Hotplate hotplate = server.client()) {
            ComputeOptions options = ComputeOptions.DEFAULT.staleIfError(true).rememberFailure(Ttl.seconds(60));
            HotplateException told = assertThrows(HotplateException.class, () -> texts(hotplate).get("k", key -> {
                throw new IllegalStateException("no");
            }, options));
            assertEquals(ErrorKind.COMPUTE, told.kind());
            Scripted.until("the lease is given back", () -> server.calls(ReleaseLeaseRequest.class) == 1);
            assertTrue(server.seen(ReleaseLeaseRequest.class).get(0).hasFailure());
        }
    }

    @Test
    void nobodyJoinsWhatBeganBeforeAnInvalidationThatWasGivenUp() throws Exception {
        server.invalidate = Scripted.silent();
        try (Hotplate hotplate = server.client()) {
            List<StreamObserver<GetResponse>> held = held();
            CompletableFuture<Invalidated> dropping = texts(hotplate).invalidateAsync(List.of(Selector.key("k")));
            Scripted.until("it is under way", () -> server.calls(hotplate.v1.InvalidateRequest.class) == 1);
            texts(hotplate).getAsync("k", key -> new CompletableFuture<>());
            Scripted.until("it asks", () -> held.size() == 1);
            dropping.cancel(true);
            texts(hotplate).getAsync("k", key -> new CompletableFuture<>());
            Scripted.until("who asks after it asks anew", () -> held.size() == 2);
        }
    }

    @Test
    void nobodyJoinsWhatBeganBeforeAWriteThatWasAnswered() throws Exception {
        try (Hotplate hotplate = server.client()) {
            List<StreamObserver<GetResponse>> held = held();
            server.put = (request, to) -> {
                betweens.add(texts(hotplate).getAsync(request.getKey(), key -> new CompletableFuture<>()));
                to.onNext(Scripted.stored());
                to.onCompleted();
            };
            for (int round = 0; round < 20; round++) {
                String key = "k" + round;
                int asked = 2 * round;
                texts(hotplate).put(key, "v");
                betweens.add(texts(hotplate).getAsync(key, some -> new CompletableFuture<>()));
                Scripted.until("both ask", () -> held.size() == asked + 2);
            }
        }
    }

    @Test
    void whatBeginsAfterAWriteIsStored() throws Exception {
        try (Hotplate hotplate = server.client()) {
            for (int round = 1; round <= 200; round++) {
                int puts = 2 * round;
                texts(hotplate).put("k", "v");
                assertEquals("w", texts(hotplate).get("k", key -> "w"));
                Scripted.until("both are stored", () -> server.calls(PutRequest.class) == puts);
            }
        }
    }
}
