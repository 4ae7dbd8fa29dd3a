package hotplate

// Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered
// invalidation; what is remembered lives in journal.go.

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// DegradationCounts is how often the typed layer went on without the cache, since the client was made.
type DegradationCounts struct {
	// ReadsWithoutCache are reads that were misses because the cache was away.
	ReadsWithoutCache uint64
	// WritesDropped are writes that were dropped.
	WritesDropped uint64
	// InvalidationsQueued are selectors that were remembered for later.
	InvalidationsQueued uint64
	// InvalidationsReplayed are remembered ones that were carried out.
	InvalidationsReplayed uint64
	// Outages is how often the cache was found to be away.
	Outages uint64
}

// gate is the guard of a client.
type gate struct {
	breaker  *breaker
	journal  journal
	raise    bool
	disabled bool
	clientID string
	log      *slog.Logger
	tasks    *tasks

	reads, writes, queued, replayed atomic.Uint64
}

// attempt makes a guarded call. A reason means that the cache was not asked or did not answer, and the caller goes on
// without; it is counted by away.
func attempt[A any](
	ctx context.Context, g *gate, away *atomic.Uint64, call func(context.Context) (A, error),
) (A, MissReason, error) {
	var none A
	var err error
	switch {
	case g.tasks.isOver():
		return none, "", closedError()
	case g.disabled:
		away.Add(1)
		return none, Disabled, nil
	case g.journal.pending() > 0 || !g.breaker.admits():
		// What this client invalidated may still be stored: reading it would undo the invalidation.
		err = failure(KindUnavailable, "the cache was away a moment ago")
	default:
		var answer A
		if answer, err = observed(ctx, g, call); err == nil {
			return answer, "", nil
		}
	}
	reason, err := g.degraded(ctx, err)
	if err == nil {
		away.Add(1)
	}
	return none, reason, err
}

// observed makes a call and tells the breaker whether anyone answered.
func observed[A any](ctx context.Context, g *gate, call func(context.Context) (A, error)) (A, error) {
	answer, err := call(ctx)
	var e *Error
	switch {
	// What is done in part is an answer.
	case err == nil || !errors.As(err, &e) || isAnswer(e):
		g.breaker.succeeded()
	case ctx.Err() != nil || e.saysNothing || e.Kind == KindCancelled:
		// Who gave up, whose own clock ended it and who sent nothing learnt nothing about the server. Nor does a call that something
		// on the way cancelled.
	case e.Kind == KindUnavailable || e.Kind == KindDeadlineExceeded:
		g.breaker.failed()
	default:
		g.breaker.succeeded()
	}
	return answer, err
}

// degraded turns an outage into the reason of a miss, and gives everything else back.
func (g *gate) degraded(ctx context.Context, err error) (MissReason, error) {
	e := asError(err)
	switch {
	case g.tasks.isOver():
		return "", closedError()
	case ctx.Err() != nil || g.raise || e.isRefusal || !e.Kind.isOutage():
		return "", err
	case e.Kind == KindDeadlineExceeded:
		return Timeout, nil
	default:
		return Unavailable, nil
	}
}

// invalidate carries out an invalidation, or remembers it: nil without an error. A client that is closed lets it end, within the
// time of a last word.
func (g *gate) invalidate(
	ctx context.Context, calls *Calls, request *pb.InvalidateRequest,
) (*pb.InvalidateResponse, error) {
	if !g.tasks.enter(false) {
		return nil, closedError()
	}
	defer g.tasks.leave()
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.tasks.ctx, func() { time.AfterFunc(lastWordWithin, cancel) })()
	var err error = failure(KindUnavailable, "the cache was away a moment ago")
	if g.journal.pending() == 0 && g.breaker.admits() {
		var response *pb.InvalidateResponse
		send := func(ctx context.Context) (*pb.InvalidateResponse, error) { return calls.Invalidate(ctx, request) }
		if response, err = observed(sending, g, send); err == nil {
			return response, nil
		}
	}
	if e := asError(err); isAnswer(e) && !g.raise {
		g.tellPending(e)
		return &pb.InvalidateResponse{}, nil
	}
	if _, err := g.degraded(ctx, err); err != nil {
		return nil, err
	}
	if err := g.journal.remember(request.GetNamespace(), request.GetSelectors()); err != nil {
		return nil, err
	}
	g.queued.Add(uint64(len(request.GetSelectors())))
	return nil, nil
}

// tellPending: the server has done its part of an invalidation, and does the rest by itself.
func (g *gate) tellPending(e *Error) {
	g.log.Warn("an invalidation is carried out, and the server still owes it to a tier that is away", "pending", e.Details["pending"])
}

func (g *gate) counts() DegradationCounts {
	return DegradationCounts{
		ReadsWithoutCache:     g.reads.Load(),
		WritesDropped:         g.writes.Load(),
		InvalidationsQueued:   g.queued.Load(),
		InvalidationsReplayed: g.replayed.Load(),
		Outages:               g.breaker.outages(),
	}
}
