package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.v1.ValueChunk;
import java.util.zip.CRC32C;

/** Pieces of large values and what proves them. */
final class Chunks {
    /** Bytes of a piece that is sent, where the server takes as much. */
    private static final long BYTES = 1 << 20;

    private Chunks() {}

    static int crc(ByteString bytes) {
        CRC32C crc = new CRC32C();
        bytes.asReadOnlyByteBufferList().forEach(crc::update);
        return (int) crc.getValue();
    }

    static ValueChunk of(long offset, ByteString bytes) {
        return ValueChunk.newBuilder().setOffset(offset).setData(bytes).setCrc32C(crc(bytes)).build();
    }

    /** Bytes of a piece to send. Waits for what the server allows, if it was not asked yet. */
    static int size(Calls calls) {
        long allowed = Async.await(calls.limits()).getChunkBytesMax();
        if (allowed == 0) {
            throw new HotplateException(
                    ErrorKind.UNIMPLEMENTED, "the server takes no values as streams: it is older than this client");
        }
        return (int) Math.min(allowed, BYTES);
    }
}
