package hotplate

// Large values as streams: what reading and writing them share. They are sent in chunks, each checked, and gone on with where
// a stream broke. Which of the ways a value takes is decided in whole.go.

import (
	"context"
	"hash/crc32"
	"time"

	"google.golang.org/grpc"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

const (
	// transferFailuresMax in a row, without a byte of progress between them, give a transfer up.
	transferFailuresMax = 8
	transferPauseFirst  = 50 * time.Millisecond
	transferPauseMax    = 2 * time.Second
	// chunkBytes of a chunk that is sent, where the server takes as much.
	chunkBytes = 1 << 20
	// failuresPerServer, after which another is tried, where there is one.
	failuresPerServer = 3
	// reasonDamaged is of what arrived otherwise than it was sent.
	reasonDamaged = "CHUNK_DAMAGED"
)

// crc32c is the checksum of all before, gone on with these bytes.
func crc32c(before uint32, content []byte) uint32 {
	return crc32.Update(before, crc32.MakeTable(crc32.Castagnoli), content)
}

func damaged(what string) *Error { return failure(KindInternal, "%s", what).withReason(reasonDamaged) }

// interruptions are how often in a row a transfer failed.
type interruptions int

// progress: something arrived.
func (i *interruptions) progress() { *i = 0 }

// pause waits before the next try, or gives the failure back when there is none.
func (i *interruptions) pause(ctx context.Context, c *Calls, err error) error {
	if gone := callerGone(ctx); gone != nil {
		return gone
	}
	e := asError(err)
	if c.attempts == 1 || !isInterruption(e) {
		return e
	}
	if *i++; *i > transferFailuresMax {
		return e
	}
	wait := max(e.RetryAfter, jittered(backoff(int(*i), transferPauseFirst, transferPauseMax)))
	if wait > c.bulkTime() {
		return e
	}
	if !sleep(ctx, wait) {
		return callerGone(ctx)
	}
	return nil
}

// isInterruption tells whether a stream that ended like this may go on in another one. Also one that was taken over: only this client
// knows the upload's id, so that it was an older stream of its own, which reached the server late.
func isInterruption(e *Error) bool {
	if e.Reason == "UPLOAD_TAKEN_OVER" {
		return true
	}
	switch e.Kind {
	case KindUnavailable, KindDeadlineExceeded, KindCancelled:
		return true
	case KindResourceExhausted:
		return e.RetryAfter > 0
	case KindInternal:
		return e.Reason == reasonDamaged
	default:
		return false
	}
}

// chunkSize is the bytes of a chunk to send.
func (c *Calls) chunkSize(ctx context.Context) (int, error) {
	limits, err := c.Limits(ctx)
	if err != nil {
		return 0, err
	}
	allowed := limits.GetChunkBytesMax()
	if allowed == 0 {
		return 0, failure(KindUnimplemented, "the server takes no values as streams: it is older than this client")
	}
	return int(min(allowed, chunkBytes)), nil
}

// step waits for a step of a transfer. There is no deadline for all of it, as nobody knows how long it takes: what counts is
// that it goes on. end ends the stream, so that the step does.
func step[A any](long time.Duration, end context.CancelFunc, do func() (A, error)) (A, error) {
	timer := time.AfterFunc(long, end)
	answer, err := do()
	if timer.Stop() {
		return answer, err
	}
	var none A
	return none, timedOut(long)
}

func readValueOf(
	conn *grpc.ClientConn, ctx context.Context, request *pb.ReadValueRequest, options ...grpc.CallOption,
) (grpc.ServerStreamingClient[pb.ReadValueResponse], error) {
	return pb.NewBlobServiceClient(conn).ReadValue(ctx, request, options...)
}
