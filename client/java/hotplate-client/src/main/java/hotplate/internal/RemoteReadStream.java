package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.Lookup;
import hotplate.ReadStream;
import hotplate.v1.ReadValueRequest;

/** A value that is read in pieces, as the API has it. How they come lives in {@link Reader}. */
final class RemoteReadStream implements ReadStream {
    private final Reader reader;

    RemoteReadStream(Calls calls, ReadValueRequest request) {
        reader = new Reader(calls, request);
    }

    @Override
    public Lookup<Long> found() {
        return Wire.lookup(reader.header());
    }

    @Override
    public byte[] next() {
        ByteString piece = reader.next();
        return piece == null ? null : piece.toByteArray();
    }

    @Override
    public long offset() {
        return reader.offset();
    }

    @Override
    public void close() {
        reader.close();
    }
}
