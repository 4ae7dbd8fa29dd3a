package hotplate

// Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered
// invalidation; what is remembered lives in journal.go.

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

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
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		// Who gave up learnt nothing about the server.
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
	case ctx.Err() != nil || g.raise || !e.Kind.isOutage():
		return "", err
	case e.Kind == KindDeadlineExceeded:
		return Timeout, nil
	default:
		return Unavailable, nil
	}
}

// invalidate carries out an invalidation, or remembers it: nil without an error.
func (g *gate) invalidate(
	ctx context.Context, calls *Calls, request *pb.InvalidateRequest,
) (*pb.InvalidateResponse, error) {
	if g.tasks.isOver() {
		return nil, closedError()
	}
	var err error = failure(KindUnavailable, "the cache was away a moment ago")
	if g.journal.pending() == 0 && g.breaker.admits() {
		var response *pb.InvalidateResponse
		send := func(ctx context.Context) (*pb.InvalidateResponse, error) { return calls.Invalidate(ctx, request) }
		if response, err = observed(ctx, g, send); err == nil {
			return response, nil
		}
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

// replay carries out what is remembered in a task of its own, unless that is under way.
func (g *gate) replay(calls *Calls) {
	if g.journal.beginReplay() {
		g.tasks.start(func(ctx context.Context) { g.replayAll(ctx, calls) })
	}
}

// replayAll carries out what waits, oldest first, trying once a probe interval while the server is away. It ends when
// nothing waits any more.
func (g *gate) replayAll(ctx context.Context, calls *Calls) {
	for {
		namespace, selectors := g.journal.nextBatch()
		if len(selectors) == 0 || ctx.Err() != nil {
			return
		}
		err := g.replayOnce(ctx, calls, namespace, selectors)
		if err == nil {
			continue
		}
		if asError(err).Kind.isOutage() {
			sleep(ctx, jittered(probeInterval))
			continue
		}
		// One bad selector must not take the rest of its batch with it.
		for _, selector := range selectors {
			err := g.replayOnce(ctx, calls, namespace, []*pb.Selector{selector})
			if err != nil && asError(err).Kind.isOutage() {
				break
			}
			if err != nil {
				g.log.Error("the server refused an invalidation made while it was away", "error", err)
				g.journal.forget(1)
			}
		}
	}
}

func (g *gate) replayOnce(ctx context.Context, calls *Calls, namespace string, selectors []*pb.Selector) error {
	_, err := observed(ctx, g, func(ctx context.Context) (*pb.InvalidateResponse, error) {
		return calls.Invalidate(ctx, &pb.InvalidateRequest{
			Namespace: namespace, Selectors: selectors, Reason: "made while the server was away", ClientId: g.clientID,
		})
	})
	if err == nil {
		g.replayed.Add(uint64(len(selectors)))
		g.journal.forget(len(selectors))
	}
	return err
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
