package hotplate.internal;

import com.google.protobuf.ByteString;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.WriteStream;
import hotplate.Written;
import hotplate.internal.near.NearSet;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import java.util.List;

/** A value that is written in pieces, as the API has it. How they go lives in {@link Writer}. */
final class RemoteWriteStream implements WriteStream {
    private final RemoteHotplate client;
    private final PutRequest put;
    private final RemoteHotplate.OwnWrite write;
    private final Writer writer;
    private boolean over;

    RemoteWriteStream(RemoteHotplate client, PutRequest put) {
        this.client = client;
        this.put = put;
        this.write = client.ownWrite(put.getNamespace(), List.of(NearSet.key(put.getKey())));
        try {
            this.writer = new Writer(client.calls(), put);
        } catch (RuntimeException failed) {
            write.unknown();
            throw failed;
        }
    }

    @Override
    public void send(byte[] piece) {
        checkOpen();
        writer.send(ByteString.copyFrom(piece));
    }

    @Override
    public Written finish() {
        checkOpen();
        PutResponse response = writer.finish();
        over = true;
        write.answered();
        client.flights().outdate(put.getNamespace(), put.getKey());
        return Wire.written(response);
    }

    private void checkOpen() {
        if (over) {
            throw new HotplateException(ErrorKind.FAILED_PRECONDITION, "the stream was finished or closed");
        }
    }

    @Override
    public void close() {
        if (!over) {
            over = true;
            writer.drop();
        }
        write.unknown();
    }
}
