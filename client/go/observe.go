package hotplate

// What is told of every operation, for traces and metrics. Where it goes is the observer's business.

import (
	"context"
	"errors"
)

// Operation is something that a caller asked for.
type Operation struct {
	// Name is what: get, get_many, put, put_many, touch, invalidate, mark_stale, refresh, get_or_compute, compute,
	// read_stream or write_stream.
	Name string
	// Namespace is where.
	Namespace string
}

// Result is what came of an operation.
type Result struct {
	// Outcome is, for a read, hit, miss or negative; for a write its [WriteOutcome]; else ok; for a failure error.
	Outcome string
	// Tier is the tier that answered, TierUnknown without; Near tells whether this process did.
	Tier Tier
	Near bool
	// Err is the failure.
	Err error
}

// Observer is told of every operation. Its methods are called on the caller's goroutine, and must not block.
type Observer interface {
	// Begin is called when an operation begins. The operation goes on with the context it gives, and calls the function when
	// it has ended.
	Begin(ctx context.Context, operation Operation) (context.Context, func(Result))
}

// begin tells of an operation.
func (c *Client) begin(ctx context.Context, name, namespace string) (context.Context, func(Result)) {
	if c.observer == nil {
		return ctx, func(Result) {}
	}
	return c.observer.Begin(ctx, Operation{Name: name, Namespace: namespace})
}

func readResult[T any](found *Lookup[T], err error) Result {
	if err != nil {
		return failed(err)
	}
	return Result{Outcome: found.Outcome.String(), Tier: found.Tier, Near: found.Near}
}

func writeResult(w Written, err error) Result {
	if err != nil {
		return failed(err)
	}
	return Result{Outcome: w.Outcome.String()}
}

func plainResult(err error) Result {
	if err != nil {
		return failed(err)
	}
	return Result{Outcome: "ok"}
}

func failed(err error) Result {
	if errors.Is(err, ErrMiss) {
		return Result{Outcome: Miss.String()}
	}
	if errors.Is(err, ErrNegative) {
		return Result{Outcome: Negative.String()}
	}
	return Result{Outcome: "error", Err: err}
}
