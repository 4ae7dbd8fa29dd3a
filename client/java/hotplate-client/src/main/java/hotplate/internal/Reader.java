package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.v1.BlobServiceGrpc;
import hotplate.v1.GetOutcome;
import hotplate.v1.ReadValueHeader;
import hotplate.v1.ReadValueRequest;
import hotplate.v1.ReadValueResponse;
import hotplate.v1.ReadValueTrailer;
import hotplate.v1.ValueChunk;
import java.time.Duration;
import java.util.zip.CRC32C;

/** Reading one value as a stream, over as many streams as it takes. One thread reads it; any may close it. */
final class Reader implements AutoCloseable {
    private final Calls calls;
    private final ReadValueRequest request;
    private final Failures failures = new Failures();
    private final CRC32C whole = new CRC32C();
    /** Whose turn it is: that of the server with this version. */
    private int turn;

    private volatile Exchange<ReadValueRequest, ReadValueResponse> open;
    private ReadValueHeader header = ReadValueHeader.getDefaultInstance();
    /** What the version is called by now: an upload that is stored has another name. */
    private String version = "";

    private boolean followed;
    private boolean done;
    private long offset;
    private volatile boolean closed;

    /** Opens it; the header says whether there is a value. */
    Reader(Calls calls, ReadValueRequest request) {
        this.calls = calls;
        this.request = request;
        this.turn = calls.pool().turn();
        while (true) {
            try {
                header = reopen();
                break;
            } catch (HotplateException failure) {
                drop();
                failures.pause(calls, failure);
                turn++;
            }
        }
        if (header.getVersion().isEmpty()) {
            // Where there is nothing to read, nothing is held.
            drop();
            done = true;
        }
    }

    ReadValueHeader header() {
        return header;
    }

    long offset() {
        return offset;
    }

    /** The next piece; null when all was read, or there is no value. */
    ByteString next() {
        while (!done) {
            checkOpen();
            try {
                ByteString piece = piece();
                if (piece != null) {
                    failures.progress();
                    return piece;
                }
            } catch (HotplateException failure) {
                drop();
                checkOpen();
                failures.pause(calls, failure);
                // At the same server, as others may not have this version, and at another when this one stays away.
                if (!followed && failures.wantAnother()) {
                    turn++;
                }
            }
        }
        return null;
    }

    private void checkOpen() {
        if (closed) {
            throw new HotplateException(ErrorKind.CANCELLED, "the stream was closed");
        }
    }

    private ByteString piece() {
        if (open == null) {
            reopen();
        }
        ReadValueResponse message = message();
        return switch (message.getMessageCase()) {
            case CHUNK -> checked(message.getChunk());
            case TRAILER -> {
                ended(message.getTrailer());
                drop();
                done = true;
                yield null;
            }
            default -> throw Failures.damaged("the server sent something else than a piece");
        };
    }

    /** Opens a stream that begins at the next byte. */
    private ReadValueHeader reopen() {
        ReadValueRequest.Builder from = request.toBuilder();
        if (!version.isEmpty()) {
            from.setVersion(version).setReadOffset(offset);
        }
        followed = false;
        open = Exchange.of(calls, calls.pool().forTransfer(turn), BlobServiceGrpc.getReadValueMethod(), from.build());
        checkOpen();
        ReadValueResponse first = message();
        if (!first.hasHeader()) {
            throw new HotplateException(ErrorKind.UNAVAILABLE, "the stream ended before its header");
        }
        ReadValueHeader begins = first.getHeader();
        // What was still being written when it was begun is known to the server by two names.
        boolean storedSince = version.equals(header.getVersion()) && isFollowed(header) && !begins.getVersion().isEmpty();
        if (!version.isEmpty() && !version.equals(begins.getVersion()) && !storedSince) {
            throw new HotplateException(ErrorKind.FAILED_PRECONDITION, "the value that was being read is not there any more")
                    .withReason("VERSION_GONE");
        }
        followed = isFollowed(begins);
        version = begins.getVersion();
        return begins;
    }

    private static boolean isFollowed(ReadValueHeader header) {
        return header.getFound().getOutcome() == GetOutcome.GET_OUTCOME_PENDING;
    }

    private ReadValueResponse message() {
        // Who writes may pause for as long as they like.
        Duration longest = followed ? null : calls.time();
        ReadValueResponse message = open.next(longest);
        if (message == null) {
            throw new HotplateException(ErrorKind.UNAVAILABLE, "the stream ended before the value did");
        }
        return message;
    }

    private ByteString checked(ValueChunk chunk) {
        if (chunk.getOffset() != offset || chunk.getData().isEmpty()) {
            throw Failures.damaged("a piece of the value is not where it should be");
        }
        if (Chunks.crc(chunk.getData()) != chunk.getCrc32C()) {
            throw Failures.damaged("a piece of the value arrived otherwise than it was sent");
        }
        chunk.getData().asReadOnlyByteBufferList().forEach(whole::update);
        offset += chunk.getData().size();
        return chunk.getData();
    }

    /** Whether all that was read is what the server meant to send. */
    private void ended(ReadValueTrailer trailer) {
        if (offset != trailer.getSizeBytes() || (int) whole.getValue() != trailer.getCrc32C()) {
            throw new HotplateException(ErrorKind.INTERNAL, "what was read is not the value that the server has")
                    .withReason("DIGEST_MISMATCH");
        }
    }

    private void drop() {
        Exchange<ReadValueRequest, ReadValueResponse> current = open;
        open = null;
        if (current != null) {
            current.cancel();
        }
    }

    @Override
    public void close() {
        closed = true;
        Exchange<ReadValueRequest, ReadValueResponse> current = open;
        if (current != null) {
            current.cancel();
        }
    }
}
