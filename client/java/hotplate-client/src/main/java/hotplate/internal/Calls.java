package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.Profile;
import hotplate.v1.BatchGetRequest;
import hotplate.v1.BatchGetResponse;
import hotplate.v1.BatchPutRequest;
import hotplate.v1.BatchPutResponse;
import hotplate.v1.CacheServiceGrpc;
import hotplate.v1.ExplainKeyRequest;
import hotplate.v1.ExplainKeyResponse;
import hotplate.v1.ExtendLeaseRequest;
import hotplate.v1.ExtendLeaseResponse;
import hotplate.v1.GetRequest;
import hotplate.v1.GetResponse;
import hotplate.v1.GetServerInfoRequest;
import hotplate.v1.GetServerInfoResponse;
import hotplate.v1.InvalidateRequest;
import hotplate.v1.InvalidateResponse;
import hotplate.v1.ListEntriesRequest;
import hotplate.v1.ListEntriesResponse;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.ReleaseLeaseRequest;
import hotplate.v1.ReleaseLeaseResponse;
import hotplate.v1.RevalidateRequest;
import hotplate.v1.RevalidateResponse;
import hotplate.v1.ServerLimits;
import hotplate.v1.StatsRequest;
import hotplate.v1.StatsResponse;
import hotplate.v1.TouchRequest;
import hotplate.v1.TouchResponse;
import hotplate.v1.UpdateWatchRequest;
import hotplate.v1.UpdateWatchResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The RPCs as they are: one method each, messages in and out, with token, deadline and retries. No degradation, no codecs: those live
 * in {@link RemoteCache}. Futures are completed on threads of the network: what follows must not block.
 */
public final class Calls {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final int BATCH_ITEMS = 100;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final Shared shared;
    private final Duration timeout;

    /** What all copies share. */
    private static final class Shared {
        final Pool pool;
        final Threads threads;
        final Profile profile;
        final String token;
        final Retry retry = new Retry();
        final AtomicLong repeats = new AtomicLong();
        final Set<CompletableFuture<?>> underWay = ConcurrentHashMap.newKeySet();
        volatile ServerLimits limits;

        Shared(Pool pool, Threads threads, Profile profile, String token) {
            this.pool = pool;
            this.threads = threads;
            this.profile = profile;
            this.token = token;
        }
    }

    Calls(Pool pool, Threads threads, Profile profile, String token) {
        this(new Shared(pool, threads, profile, token), null);
    }

    private Calls(Shared shared, Duration timeout) {
        this.shared = shared;
        this.timeout = timeout;
    }

    /** The same calls with another deadline: for the whole call, retries included; for streams, to be opened. */
    Calls withTimeout(Duration deadline) {
        return new Calls(shared, deadline);
    }

    Pool pool() {
        return shared.pool;
    }

    public Threads threads() {
        return shared.threads;
    }

    /** The deadline of a call on one key. */
    public Duration time() {
        return timeout != null ? timeout : shared.profile.callTimeout();
    }

    /** The deadline of a call on many entries. */
    public Duration bulkTime() {
        return timeout != null ? timeout : shared.profile.bulkTimeout();
    }

    private Plan small() {
        return new Plan(time(), true);
    }

    private Plan bulk() {
        return new Plan(bulkTime(), true);
    }

    CompletableFuture<GetResponse> get(GetRequest request) {
        return unary(CacheServiceGrpc.getGetMethod(), request, small());
    }

    CompletableFuture<BatchGetResponse> batchGet(BatchGetRequest request) {
        return unary(CacheServiceGrpc.getBatchGetMethod(), request, bulk());
    }

    CompletableFuture<PutResponse> put(PutRequest request) {
        return unary(CacheServiceGrpc.getPutMethod(), identified(request), small());
    }

    CompletableFuture<BatchPutResponse> batchPut(BatchPutRequest request) {
        BatchPutRequest.Builder items = request.toBuilder().clearItems();
        request.getItemsList().forEach(item -> items.addItems(identified(item)));
        return unary(CacheServiceGrpc.getBatchPutMethod(), items.build(), bulk());
    }

    /** Never sent twice: a lifetime counts from the moment of the call. */
    CompletableFuture<TouchResponse> touch(TouchRequest request) {
        return unary(CacheServiceGrpc.getTouchMethod(), request, new Plan(time(), false));
    }

    CompletableFuture<InvalidateResponse> invalidate(InvalidateRequest request) {
        InvalidateRequest named =
                request.getRequestId().isEmpty() ? request.toBuilder().setRequestId(id()).build() : request;
        return unary(CacheServiceGrpc.getInvalidateMethod(), named, bulk());
    }

    CompletableFuture<StatsResponse> stats(StatsRequest request) {
        return unary(CacheServiceGrpc.getStatsMethod(), request, bulk());
    }

    CompletableFuture<ExplainKeyResponse> explainKey(ExplainKeyRequest request) {
        return unary(CacheServiceGrpc.getExplainKeyMethod(), request, bulk());
    }

    CompletableFuture<ListEntriesResponse> listEntries(ListEntriesRequest request) {
        return unary(CacheServiceGrpc.getListEntriesMethod(), request, bulk());
    }

    public CompletableFuture<UpdateWatchResponse> updateWatch(UpdateWatchRequest request) {
        return unary(CacheServiceGrpc.getUpdateWatchMethod(), request, small());
    }

    public CompletableFuture<RevalidateResponse> revalidate(RevalidateRequest request) {
        return unary(CacheServiceGrpc.getRevalidateMethod(), request, bulk());
    }

    CompletableFuture<ExtendLeaseResponse> extendLease(ExtendLeaseRequest request) {
        return unary(CacheServiceGrpc.getExtendLeaseMethod(), request, small());
    }

    CompletableFuture<ReleaseLeaseResponse> releaseLease(ReleaseLeaseRequest request) {
        return unary(CacheServiceGrpc.getReleaseLeaseMethod(), request, small());
    }

    CompletableFuture<GetServerInfoResponse> serverInfo() {
        GetServerInfoRequest request = GetServerInfoRequest.getDefaultInstance();
        return unary(CacheServiceGrpc.getGetServerInfoMethod(), request, small());
    }

    /** What the server allows: asked once, and known from then on. */
    public CompletableFuture<ServerLimits> limits() {
        ServerLimits known = shared.limits;
        if (known != null) {
            return Async.done(known);
        }
        return Async.map(serverInfo(), info -> {
            shared.limits = info.getLimits();
            return info.getLimits();
        });
    }

    /** What the server is known to allow; null before it was asked. */
    ServerLimits knownLimits() {
        return shared.limits;
    }

    /** Items that the server is known, or else taken, to accept with one call. */
    public int batchItems() {
        ServerLimits known = shared.limits;
        int said = known == null ? 0 : known.getBatchItemsMax();
        return said <= 0 ? BATCH_ITEMS : Math.min(said, BATCH_ITEMS);
    }

    /** After a failure: whether fewer items of a batch may be what the server takes, as it says by now. */
    CompletableFuture<Boolean> takesFewer(int items, HotplateException failure) {
        if (!failure.isReason("BATCH_TOO_LARGE")) {
            return Async.done(false);
        }
        return Async.handle(limits(), (limits, unknown) -> Async.done(unknown == null && batchItems() < items));
    }

    /** How many calls were sent again so far. What was sent twice may also happen twice, and later. */
    public long repeats() {
        return shared.repeats.get();
    }

    /** A name that nobody else gives, for what may be sent twice. */
    static String id() {
        byte[] bytes = new byte[16];
        RANDOM.nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    /**
     * A condition, or a lease, is judged against what the first try may already have changed: only an id makes repeating it safe.
     */
    private static PutRequest identified(PutRequest request) {
        boolean judged = request.hasPrecondition() || !request.getLeaseToken().isEmpty();
        return judged && request.getRequestId().isEmpty() ? request.toBuilder().setRequestId(id()).build() : request;
    }

    /** What this client could not even send: a fault of the call, which says nothing of the server. */
    private static HotplateException unsent(RuntimeException fault) {
        return fault instanceof HotplateException own
                ? own
                : new HotplateException(
                                ErrorKind.INVALID_ARGUMENT, "the request could not be sent: " + fault.getClass().getName(), fault)
                        .withReason(Retry.NOT_SENT);
    }

    Metadata headers() {
        Metadata headers = new Metadata();
        if (shared.token != null) {
            headers.put(AUTHORIZATION, "Bearer " + shared.token);
        }
        return headers;
    }

    /** Tells all who still wait, also for a time to try again that does not come any more. The connections are closed by now. */
    void close() {
        shared.underWay.forEach(call -> call.completeExceptionally(Threads.closed()));
    }

    private <Q, A> CompletableFuture<A> unary(MethodDescriptor<Q, A> method, Q request, Plan plan) {
        return new Course<>(method, request, plan).begin();
    }

    /** One call, from its first try on: tried until it works, may not be repeated, or the time is over. */
    private final class Course<Q, A> extends CompletableFuture<A> {
        private final MethodDescriptor<Q, A> method;
        private final Q request;
        private final Plan plan;
        private final long ends;
        private int attempt = 1;
        private int turn = shared.pool.turn();
        private volatile ClientCall<Q, A> call;

        Course(MethodDescriptor<Q, A> method, Q request, Plan plan) {
            this.method = method;
            this.request = request;
            this.plan = plan;
            this.ends = System.nanoTime() + plan.timeout().toNanos();
        }

        CompletableFuture<A> begin() {
            shared.underWay.add(this);
            whenComplete((value, failure) -> {
                shared.underWay.remove(this);
                ClientCall<Q, A> current = call;
                if (isCancelled() && current != null) {
                    current.cancel("given up", null);
                }
            });
            send();
            return this;
        }

        private void send() {
            Pool.Place place = shared.pool.forCall(turn);
            // A call may serve many callers, and outlive this one: it is none of the call of a server that this thread may be answering.
            Context callers = Context.ROOT.attach();
            try {
                long left = ends - System.nanoTime();
                CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(left, TimeUnit.NANOSECONDS);
                call = place.channel().newCall(method, options);
                call.start(new Answer(place), headers());
                call.sendMessage(request);
                call.halfClose();
                call.request(2);
            } catch (RuntimeException thrown) {
                place.leave();
                completeExceptionally(unsent(thrown));
            } finally {
                Context.ROOT.detach(callers);
            }
            if (isCancelled() && call != null) {
                call.cancel("given up", null);
            }
        }

        private void failed(HotplateException failure) {
            if (failure.kind() != ErrorKind.UNAVAILABLE || Retry.isAnswer(failure)) {
                shared.retry.succeeded();
                completeExceptionally(failure);
                return;
            }
            boolean allowed = shared.retry.failed();
            attempt++;
            turn = (turn + 1) & Integer.MAX_VALUE;
            Duration wait = Retry.waitBefore(attempt, plan.safe(), failure);
            // A wait that would not end before the deadline is not begun: the true cause says more than a timeout.
            if (wait == null || !allowed || isDone() || System.nanoTime() + Nanos.of(wait) - ends >= 0) {
                completeExceptionally(failure);
                return;
            }
            Runnable again = () -> {
                if (!isDone()) {
                    shared.repeats.incrementAndGet();
                    send();
                }
            };
            if (shared.threads.later(wait, again) == null) {
                completeExceptionally(Threads.closed());
            }
        }

        private final class Answer extends ClientCall.Listener<A> {
            private final Pool.Place place;
            private A message;

            Answer(Pool.Place place) {
                this.place = place;
            }

            @Override
            public void onMessage(A received) {
                message = received;
            }

            @Override
            public void onClose(Status status, Metadata trailers) {
                place.leave();
                try {
                    closed(status, trailers);
                } catch (RuntimeException fault) {
                    // gRPC would log it, and the caller wait for ever.
                    completeExceptionally(Async.failure(fault));
                }
            }

            private void closed(Status status, Metadata trailers) {
                if (status.isOk() && message != null) {
                    shared.retry.succeeded();
                    complete(message);
                } else if (status.isOk()) {
                    completeExceptionally(new HotplateException(ErrorKind.INTERNAL, "the server answered without an answer"));
                } else if (status.getCode() == Status.Code.DEADLINE_EXCEEDED && System.nanoTime() - ends >= 0) {
                    // The own clock, not the server's word.
                    shared.retry.succeeded();
                    completeExceptionally(Statuses.timedOut(plan.timeout()));
                } else if (shared.pool.isClosed()) {
                    completeExceptionally(Threads.closed());
                } else if (status.getCode() == Status.Code.CANCELLED && status.getCause() instanceof StatusRuntimeException cause) {
                    // gRPC ends a call like this whose answer is no message: the server has acted.
                    failed(new HotplateException(ErrorKind.INTERNAL, "the server's answer could not be read", cause));
                } else if (status.getCode() == Status.Code.CANCELLED && status.getCause() instanceof RuntimeException cause) {
                    completeExceptionally(unsent(cause));
                } else {
                    failed(Statuses.of(status, trailers));
                }
            }
        }
    }
}
