package hotplate

// The one error type of the client. How a gRPC status becomes one lives in status.go; what to do about an error, with
// the callers.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is what sort of failure an [Error] is: the thing to branch on.
type Kind uint8

// The kinds. Each has a sentinel for [errors.Is], such as [ErrUnavailable].
const (
	// KindInternal is a fault in the server, or an answer that makes no sense.
	KindInternal Kind = iota
	// KindUnavailable means that the server could not be reached or is not ready. A later try may succeed.
	KindUnavailable
	// KindDeadlineExceeded means that the time allowed for the call ran out. Whether the server acted is not known.
	KindDeadlineExceeded
	// KindUnauthenticated means that the server does not know who is calling: no token, or a wrong one.
	KindUnauthenticated
	// KindPermissionDenied means that the caller is known but may not do this in this namespace.
	KindPermissionDenied
	// KindInvalidArgument means that the request can never succeed as it is; Field often names the part at fault.
	KindInvalidArgument
	// KindNotFound means that something named in the request does not exist. Never a missing key: that is a miss.
	KindNotFound
	// KindResourceExhausted means that a bound was reached; less, or later, may succeed.
	KindResourceExhausted
	// KindFailedPrecondition means that the server is not set up for this, or not in the state for it.
	KindFailedPrecondition
	// KindCancelled means that the caller gave up, or that the client was closed.
	KindCancelled
	// KindUnimplemented means that the server does not know this call.
	KindUnimplemented
	// KindCodec means that a value could not be encoded or decoded, or has another content type than the codec reads.
	KindCodec
	// KindConfiguration means that the client was set up in a way that cannot work.
	KindConfiguration
	// KindCompute means that the caller's own computation failed or panicked.
	KindCompute
)

// String is the kind's name in UPPER_SNAKE_CASE, as gRPC spells it where gRPC has one.
func (k Kind) String() string {
	names := [...]string{
		"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "NOT_FOUND",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "CANCELLED", "UNIMPLEMENTED", "CODEC", "CONFIGURATION", "COMPUTE",
	}
	if int(k) >= len(names) {
		return names[KindInternal]
	}
	return names[k]
}

// isOutage tells whether the cache itself is away, as opposed to the request being at fault.
func (k Kind) isOutage() bool {
	switch k {
	case KindUnavailable, KindDeadlineExceeded, KindResourceExhausted, KindInternal, KindCancelled:
		return true
	default:
		return false
	}
}

// sentinel is an error without state, to be compared with.
type sentinel string

func (s sentinel) Error() string {
	return "hotplate: " + strings.ToLower(strings.ReplaceAll(string(s), "_", " "))
}

// What [errors.Is] compares with: one for each [Kind], and those for what a read did not find.
const (
	ErrInternal           = sentinel("INTERNAL")
	ErrUnavailable        = sentinel("UNAVAILABLE")
	ErrDeadlineExceeded   = sentinel("DEADLINE_EXCEEDED")
	ErrUnauthenticated    = sentinel("UNAUTHENTICATED")
	ErrPermissionDenied   = sentinel("PERMISSION_DENIED")
	ErrInvalidArgument    = sentinel("INVALID_ARGUMENT")
	ErrNotFound           = sentinel("NOT_FOUND")
	ErrResourceExhausted  = sentinel("RESOURCE_EXHAUSTED")
	ErrFailedPrecondition = sentinel("FAILED_PRECONDITION")
	ErrCancelled          = sentinel("CANCELLED")
	ErrUnimplemented      = sentinel("UNIMPLEMENTED")
	ErrCodec              = sentinel("CODEC")
	ErrConfiguration      = sentinel("CONFIGURATION")
	ErrCompute            = sentinel("COMPUTE")

	// ErrMiss is what [Namespace.Value] and mode [CacheOnly] return when there is nothing that may be used.
	ErrMiss = sentinel("MISS")
	// ErrNegative is what [Namespace.Value] and [Namespace.GetOrCompute] return when the key is remembered as absent or
	// failed.
	ErrNegative = sentinel("NEGATIVE")
	// ErrClosed is what calls of a client return that was closed.
	ErrClosed = sentinel("CLOSED")
)

// Error is a failure: what sort, why, which field, and when to try again. Get it with [errors.As]; [errors.Is] compares
// its kind, such as [ErrUnavailable], and what caused it, such as [context.Canceled] or a computation's own error.
type Error struct {
	// Kind is what sort of failure.
	Kind Kind
	// Reason is the server's reason for programs, such as TTL_OUT_OF_BOUNDS; empty where it gave none.
	Reason string
	// Field is the request field at fault; empty when none is.
	Field string
	// Message is a sentence for people.
	Message string
	// RetryAfter is how long to wait before trying again; zero when the server did not say.
	RetryAfter time.Duration
	// Details is what else the server said for programs, by name: with TIER_PENDING what was done (applied) and what is
	// still to be (pending). May be nil.
	Details map[string]string

	also  sentinel
	cause error
	// saysNothing of the server: nothing was sent, or the caller's own clock ended it.
	saysNothing bool
	// isRefusal: whatever its kind, the request is at fault.
	isRefusal bool
}

// Error is the failure in a sentence. It holds neither keys nor values.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Kind.String())
	if e.Reason != "" {
		fmt.Fprintf(&text, " (%s)", e.Reason)
	}
	text.WriteString(": ")
	text.WriteString(e.Message)
	if e.Field != "" {
		fmt.Fprintf(&text, " (field `%s`)", e.Field)
	}
	return text.String()
}

// Is compares with the sentinels of this package.
func (e *Error) Is(target error) bool {
	s, ok := target.(sentinel)
	// A miss, or a remembered absence, is not that something named in the request does not exist.
	isOnlyAlso := e.Kind == KindNotFound && e.also != ""
	return ok && (s == e.also || (string(s) == e.Kind.String() && !isOnlyAlso))
}

// Unwrap is what caused it: the end of the caller's context, or the computation's own error.
func (e *Error) Unwrap() error { return e.cause }

func failure(kind Kind, format string, parts ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, parts...)}
}

// configuration is a setting of the client that cannot work.
func configuration(format string, parts ...any) *Error {
	return failure(KindConfiguration, format, parts...)
}

// invalid is an argument that the client refuses by itself, before any call.
func invalid(field, format string, parts ...any) *Error {
	e := failure(KindInvalidArgument, format, parts...)
	e.Field = field
	return e
}

func (e *Error) withReason(reason string) *Error {
	e.Reason = reason
	return e
}

// timedOut: the time allowed for a call ran out here, before an answer came.
func timedOut(after time.Duration) *Error {
	return failure(KindDeadlineExceeded, "no answer within %v", after)
}

// callerGone is what a caller gets whose context has ended, and nil while it has not.
func callerGone(ctx context.Context) *Error {
	cause := ctx.Err()
	switch {
	case cause == nil:
		return nil
	case errors.Is(cause, context.DeadlineExceeded):
		return &Error{Kind: KindDeadlineExceeded, Message: "the caller's context ended before there was an answer", cause: cause}
	default:
		return &Error{Kind: KindCancelled, Message: "the caller gave up", cause: cause}
	}
}

// closedError is what calls get when their client was closed.
func closedError() *Error {
	return &Error{Kind: KindCancelled, Message: "the client was closed", also: ErrClosed, saysNothing: true}
}

// asError is the failure that any error of this package is.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindInternal, Message: err.Error(), cause: err}
}

// loggable is what a log may hold of a failure: of what a caller's own code said, only that it failed.
func loggable(err error) string {
	e := asError(err)
	if e.cause != nil {
		return e.Kind.String()
	}
	return e.Error()
}

// hasReason tells whether the server gave this reason.
func hasReason(err error, reason string) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == reason
}
