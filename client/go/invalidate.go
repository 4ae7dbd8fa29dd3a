package hotplate

// Dropping entries, marking them stale and having them fetched anew, by what selects them. What is kept in this process
// follows.

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

// InvalidateOutcome is what became of an invalidation.
type InvalidateOutcome uint8

const (
	// Done means that it was carried out.
	Done InvalidateOutcome = iota
	// Queued means that the cache is away: it is remembered, and carried out before this client reads again.
	Queued
	// TurnedOff means that the cache is turned off in this process.
	TurnedOff
)

// String is the outcome's name in lower case.
func (o InvalidateOutcome) String() string {
	switch o {
	case Queued:
		return "queued"
	case TurnedOff:
		return "disabled"
	default:
		return "done"
	}
}

// InvalidateResult is what became of an invalidation.
type InvalidateResult struct {
	// Outcome is which of them.
	Outcome InvalidateOutcome
	// Matched are the entries that were selected, when it is done; an estimate where a set selected many.
	Matched uint64
	// Refreshing are, of a refresh, the entries that are fetched anew; Job is the preload job that fetches them, empty when
	// there is nothing to fetch. [Namespace.JoinPreload] follows it.
	Refreshing uint64
	Job        string
}

// Remove drops one entry.
//
// Errors: as [Namespace.Invalidate].
func (n *Namespace[T]) Remove(ctx context.Context, key AsKey) (InvalidateResult, error) {
	return n.Invalidate(ctx, ByKey(key))
}

// Invalidate drops what any of 1 to 128 selectors selects, and what was made from it. Once it has answered, nobody reads from
// this server what was stored before; computations under way in this process that began before are not stored.
//
// Errors: what the server refused; [ErrResourceExhausted] with reason JOURNAL_FULL when the cache is away and no more can be
// remembered; the end of ctx, after which it is not known whether it happened.
func (n *Namespace[T]) Invalidate(ctx context.Context, selectors ...Selector) (InvalidateResult, error) {
	return n.change(ctx, "invalidate", selectors, &pb.InvalidateRequest{})
}

// MarkStale marks stale what any of the selectors selects: it is served to who accepts stale values, within its StaleFor,
// and what has none is dropped. spreadOver, at most 1 h and zero for at once, lets each entry become stale at a moment of its
// own, so that not everything is computed anew at once. When the cache is away it is remembered, and dropped later.
//
// Errors: as [Namespace.Invalidate].
func (n *Namespace[T]) MarkStale(
	ctx context.Context, spreadOver time.Duration, selectors ...Selector,
) (InvalidateResult, error) {
	how := &pb.InvalidateRequest{Mode: pb.InvalidateMode_INVALIDATE_MODE_MARK_STALE}
	if spreadOver != 0 {
		how.SpreadOver = durationpb.New(spreadOver)
	}
	return n.change(ctx, "mark_stale", selectors, how)
}

// RefreshFrom is where a refresh fetches from.
type RefreshFrom struct {
	// Origin of the namespace; empty means its only one.
	Origin string
	// Parameters for the origin's template, the same for every entry: at most 32 of 4 KiB in all.
	Parameters map[string]string
}

// Refresh marks stale what any of the selectors selects, and has the server fetch it anew from an origin of the namespace.
// Until that is done the old values are stale. What was made from what is selected is marked stale only. Needs the
// permissions to invalidate and to preload. When the cache is away it is remembered, and dropped later.
//
// Errors: as [Namespace.Invalidate]; reasons NO_ORIGIN, BATCH_TOO_LARGE and TOO_MANY_JOBS: nothing was marked.
func (n *Namespace[T]) Refresh(
	ctx context.Context, from RefreshFrom, selectors ...Selector,
) (InvalidateResult, error) {
	if fault := textFault("refresh", append(texts(from.Parameters), from.Origin)...); fault != nil {
		return InvalidateResult{}, fault
	}
	return n.change(ctx, "refresh", selectors, &pb.InvalidateRequest{
		Mode:    pb.InvalidateMode_INVALIDATE_MODE_REFRESH,
		Refresh: &pb.RefreshFrom{Origin: from.Origin, Parameters: from.Parameters},
	})
}

func (n *Namespace[T]) change(
	ctx context.Context, name string, selectors []Selector, request *pb.InvalidateRequest,
) (result InvalidateResult, err error) {
	if request.Selectors, err = wired(selectors); err == nil {
		err = n.fault
	}
	if err == nil {
		err = firstFault(textFault("reason", n.reason))
	}
	if err != nil {
		return InvalidateResult{}, err
	}
	request.Namespace, request.ClientId, request.Reason = n.name, n.client.clientID, n.reason
	ctx, ended := n.client.begin(ctx, name, n.name)
	defer func() { ended(plainResult(err)) }()
	n.client.flights.outdate(n.name)
	// What was looked up between the first time and the answer may still be what was dropped, also when it is only remembered, or
	// nobody knows whether it happened.
	defer n.client.flights.outdate(n.name)
	if n.client.tasks.isOver() {
		return InvalidateResult{}, closedError()
	}
	if n.client.gate.disabled {
		return InvalidateResult{Outcome: TurnedOff}, nil
	}
	sets := make([]near.Set, 0, len(request.Selectors)+1)
	for _, selector := range request.Selectors {
		sets = append(sets, near.SetOf(selector))
	}
	// What was made from what is named goes as well, and this client is not told of what it does itself.
	write := n.near.write(append(sets, near.Dependents())...)
	defer write.end()
	response, err := n.client.gate.invalidate(ctx, n.client.calls, request)
	switch {
	case err != nil:
		return InvalidateResult{}, err
	case response == nil:
		n.client.gate.replay(n.client.calls)
		return InvalidateResult{Outcome: Queued}, nil
	}
	write.answered()
	return InvalidateResult{
		Matched: response.GetMatchedCount(), Refreshing: response.GetRefreshingCount(), Job: response.GetRefreshJobId(),
	}, nil
}
