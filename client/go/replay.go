package hotplate

// Carrying out the invalidations that were remembered, when the server is back. What is remembered lives in journal.go.

import (
	"context"
	"errors"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// internalsMax is how often the server may fail with one invalidation, while it answers, before everything of its namespace is
// dropped in its place: while one waits, nothing is read.
const internalsMax = 5

// replay carries out what is remembered in a task of its own, unless that is under way.
func (g *gate) replay(calls *Calls) {
	if g.journal.beginReplay() && !g.tasks.start(func(ctx context.Context) { g.replayAll(ctx, calls) }) {
		g.tellLost()
	}
}

// replayAll carries out what waits, oldest first, trying once a probe interval while the server is away. It ends when nothing waits
// any more, or with a last try when the client is closed.
func (g *gate) replayAll(ctx context.Context, calls *Calls) {
	for ctx.Err() == nil {
		batches, wait := g.journal.batches()
		if !wait {
			return
		}
		if !g.replayBatches(ctx, calls, batches) {
			sleep(ctx, jittered(probeInterval))
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWordWithin)
	defer cancel()
	if batches, wait := g.journal.batches(); wait {
		g.replayBatches(last, calls, batches)
		g.tellLost()
	}
}

// tellLost: the client is closed, and what still waits is lost with it.
func (g *gate) tellLost() {
	if lost := g.journal.pending(); lost > 0 {
		g.log.Error("the client was closed before the server was back: invalidations are lost", "count", lost)
	}
}

// replayBatches tries each once; false when the server is away, or one of them still waits.
func (g *gate) replayBatches(ctx context.Context, calls *Calls, batches [][]*waitingInvalidation) bool {
	settled := true
	for _, batch := range batches {
		err := g.replayOnce(ctx, calls, batch)
		if isAway(err) {
			return false
		}
		if err == nil {
			continue
		}
		// One bad selector must not take the rest of its batch with it.
		for i := range batch {
			one := batch[i : i+1]
			if len(batch) > 1 {
				err = g.replayOnce(ctx, calls, one)
			}
			if isAway(err) {
				return false
			}
			if err != nil && !g.refused(one[0], asError(err)) {
				settled = false
			}
		}
	}
	return settled
}

// isAway tells whether a failure is that of a server which cannot be asked now, rather than what it made of the request.
func isAway(err error) bool {
	return err != nil && asError(err).Kind.isOutage() && !errors.Is(err, ErrInternal)
}

// refused: what the server does not do is dropped; what it fails with again and again is widened, and then dropped as well. False
// while it still waits.
func (g *gate) refused(one *waitingInvalidation, e *Error) bool {
	if e.Kind == KindInternal {
		if one.internals++; one.internals < internalsMax {
			return false
		}
		if !one.widened {
			g.log.Error("the server failed with an invalidation again and again: everything of its namespace is dropped instead",
				"error", loggable(e))
			g.journal.widen(one)
			return false
		}
	}
	g.log.Error("the server refused an invalidation made while it was away: it is lost", "error", loggable(e))
	g.journal.forget(one)
	return true
}

func (g *gate) replayOnce(ctx context.Context, calls *Calls, batch []*waitingInvalidation) error {
	request := &pb.InvalidateRequest{
		Namespace: batch[0].namespace, Reason: "made while the server was away", ClientId: g.clientID,
	}
	for _, one := range batch {
		request.Selectors = append(request.Selectors, one.selector)
	}
	_, err := observed(ctx, g, func(ctx context.Context) (*pb.InvalidateResponse, error) { return calls.Invalidate(ctx, request) })
	if err != nil && isAnswer(asError(err)) {
		g.tellPending(asError(err))
		err = nil
	}
	if err == nil {
		g.replayed.Add(uint64(len(batch)))
		g.journal.forget(batch...)
	}
	return err
}
