package hotplate

// One upload's stream to the server, opened as often as it takes. What is sent, and what is kept to be sent again, is its
// caller's business.

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

type uplink struct {
	ctx    context.Context
	calls  *Calls
	header *pb.WriteValueHeader
	turn   uint64

	stream grpc.ClientStreamingClient[pb.WriteValueRequest, pb.WriteValueResponse]
	line   *line
	cancel context.CancelFunc

	failures interruptions
	// most is the most that the server is known to have had.
	most uint64
}

// newUplink is an upload of what put says, without its payload. It opens nothing.
func newUplink(ctx context.Context, c *Calls, put *pb.PutRequest, size uint64) *uplink {
	put = identified(withoutPayload(put))
	return &uplink{
		ctx: ctx, calls: c, turn: c.wire.pool.turn(),
		header: &pb.WriteValueHeader{UploadId: randomID(16), Put: put, SizeBytes: size},
	}
}

// open opens a stream that goes on at this byte.
func (u *uplink) open(offset uint64) error {
	u.close()
	if gone := callerGone(u.ctx); gone != nil {
		return gone
	}
	ctx, cancel := context.WithCancel(u.calls.wire.outgoing(u.ctx))
	u.line, u.cancel = u.calls.wire.pool.forTransfer(u.turn), cancel
	stream, err := step(u.calls.time(), cancel, func() (
		grpc.ClientStreamingClient[pb.WriteValueRequest, pb.WriteValueResponse], error,
	) {
		return pb.NewBlobServiceClient(u.line.conn).WriteValue(ctx)
	})
	if err != nil {
		u.close()
		return u.failed(err)
	}
	u.stream = stream
	u.header.WriteOffset = offset
	return u.send(&pb.WriteValueRequest{Message: &pb.WriteValueRequest_Header{Header: u.header}})
}

// send sends a message. It fails with what the server says when it ends the stream.
func (u *uplink) send(message *pb.WriteValueRequest) error {
	if u.stream == nil {
		return uploadBroke()
	}
	_, err := step(u.calls.bulkTime(), u.cancel, func() (struct{}, error) { return struct{}{}, u.stream.Send(message) })
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		// The server ended the stream, and what it says is the answer.
		if _, err = step(u.calls.bulkTime(), u.cancel, u.stream.CloseAndRecv); err == nil {
			err = uploadBroke()
		}
	}
	u.close()
	return u.failed(err)
}

func (u *uplink) chunk(offset uint64, data []byte) error {
	return u.send(&pb.WriteValueRequest{Message: &pb.WriteValueRequest_Chunk{
		Chunk: &pb.ValueChunk{Offset: offset, Crc32C: crc32c(0, data), Data: data},
	}})
}

// finish says that all was sent, ends the stream and waits for what the server makes of it. A digest of nothing is not checked.
func (u *uplink) finish(size uint64, whole uint32, digest []byte) (*pb.PutResponse, error) {
	message := &pb.WriteValueRequest{Message: &pb.WriteValueRequest_Finish{
		Finish: &pb.WriteValueFinish{SizeBytes: size, Crc32C: &whole, Digest: digest},
	}}
	if err := u.send(message); err != nil {
		return nil, err
	}
	answer, err := step(u.calls.bulkTime(), u.cancel, u.stream.CloseAndRecv)
	u.close()
	switch {
	case err != nil:
		return nil, u.failed(err)
	case answer.GetPut() == nil:
		return nil, uploadBroke()
	}
	return answer.GetPut(), nil
}

// recover waits after a failure, asks how much the server has, and answers where to go on; or what became of the upload, when
// it had been finished.
func (u *uplink) recover(err error) (offset uint64, done *pb.PutResponse, failed error) {
	u.close()
	if hasReason(err, "UPLOAD_UNKNOWN") {
		if u.failures++; u.failures > transferFailuresMax {
			return 0, nil, err
		}
		return 0, nil, nil
	}
	for {
		if err := u.failures.pause(u.ctx, u.calls, err); err != nil {
			return 0, nil, err
		}
		if u.failures%failuresPerServer == 0 {
			u.turn++
		}
		var found *pb.QueryWriteResponse
		switch found, err = u.query(); {
		case err == nil && found.GetPut() != nil:
			return 0, found.GetPut(), nil
		case err == nil:
			u.has(found.GetReceivedBytes())
			return found.GetReceivedBytes(), nil, nil
		// That it never heard of the upload is the same failure: what broke is counted.
		case hasReason(err, "UPLOAD_UNKNOWN"):
			return 0, nil, nil
		}
	}
}

func (u *uplink) has(received uint64) {
	if received > u.most {
		u.most = received
		u.failures.progress()
	}
}

// query is how much of the upload the server has.
func (u *uplink) query() (*pb.QueryWriteResponse, error) {
	ctx, cancel := context.WithTimeout(u.calls.wire.outgoing(u.ctx), u.calls.time())
	defer cancel()
	l := u.calls.wire.pool.forTransfer(u.turn)
	defer l.done()
	response, err := pb.NewBlobServiceClient(l.conn).QueryWrite(ctx, &pb.QueryWriteRequest{
		Namespace: u.header.GetPut().GetNamespace(), UploadId: u.header.GetUploadId(),
	})
	if err != nil {
		return nil, u.failed(err)
	}
	return response, nil
}

func (u *uplink) failed(err error) error {
	if gone := callerGone(u.ctx); gone != nil {
		return gone
	}
	return fromStatus(err)
}

func (u *uplink) close() {
	if u.line != nil {
		u.cancel()
		u.line.done()
		u.line, u.stream = nil, nil
	}
}

func uploadBroke() *Error {
	return failure(KindUnavailable, "the upload's stream ended before it was finished")
}
