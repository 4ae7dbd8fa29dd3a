package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.QueryWriteResponse;
import hotplate.v1.WriteValueFinish;
import java.util.ArrayDeque;
import java.util.List;
import java.util.zip.CRC32C;

/** Writing a value that comes in pieces and cannot be read again: what the server may not have yet is kept. */
final class Writer {
    /** Bytes sent that are kept until the server is known to have them. */
    private static final long KEPT_BYTES_MAX = 16 << 20;

    private final Calls calls;
    private final Uplink link;
    private final int chunkBytes;
    private final CRC32C whole = new CRC32C();
    /** Pieces the server may not have, and where the first begins. */
    private final ArrayDeque<ByteString> kept = new ArrayDeque<>();

    private long keptBytes;
    private long from;
    private long at;

    /** Opened at once: whoever follows finds it before its first piece. */
    Writer(Calls calls, PutRequest put) {
        this.calls = calls;
        this.chunkBytes = Chunks.size(calls);
        this.link = new Uplink(calls, put, 0);
        try {
            link.open(0);
        } catch (HotplateException failure) {
            again(failure);
        }
    }

    void send(ByteString data) {
        for (int begin = 0; begin < data.size(); begin += chunkBytes) {
            ByteString piece = data.substring(begin, Math.min(data.size(), begin + chunkBytes));
            if (keptBytes + piece.size() > KEPT_BYTES_MAX) {
                confirm();
            }
            piece.asReadOnlyByteBufferList().forEach(whole::update);
            long offset = at;
            at += piece.size();
            keptBytes += piece.size();
            kept.add(piece);
            try {
                link.send(offset, piece);
            } catch (HotplateException failure) {
                again(failure);
            }
        }
    }

    PutResponse finish() {
        WriteValueFinish finish = WriteValueFinish.newBuilder()
                .setSizeBytes(at)
                .setCrc32C((int) whole.getValue())
                .build();
        while (true) {
            HotplateException failure;
            try {
                return link.finish(finish);
            } catch (HotplateException failed) {
                failure = failed;
            }
            Uplink.Recovered recovered = link.recover(failure);
            if (recovered.finished() != null) {
                return recovered.finished();
            }
            try {
                resend(recovered.offset());
            } catch (HotplateException failed) {
                again(failed);
            }
        }
    }

    void drop() {
        link.drop();
    }

    /** Gets the stream back after a failure, with everything on it that the server does not have. */
    private void again(HotplateException first) {
        HotplateException failure = first;
        while (true) {
            Uplink.Recovered recovered = link.recover(failure);
            if (recovered.finished() != null) {
                throw new HotplateException(ErrorKind.INTERNAL, "the upload was finished by another");
            }
            try {
                resend(recovered.offset());
                return;
            } catch (HotplateException failed) {
                failure = failed;
            }
        }
    }

    private void resend(long offset) {
        if (offset < from || offset > at) {
            throw new HotplateException(
                            ErrorKind.FAILED_PRECONDITION,
                            "the server lost the upload: what it had of it is not kept here any more")
                    .withReason("UPLOAD_UNKNOWN_HERE");
        }
        forget(offset);
        link.open(offset);
        long begin = from;
        for (ByteString piece : List.copyOf(kept)) {
            // The server may have a part of the first.
            int known = (int) Math.min(piece.size(), Math.max(0, offset - begin));
            begin += piece.size();
            if (known < piece.size()) {
                link.send(begin - (piece.size() - known), piece.substring(known));
            }
        }
    }

    /** Drops what the server has. */
    private void forget(long received) {
        while (!kept.isEmpty() && from + kept.peek().size() <= received) {
            from += kept.peek().size();
            keptBytes -= kept.poll().size();
        }
    }

    /** Asks what the server has until there is room again. */
    private void confirm() {
        long before = from;
        while (true) {
            HotplateException failure;
            try {
                QueryWriteResponse found = link.query();
                forget(found.getReceivedBytes());
                failure = new HotplateException(
                        ErrorKind.UNAVAILABLE, "the server takes nothing of the upload any more");
            } catch (HotplateException failed) {
                failure = failed;
            }
            if (from > before) {
                link.failures.progress();
                return;
            }
            link.failures.pause(calls, failure);
        }
    }
}
