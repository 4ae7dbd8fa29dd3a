package hotplate

// Running a caller's own function: what it fails with, and what is told of its panic.

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
)

// framesMax of a panic are told.
const framesMax = 32

// runComputation runs a caller's function in a goroutine of its own, so that one that does not end with its context holds up
// nobody but itself. release is called when it has ended.
func runComputation[T any](
	ctx context.Context, running *tasks, log *slog.Logger, release func(), compute func(context.Context) (T, error),
) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	result := make(chan outcome, 1)
	started := running.start(func(context.Context) {
		defer release()
		// What ends a goroutine otherwise than by a panic, such as FailNow of a test, ends only this one.
		out := outcome{err: failure(KindCompute, "the computation ended its goroutine")}
		defer func() { result <- out }()
		out.value, out.err = guarded(ctx, log, compute)
	})
	var none T
	if !started {
		release()
		return none, closedError()
	}
	select {
	case out := <-result:
		return out.value, out.err
	case <-ctx.Done():
	}
	select {
	case out := <-result:
		return out.value, out.err
	default:
		return none, &Error{Kind: KindCancelled, Message: "nobody waited for the computation any more", cause: ctx.Err()}
	}
}

// guarded runs a caller's function. What it panicked with may hold what was computed with, and is told to nobody; where it did is
// logged.
func guarded[T any](
	ctx context.Context, log *slog.Logger, compute func(context.Context) (T, error),
) (value T, err error) {
	defer func() {
		if recover() != nil {
			log.Error("a computation panicked", "at", panickedAt())
			err = failure(KindCompute, "the computation panicked")
		}
	}()
	if value, err = compute(ctx); err != nil {
		err = &Error{Kind: KindCompute, Message: err.Error(), cause: err}
	}
	return value, err
}

// panickedAt is where the panic that is being recovered from began, innermost first: functions and lines, without arguments.
func panickedAt() string {
	callers := make([]uintptr, framesMax)
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	var told []string
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if frame.Function == "runtime.gopanic" {
			told = nil
			continue
		}
		told = append(told, fmt.Sprintf("%s (%s:%d)", frame.Function, frame.File, frame.Line))
	}
	return strings.Join(told, "; ")
}
