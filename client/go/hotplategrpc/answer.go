package hotplategrpc

// A call that several may wait for: how it is made, and what its callers get of it.

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	hotplate "example.invalid/hotplate/client/go"
)

// sharedCall is a call with nothing in it that is its caller's, who may be gone when it is made.
type sharedCall struct {
	method        string
	asked, answer protoreflect.MessageType
	content       []byte
	conn          *grpc.ClientConn
	invoke        grpc.UnaryInvoker
	options       []grpc.CallOption
}

// sharedFor is for how long a call may go on whose caller has less time: it ends when nobody waits for it any more, but what renews a
// value behind its callers has no such end.
const sharedFor = time.Minute

// outOfTime is the failure of a call that ended with the time of the caller for whom it was made.
type outOfTime struct{ cause error }

func (o outOfTime) Error() string { return o.cause.Error() }

func (o outOfTime) Unwrap() error { return o.cause }

// GRPCStatus is that of the call.
func (o outOfTime) GRPCStatus() *status.Status { return status.Convert(o.cause) }

// shared answers from the cache, or makes the call for all who wait for it.
func (i *interceptor) shared(
	ctx context.Context, key hotplate.KeyPath, call *sharedCall, answer proto.Message, straight func() error,
) error {
	codec := hotplate.Proto(func() proto.Message { return call.answer.New().Interface() })
	space := hotplate.NS(i.client, i.namespace, codec)
	ends, has := ctx.Deadline()
	for {
		isOwn := false
		found, err := space.GetOrCompute(ctx, key, func(shared context.Context) (proto.Message, error) {
			isOwn = true
			if has {
				var cancel context.CancelFunc
				shared, cancel = context.WithTimeout(shared, max(time.Until(ends), sharedFor))
				defer cancel()
			}
			return call.make(shared)
		}, i.options...)
		switch {
		case err == nil:
			proto.Reset(answer)
			// A copy: others have got the same.
			proto.Merge(answer, found)
			return nil
		case ctx.Err() != nil:
			return status.FromContextError(ctx.Err()).Err()
		case errors.Is(err, hotplate.ErrClosed):
			return straight()
		case isOutOfTime(err) && !isOwn:
			// Another's time was over, this caller's is not.
			continue
		default:
			return failure(err)
		}
	}
}

func isOutOfTime(err error) bool {
	var over outOfTime
	return errors.As(err, &over)
}

func (c *sharedCall) make(ctx context.Context) (proto.Message, error) {
	request, reply := c.asked.New().Interface(), c.answer.New().Interface()
	if err := proto.Unmarshal(c.content, request); err != nil {
		return nil, status.Error(codes.Internal, "the request cannot be written and read again")
	}
	err := c.invoke(ctx, c.method, request, reply, c.conn, c.options...)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = outOfTime{err}
	}
	return reply, err
}

// failure is what the call itself failed with, also when that was remembered.
func failure(err error) error {
	var failed *hotplate.Error
	if !errors.As(err, &failed) || failed.Kind != hotplate.KindCompute {
		return err
	}
	if cause := errors.Unwrap(failed); cause != nil {
		return cause
	}
	code, message := rememberedStatus(failed.Message)
	return status.Error(code, message)
}

// rememberedStatus reads the text of a status, which is what is remembered of it.
func rememberedStatus(text string) (codes.Code, string) {
	rest, is := strings.CutPrefix(text, "rpc error: code = ")
	name, message, cut := strings.Cut(rest, " desc = ")
	for code := codes.OK + 1; is && cut && code <= codes.Unauthenticated; code++ {
		if code.String() == name {
			return code, message
		}
	}
	return codes.Unknown, text
}
