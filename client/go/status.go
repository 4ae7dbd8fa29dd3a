package hotplate

// How a gRPC status, or the failure of an item of a batch, becomes an Error.

import (
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

func kindOfCode(code codes.Code) Kind {
	switch code {
	case codes.Unavailable:
		return KindUnavailable
	case codes.DeadlineExceeded:
		return KindDeadlineExceeded
	case codes.Unauthenticated:
		return KindUnauthenticated
	case codes.PermissionDenied:
		return KindPermissionDenied
	case codes.InvalidArgument, codes.OutOfRange:
		return KindInvalidArgument
	case codes.NotFound:
		return KindNotFound
	case codes.ResourceExhausted:
		return KindResourceExhausted
	case codes.FailedPrecondition, codes.AlreadyExists, codes.Aborted:
		return KindFailedPrecondition
	case codes.Canceled:
		return KindCancelled
	case codes.Unimplemented:
		return KindUnimplemented
	default:
		return KindInternal
	}
}

// GRPCStatus is the failure as gRPC has it, for programs that branch on [status.Code]. The failure of a computation that is a status
// itself is that one.
func (e *Error) GRPCStatus() *status.Status {
	var own interface{ GRPCStatus() *status.Status }
	if errors.As(e.cause, &own) {
		return own.GRPCStatus()
	}
	code := codes.Unknown
	switch e.Kind {
	case KindInternal, KindCodec:
		code = codes.Internal
	case KindUnavailable:
		code = codes.Unavailable
	case KindDeadlineExceeded:
		code = codes.DeadlineExceeded
	case KindUnauthenticated:
		code = codes.Unauthenticated
	case KindPermissionDenied:
		code = codes.PermissionDenied
	case KindInvalidArgument:
		code = codes.InvalidArgument
	case KindNotFound:
		code = codes.NotFound
	case KindResourceExhausted:
		code = codes.ResourceExhausted
	case KindFailedPrecondition, KindConfiguration:
		code = codes.FailedPrecondition
	case KindCancelled:
		code = codes.Canceled
	case KindUnimplemented:
		code = codes.Unimplemented
	case KindCompute:
	}
	return status.New(code, e.Message)
}

// fromStatus reads what a call ended with.
func fromStatus(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	s, ok := status.FromError(err)
	if !ok {
		return asError(err)
	}
	e := &Error{Kind: kindOfCode(s.Code()), Message: s.Message()}
	if e.Kind == KindInternal && isConnectionLoss(s.Message()) {
		e.Kind = KindUnavailable
	}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Details = d.GetReason(), d.GetMetadata()
		case *errdetails.BadRequest:
			if v := d.GetFieldViolations(); len(v) > 0 {
				e.Field = v[0].GetField()
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = max(d.GetRetryDelay().AsDuration(), 0)
		}
	}
	return e
}

// isConnectionLoss tells whether the transport, not the server's handler, made this status: a connection that broke
// under a call is not always reported as UNAVAILABLE.
func isConnectionLoss(message string) bool {
	for _, made := range []string{"stream terminated by RST_STREAM", "transport:", "error reading from server", "connection error"} {
		if strings.Contains(message, made) {
			return true
		}
	}
	return false
}

// ItemFault is the failure of one item of a batch or a stream that comes as a message, such as a preload's.
func ItemFault(item *pb.ItemError) *Error { return fromItem(item) }

// fromItem reads the failure of one item of a batch or a stream.
func fromItem(item *pb.ItemError) *Error {
	after := time.Duration(0)
	if item.GetRetryAfter() != nil {
		after = max(item.GetRetryAfter().AsDuration(), 0)
	}
	return &Error{
		Kind:       kindOfCode(codes.Code(uint32(item.GetCode()))),
		Reason:     item.GetReason(),
		Field:      item.GetField(),
		Message:    item.GetMessage(),
		RetryAfter: after,
		Details:    item.GetDetails(),
	}
}
