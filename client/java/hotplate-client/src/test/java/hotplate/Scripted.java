package hotplate;

import hotplate.v1.BatchGetRequest;
import hotplate.v1.BatchGetResponse;
import hotplate.v1.BatchPutRequest;
import hotplate.v1.BatchPutResponse;
import hotplate.v1.BlobServiceGrpc;
import hotplate.v1.CacheServiceGrpc;
import hotplate.v1.Entry;
import hotplate.v1.EntryMetadata;
import hotplate.v1.ExtendLeaseRequest;
import hotplate.v1.ExtendLeaseResponse;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetRequest;
import hotplate.v1.GetResponse;
import hotplate.v1.GetServerInfoRequest;
import hotplate.v1.GetServerInfoResponse;
import hotplate.v1.InvalidateRequest;
import hotplate.v1.InvalidateResponse;
import hotplate.v1.Lease;
import hotplate.v1.LeaseOutcome;
import hotplate.v1.LogPosition;
import hotplate.v1.MissPolicy;
import hotplate.v1.Position;
import hotplate.v1.PutOutcome;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.QueryWriteRequest;
import hotplate.v1.QueryWriteResponse;
import hotplate.v1.ReadValueRequest;
import hotplate.v1.ReadValueResponse;
import hotplate.v1.ReleaseLeaseRequest;
import hotplate.v1.ReleaseLeaseResponse;
import hotplate.v1.ServerLimits;
import hotplate.v1.WatchCreated;
import hotplate.v1.WatchRequest;
import hotplate.v1.WatchResponse;
import hotplate.v1.WriteValueRequest;
import hotplate.v1.WriteValueResponse;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.ErrorInfo;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;
import java.util.function.Function;

/** A server on a free port that answers as a test says, and remembers what it was asked. */
final class Scripted implements AutoCloseable {
    final List<Object> seen = new CopyOnWriteArrayList<>();
    volatile BiConsumer<GetRequest, StreamObserver<GetResponse>> get = says(request -> miss(request));
    volatile BiConsumer<BatchGetRequest, StreamObserver<BatchGetResponse>> batchGet = fails(Status.UNIMPLEMENTED);
    volatile BiConsumer<PutRequest, StreamObserver<PutResponse>> put = says(request -> stored());
    volatile BiConsumer<BatchPutRequest, StreamObserver<BatchPutResponse>> batchPut = fails(Status.UNIMPLEMENTED);
    volatile BiConsumer<InvalidateRequest, StreamObserver<InvalidateResponse>> invalidate =
            says(request -> InvalidateResponse.getDefaultInstance());
    volatile BiConsumer<ReadValueRequest, StreamObserver<ReadValueResponse>> readValue = fails(Status.UNIMPLEMENTED);
    volatile Function<StreamObserver<WriteValueResponse>, StreamObserver<WriteValueRequest>> writeValue;
    volatile BiConsumer<QueryWriteRequest, StreamObserver<QueryWriteResponse>> queryWrite = fails(Status.UNIMPLEMENTED);
    volatile ServerLimits limits = ServerLimits.newBuilder()
            .setUnaryValueBytesMax(1 << 20)
            .setChunkBytesMax(1 << 20)
            .setBatchItemsMax(100)
            .build();
    private final Server server;

    Scripted() {
        try {
            server = NettyServerBuilder.forPort(0)
                    .maxInboundMessageSize(64 << 20)
                    .addService(new Cache())
                    .addService(new Blobs())
                    .build()
                    .start();
        } catch (IOException cause) {
            throw new IllegalStateException("no free port", cause);
        }
    }

    String url() {
        return "hotplate://127.0.0.1:" + server.getPort() + "/t";
    }

    /** A client of it whose calls have this long. */
    Hotplate client(Duration timeout) {
        return Hotplate.builder().url(url()).timeout(timeout).build();
    }

    Hotplate client() {
        return client(Duration.ofSeconds(20));
    }

    /** What it was asked with messages of this type. */
    <Q> List<Q> seen(Class<Q> type) {
        return seen.stream().filter(type::isInstance).map(type::cast).toList();
    }

    int calls(Class<?> type) {
        return seen(type).size();
    }

    @Override
    public void close() {
        server.shutdownNow();
    }

    static <Q, A> BiConsumer<Q, StreamObserver<A>> says(Function<Q, A> answer) {
        return (request, to) -> {
            to.onNext(answer.apply(request));
            to.onCompleted();
        };
    }

    static <Q, A> BiConsumer<Q, StreamObserver<A>> fails(Status status) {
        return (request, to) -> to.onError(status.asRuntimeException());
    }

    static <Q, A> BiConsumer<Q, StreamObserver<A>> silent() {
        return (request, to) -> {};
    }

    /** A failure with a reason for programs. */
    static StatusRuntimeException failure(Status.Code code, String reason) {
        return StatusProto.toStatusRuntimeException(com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage("scripted")
                .addDetails(Any.pack(ErrorInfo.newBuilder().setReason(reason).setDomain("hotplate").build()))
                .build());
    }

    /** A status whose details are these bytes, whatever they are. */
    static StatusRuntimeException detailed(Status status, byte[] details) {
        Metadata trailers = new Metadata();
        trailers.put(Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), details);
        return status.asRuntimeException(trailers);
    }

    /** A miss, with the lease where one was asked for. */
    static GetResponse miss(GetRequest request) {
        GetResponse.Builder response = GetResponse.newBuilder().setOutcome(GetOutcome.GET_OUTCOME_MISS);
        if (request.getMissPolicy() != MissPolicy.MISS_POLICY_UNSPECIFIED && request.getMissPolicy() != MissPolicy.MISS_POLICY_REPORT) {
            response.setLease(lease());
        }
        return response.build();
    }

    static Lease lease() {
        return Lease.newBuilder()
                .setToken("lease")
                .setDuration(com.google.protobuf.Duration.newBuilder().setSeconds(10))
                .build();
    }

    /** A fresh text. */
    static GetResponse hit(String value) {
        return GetResponse.newBuilder()
                .setOutcome(GetOutcome.GET_OUTCOME_HIT)
                .setEntry(Entry.newBuilder().setValue(ByteString.copyFromUtf8(value)).setMetadata(text()))
                .build();
    }

    static EntryMetadata text() {
        return EntryMetadata.newBuilder().setContentType("text/plain").setEtag("v1").build();
    }

    static PutResponse stored() {
        return PutResponse.newBuilder()
                .setOutcome(PutOutcome.PUT_OUTCOME_STORED)
                .setMetadata(EntryMetadata.newBuilder().setEtag("v1"))
                .build();
    }

    /** Waits for what happens some time, at most a minute. */
    static void until(String what, Callable<Boolean> holds) throws Exception {
        long ends = System.nanoTime() + 60_000_000_000L;
        while (!holds.call()) {
            if (System.nanoTime() - ends >= 0) {
                throw new AssertionError("not within a minute: " + what);
            }
            Thread.sleep(5);
        }
    }

    private final class Cache extends CacheServiceGrpc.CacheServiceImplBase {
        @Override
        public void get(GetRequest request, StreamObserver<GetResponse> to) {
            seen.add(request);
            get.accept(request, to);
        }

        @Override
        public void batchGet(BatchGetRequest request, StreamObserver<BatchGetResponse> to) {
            seen.add(request);
            batchGet.accept(request, to);
        }

        @Override
        public void put(PutRequest request, StreamObserver<PutResponse> to) {
            seen.add(request);
            put.accept(request, to);
        }

        @Override
        public void batchPut(BatchPutRequest request, StreamObserver<BatchPutResponse> to) {
            seen.add(request);
            batchPut.accept(request, to);
        }

        @Override
        public void invalidate(InvalidateRequest request, StreamObserver<InvalidateResponse> to) {
            seen.add(request);
            invalidate.accept(request, to);
        }

        @Override
        public void extendLease(ExtendLeaseRequest request, StreamObserver<ExtendLeaseResponse> to) {
            seen.add(request);
            Scripted.<ExtendLeaseRequest, ExtendLeaseResponse>says(some -> ExtendLeaseResponse.newBuilder()
                            .setOutcome(LeaseOutcome.LEASE_OUTCOME_HELD)
                            .setLease(lease())
                            .build())
                    .accept(request, to);
        }

        @Override
        public void releaseLease(ReleaseLeaseRequest request, StreamObserver<ReleaseLeaseResponse> to) {
            seen.add(request);
            to.onNext(ReleaseLeaseResponse.getDefaultInstance());
            to.onCompleted();
        }

        @Override
        public void getServerInfo(GetServerInfoRequest request, StreamObserver<GetServerInfoResponse> to) {
            seen.add(request);
            to.onNext(GetServerInfoResponse.newBuilder().setLimits(limits).build());
            to.onCompleted();
        }

        @Override
        public void watch(WatchRequest request, StreamObserver<WatchResponse> to) {
            seen.add(request);
            LogPosition at = LogPosition.newBuilder().setEpoch(7).setNumber(1).build();
            to.onNext(WatchResponse.newBuilder()
                    .setCreated(WatchCreated.newBuilder().setPosition(Position.newBuilder().addLogs(at)))
                    .build());
        }
    }

    private final class Blobs extends BlobServiceGrpc.BlobServiceImplBase {
        @Override
        public void readValue(ReadValueRequest request, StreamObserver<ReadValueResponse> to) {
            seen.add(request);
            readValue.accept(request, to);
        }

        @Override
        public StreamObserver<WriteValueRequest> writeValue(StreamObserver<WriteValueResponse> to) {
            return writeValue.apply(to);
        }

        @Override
        public void queryWrite(QueryWriteRequest request, StreamObserver<QueryWriteResponse> to) {
            seen.add(request);
            queryWrite.accept(request, to);
        }
    }
}
