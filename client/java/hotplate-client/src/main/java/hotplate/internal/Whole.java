package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.v1.Entry;
import hotplate.v1.GetRequest;
import hotplate.v1.GetResponse;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.ReadValueRequest;
import hotplate.v1.ServerLimits;
import hotplate.v1.WriteValueFinish;
import java.util.concurrent.CompletableFuture;

/** Which way a whole value takes: with the call where it is small enough, as a stream where it is not. */
final class Whole {
    /** Bytes of a value that every server takes with a call, unless it says otherwise. */
    private static final int SURE_BYTES = 1 << 20;
    /** Bytes of a value that no server refuses for its size. */
    private static final int SMALL_BYTES = 4 << 10;
    /** How often a value that is replaced while it is read is read anew. */
    private static final int VERSIONS_MAX = 4;

    private final Calls calls;

    Whole(Calls calls) {
        this.calls = calls;
    }

    /** A Get whose answer has the value, however large it is. */
    CompletableFuture<GetResponse> get(GetRequest request) {
        return Async.then(calls.get(request), response -> rest(request, response));
    }

    /** The answer of a Get with its value, however large that is. */
    CompletableFuture<GetResponse> rest(GetRequest asked, GetResponse response) {
        return response.getEntry().hasLarge()
                ? calls.threads().transfer(() -> withLarge(asked, response))
                : Async.done(response);
    }

    /** Reads the value that is too large for this answer, and puts it there. */
    private GetResponse withLarge(GetRequest asked, GetResponse first) {
        GetResponse response = first;
        for (int versions = 0; versions < VERSIONS_MAX; versions++) {
            if (!response.getEntry().hasLarge()) {
                return response;
            }
            ReadValueRequest wanted = ReadValueRequest.newBuilder()
                    .setNamespace(asked.getNamespace())
                    .setKey(asked.getKey())
                    .setVersion(response.getEntry().getMetadata().getEtag())
                    .setStalePolicy(asked.getStalePolicy())
                    .build();
            try {
                ByteString value = allOf(wanted);
                if (value != null) {
                    Entry entry = response.getEntry().toBuilder().setValue(value).build();
                    return response.toBuilder().setEntry(entry).build();
                }
            } catch (HotplateException failure) {
                if (!failure.isReason("VERSION_GONE")) {
                    throw failure;
                }
            }
            // The same question. The lease, if there was one, came with the first answer.
            response = Async.await(calls.get(asked.toBuilder().clearMissPolicy().clearWaitTimeout().build()));
        }
        throw new HotplateException(ErrorKind.UNAVAILABLE, "the value was replaced each time it was read")
                .withReason("VERSION_GONE");
    }

    /** All bytes of a value; null when there is none. */
    private ByteString allOf(ReadValueRequest request) {
        try (Reader reader = new Reader(calls, request)) {
            if (reader.header().getVersion().isEmpty()) {
                return null;
            }
            ByteString value = ByteString.EMPTY;
            for (ByteString piece = reader.next(); piece != null; piece = reader.next()) {
                value = value.concat(piece);
            }
            return value;
        }
    }

    /** A Put of a value of any size. */
    CompletableFuture<PutResponse> put(PutRequest request) {
        int size = request.getValue().size();
        if (!request.hasValue() || size <= SMALL_BYTES) {
            return calls.put(request);
        }
        ServerLimits known = calls.knownLimits();
        if (known == null && size <= SURE_BYTES) {
            // A server that takes less says so; then its limits are known.
            return Async.handle(calls.put(request), (response, failure) -> {
                if (failure == null) {
                    return Async.done(response);
                }
                if (!failure.isReason("VALUE_TOO_LARGE")) {
                    return Async.failed(failure);
                }
                return Async.then(calls.limits(), limits -> isLarge(limits, size) ? upload(request) : Async.failed(failure));
            });
        }
        // A server without streams says itself what is too large.
        return Async.then(calls.limits(), limits -> isLarge(limits, size) ? upload(request) : calls.put(request));
    }

    private static boolean isLarge(ServerLimits limits, int size) {
        return limits.getChunkBytesMax() > 0 && size > limits.getUnaryValueBytesMax();
    }

    private CompletableFuture<PutResponse> upload(PutRequest request) {
        return calls.threads().transfer(() -> upload(request, request.getValue()));
    }

    private PutResponse upload(PutRequest request, ByteString value) {
        int chunkBytes = Chunks.size(calls);
        Uplink link = new Uplink(calls, request, value.size());
        WriteValueFinish finish = WriteValueFinish.newBuilder()
                .setSizeBytes(value.size())
                .setCrc32C(Chunks.crc(value))
                .build();
        int from = 0;
        try {
            while (true) {
                try {
                    link.open(from);
                    for (int at = from; at < value.size(); at += chunkBytes) {
                        link.send(at, value.substring(at, Math.min(value.size(), at + chunkBytes)));
                    }
                    return link.finish(finish);
                } catch (HotplateException failure) {
                    Uplink.Recovered recovered = link.recover(failure);
                    if (recovered.finished() != null) {
                        return recovered.finished();
                    }
                    from = (int) Math.min(value.size(), recovered.offset());
                }
            }
        } finally {
            link.drop();
        }
    }
}
