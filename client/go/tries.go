package hotplate

// How a call is carried out: with token and deadline, tried again where that is safe. Which calls there are lives in
// calls.go.

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// wire is what all calls of a client share.
type wire struct {
	pool    *pool
	profile Profile
	token   token
	budget  budget
	// repeats is how many calls were sent again.
	repeats atomic.Uint64
	// closed: the client was closed, and all that ends with it has ended.
	closed atomic.Bool

	// limits is what the server allows, once it was asked.
	limits atomic.Pointer[pb.ServerLimits]
}

// plan is how one call is made.
type plan struct {
	timeout    time.Duration
	attempts   int
	repeatable bool
}

func (c *Calls) small(repeatable bool) plan {
	return plan{timeout: c.time(), attempts: c.attempts, repeatable: repeatable}
}

func (c *Calls) bulk(repeatable bool) plan {
	return plan{timeout: c.bulkTime(), attempts: c.attempts, repeatable: repeatable}
}

// time is the deadline of a call on one key.
func (c *Calls) time() time.Duration {
	if c.timeout > 0 {
		return c.timeout
	}
	return c.wire.profile.Call
}

// bulkTime is the deadline of a call on many entries.
func (c *Calls) bulkTime() time.Duration {
	if c.timeout > 0 {
		return c.timeout
	}
	return c.wire.profile.Bulk
}

// outgoing carries the token, and nothing of what the caller's context carries for other services.
func (w *wire) outgoing(ctx context.Context) context.Context {
	header := metadata.MD{}
	if w.token.isSet() {
		header.Set("authorization", w.token.header())
	}
	return metadata.NewOutgoingContext(ctx, header)
}

// unary makes a call of its own: tried until it works, may not be repeated, or the time is over. The clock here is the one
// that counts: a server that never answers must not hold the caller.
func unary[Q, A any](
	ctx context.Context, c *Calls, p plan, request Q,
	send func(pb.CacheServiceClient, context.Context, Q, ...grpc.CallOption) (A, error),
) (A, error) {
	var none A
	if gone := callerGone(ctx); gone != nil {
		return none, gone
	}
	if c.wire.closed.Load() {
		return none, closedError()
	}
	limited, cancel := context.WithTimeout(c.wire.outgoing(ctx), p.timeout)
	defer cancel()
	turn := c.wire.pool.turn()
	for attempt := 1; ; attempt++ {
		l := c.wire.pool.forCall(turn + uint64(attempt-1))
		answer, err := send(pb.NewCacheServiceClient(l.conn), limited, request)
		l.done()
		if err == nil {
			c.wire.budget.succeeded()
			return answer, nil
		}
		if err := unsendable(request, err); err != nil {
			return none, err
		}
		if err := c.waitToRetry(ctx, limited, p, attempt+1, err); err != nil {
			return none, err
		}
	}
}

// waitToRetry sleeps before the next try, or gives the error back when there is none. A wait that would not end before the
// deadline is not begun: the true cause says more than a timeout.
func (c *Calls) waitToRetry(ctx, limited context.Context, p plan, next int, err error) error {
	if c.wire.closed.Load() {
		return closedError()
	}
	if gone := callerGone(ctx); gone != nil {
		return gone
	}
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		return timedOut(p.timeout)
	}
	e := fromStatus(err)
	if e.Kind != KindUnavailable || isAnswer(e) {
		c.wire.budget.succeeded()
		// The server keeps the caller's time as well, and may be the first to say that it is over.
		ends, has := ctx.Deadline()
		own, _ := limited.Deadline()
		e.saysNothing = e.Kind == KindDeadlineExceeded && has && !ends.After(own)
		return e
	}
	allowed := c.wire.budget.failed()
	wait, again := waitBefore(next, p.attempts, p.repeatable, e)
	ends, _ := limited.Deadline()
	if !again || !allowed || !isWanted(ctx) || !time.Now().Add(wait).Before(ends) {
		return e
	}
	if !sleep(limited, wait) {
		if gone := callerGone(ctx); gone != nil {
			return gone
		}
		return timedOut(p.timeout)
	}
	c.wire.repeats.Add(1)
	return nil
}

type wantedKey struct{}

// whileWanted is for a call that goes to its end also when nobody waits for it any more, and is then not tried again.
func whileWanted(ctx context.Context, isWanted func() bool) context.Context {
	return context.WithValue(ctx, wantedKey{}, isWanted)
}

func isWanted(ctx context.Context) bool {
	wanted, says := ctx.Value(wantedKey{}).(func() bool)
	return !says || wanted()
}

// unsendable is what is wrong with a request that gRPC failed with before it was sent; nil when it was sent.
func unsendable(request any, err error) error {
	message, is := request.(proto.Message)
	if !is {
		return nil
	}
	// Only what may be such a failure is looked at again.
	switch status.Code(err) {
	case codes.Internal:
		if _, err := proto.Marshal(message); err != nil {
			return unsent("the request cannot be sent: one of its texts is not UTF-8")
		}
	case codes.ResourceExhausted:
		if proto.Size(message) > messageBytesMax {
			return unsent("the request cannot be sent: it is larger than a message may be")
		}
	}
	return nil
}

func unsent(message string) *Error {
	return &Error{Kind: KindInvalidArgument, Message: message, saysNothing: true}
}

// sleep waits, and tells whether the context lasted so long.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// opened is a stream of a server, with what ends it.
type opened[M any] struct {
	stream grpc.ServerStreamingClient[M]
	line   *line
	cancel context.CancelFunc
}

func (o *opened[M]) close() {
	o.cancel()
	o.line.done()
}

// open opens a stream within the time of the plan; the stream itself has no deadline. It is tried once: streams have their
// own ways to go on. Call close on it.
func open[Q, M any](
	ctx context.Context, c *Calls, timeout time.Duration, l *line, request Q,
	call func(*grpc.ClientConn, context.Context, Q, ...grpc.CallOption) (grpc.ServerStreamingClient[M], error),
) (*opened[M], error) {
	if gone := callerGone(ctx); gone != nil {
		l.done()
		return nil, gone
	}
	if c.wire.closed.Load() {
		l.done()
		return nil, closedError()
	}
	ending, cancel := context.WithCancel(c.wire.outgoing(ctx))
	late := atomic.Bool{}
	timer := time.AfterFunc(timeout, func() {
		late.Store(true)
		cancel()
	})
	o := &opened[M]{line: l, cancel: cancel}
	stream, err := call(l.conn, ending, request)
	if err == nil {
		// A stream is open when the server has said so; what it refuses comes with the first message.
		_, err = stream.Header()
	}
	inTime := timer.Stop()
	if err == nil && inTime {
		o.stream = stream
		return o, nil
	}
	o.close()
	switch gone := callerGone(ctx); {
	case c.wire.closed.Load():
		return nil, closedError()
	case gone != nil:
		return nil, gone
	case late.Load():
		return nil, timedOut(timeout)
	}
	if fault := unsendable(request, err); fault != nil {
		return nil, fault
	}
	return nil, fromStatus(err)
}

// endOf is how a stream ended that its reader did not expect to.
func endOf(err error) *Error {
	if errors.Is(err, io.EOF) {
		return failure(KindUnavailable, "the server closed the stream")
	}
	return fromStatus(err)
}
