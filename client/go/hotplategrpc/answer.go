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

// sharedFor is for how long a call may go on whose caller has less time, or is gone: it ends when nobody waits for it any more, but what
// renews a value behind its callers has no such end.
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
	served, gone := context.WithCancel(context.Background())
	defer gone()
	for {
		isOwn := false
		found, err := space.GetOrCompute(ctx, key, func(shared context.Context) (proto.Message, error) {
			isOwn = true
			var cancel context.CancelFunc
			if has {
				shared, cancel = context.WithTimeout(shared, max(time.Until(ends), sharedFor))
			} else {
				shared, cancel = lingering(shared, served)
			}
			defer cancel()
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
		case !isOfTheCall(err):
			return straight()
		case isOutOfTime(err) && !isOwn:
			// Another's time was over, this caller's is not.
			continue
		default:
			return failure(err)
		}
	}
}

// errLingered is why a call ended whose caller has been gone for too long.
var errLingered = errors.New("the caller of this call is gone")

// lingering is a context that ends so long after its caller was served, or gave up.
func lingering(ctx, served context.Context) (context.Context, context.CancelFunc) {
	running, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(served, func() {
		timer := time.AfterFunc(sharedFor, func() { cancel(errLingered) })
		context.AfterFunc(running, func() { timer.Stop() })
	})
	return running, func() {
		stop()
		cancel(nil)
	}
}

// isOfTheCall tells what the call itself failed with from what the cache did: nobody's call fails because the cache refuses something.
func isOfTheCall(err error) bool {
	var failed *hotplate.Error
	return errors.As(err, &failed) && failed.Kind == hotplate.KindCompute
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
	if err != nil && (errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(context.Cause(ctx), errLingered)) {
		err = outOfTime{err}
	}
	return reply, err
}

// failure is what the call itself failed with, also when that was remembered.
func failure(err error) error {
	var failed *hotplate.Error
	if !errors.As(err, &failed) {
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
