package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.v1.BlobServiceGrpc;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.QueryWriteRequest;
import hotplate.v1.QueryWriteResponse;
import hotplate.v1.WriteValueFinish;
import hotplate.v1.WriteValueHeader;
import hotplate.v1.WriteValueRequest;
import hotplate.v1.WriteValueResponse;

/** One upload's stream to the server, opened as often as it takes. What is sent, and sent again, is its callers' business. */
final class Uplink {
    final Failures failures = new Failures();
    private final Calls calls;
    private final WriteValueHeader header;
    private int turn;
    private volatile Exchange<WriteValueRequest, WriteValueResponse> open;
    /** The most the server is known to have had. */
    private long most;

    /**
     * Where an upload is after its stream broke.
     *
     * @param offset it goes on at this byte
     * @param finished what became of it, when it had been finished; else null
     */
    record Recovered(long offset, PutResponse finished) {}

    /** An upload of what {@code put} says, without its payload. Opens nothing. */
    Uplink(Calls calls, PutRequest put, long sizeBytes) {
        this.calls = calls;
        this.turn = calls.pool().turn();
        this.header = WriteValueHeader.newBuilder()
                .setUploadId(Calls.id())
                .setPut(put.toBuilder().clearPayload())
                .setSizeBytes(sizeBytes)
                .build();
    }

    /** Opens a stream that goes on at this byte. */
    void open(long offset) {
        drop();
        open = new Exchange<>(calls, calls.pool().forTransfer(turn), BlobServiceGrpc.getWriteValueMethod());
        send(WriteValueRequest.newBuilder().setHeader(header.toBuilder().setWriteOffset(offset)).build());
    }

    /** Sends a piece. Throws what the server says when it ends the stream. */
    void send(long offset, ByteString piece) {
        send(WriteValueRequest.newBuilder().setChunk(Chunks.of(offset, piece)).build());
    }

    private void send(WriteValueRequest message) {
        if (open == null) {
            throw broken();
        }
        open.send(message, calls.bulkTime());
    }

    /** Says that all was sent, ends the stream and waits for what the server makes of it. */
    PutResponse finish(WriteValueFinish finish) {
        send(WriteValueRequest.newBuilder().setFinish(finish).build());
        open.halfClose();
        WriteValueResponse answer = open.next(calls.bulkTime());
        if (answer == null || !answer.hasPut()) {
            throw broken();
        }
        open = null;
        return answer.getPut();
    }

    /** After a failure: waits, asks how much the server has, and answers where to go on. */
    Recovered recover(HotplateException first) {
        drop();
        if (isUnknown(first)) {
            failures.count(first);
            return new Recovered(0, null);
        }
        HotplateException failure = first;
        while (true) {
            failures.pause(calls, failure);
            if (failures.wantAnother()) {
                turn++;
            }
            try {
                QueryWriteResponse found = query();
                if (found.hasPut()) {
                    return new Recovered(found.getReceivedBytes(), found.getPut());
                }
                if (found.getReceivedBytes() > most) {
                    most = found.getReceivedBytes();
                    failures.progress();
                }
                return new Recovered(found.getReceivedBytes(), null);
            } catch (HotplateException failed) {
                // That it never heard of the upload is the same failure: what broke is counted.
                if (isUnknown(failed)) {
                    return new Recovered(0, null);
                }
                failure = failed;
            }
        }
    }

    /** How much of the upload the server has. */
    QueryWriteResponse query() {
        QueryWriteRequest request = QueryWriteRequest.newBuilder()
                .setNamespace(header.getPut().getNamespace())
                .setUploadId(header.getUploadId())
                .build();
        Exchange<QueryWriteRequest, QueryWriteResponse> asked = Exchange.of(
                calls, calls.pool().forTransfer(turn), BlobServiceGrpc.getQueryWriteMethod(), request);
        try {
            QueryWriteResponse answer = asked.next(calls.time());
            if (answer == null) {
                throw broken();
            }
            return answer;
        } finally {
            asked.cancel();
        }
    }

    void drop() {
        Exchange<WriteValueRequest, WriteValueResponse> current = open;
        open = null;
        if (current != null) {
            current.cancel();
        }
    }

    /** Whether the server has nothing of the upload. */
    private static boolean isUnknown(HotplateException failure) {
        return failure.isReason("UPLOAD_UNKNOWN");
    }

    private static HotplateException broken() {
        return new HotplateException(ErrorKind.UNAVAILABLE, "the upload's stream ended before it was finished");
    }
}
