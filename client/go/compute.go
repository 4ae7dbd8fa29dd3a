package hotplate

// Computing what is missing, once, and storing it for everyone. Who waits for whom in this process lives in flight.go, who
// computes of all processes is found out in claim.go.

import (
	"context"
	"reflect"
	"time"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// renewalPause is for how long nobody tries again to renew a value when that failed, where the options do not say.
const renewalPause = time.Second

// storeWaitMax is for how long callers wait for their value to be stored, so that what they ask next finds it; then they get it, and
// storing goes on behind them.
const storeWaitMax = time.Second

// GetOrCompute returns the stored value, or computes and stores it.
//
//   - However many callers of this process ask for a key at once, it is looked up once. Of all processes that miss it at once,
//     one gets the key's lease and computes; the others wait for its value on the server, at most [Wait], and then compute for
//     themselves, which is not stored.
//   - The computation runs in a goroutine of its own, with a context of its own that carries the values of the first caller's:
//     a caller that gives up does not stop it for the others; when the last one does, its context ends. The lease is extended
//     meanwhile.
//   - The value is shared with all who wait for it, and with those who read it from the near cache: do not change it.
//   - A failure or panic of the computation is returned to all of this process who wait, as an error that is [ErrCompute] and
//     wraps the computation's own. The lease is given back, so that one of the other processes tries at once, unless
//     [RememberFailure] or [HoldOff] say otherwise; so it is when nobody waits any more. A process that is killed holds the
//     others up until its lease lapses.
//   - With [StaleWhileRevalidate], and for a value that is to be renewed ahead of its end, the caller gets what is there, and
//     the next value is computed behind it. With [StaleIfError], a stale value is returned in place of a failure.
//   - Storing is best effort: callers wait for it for at most 1 s, and its failure is logged and never theirs. As many values are
//     stored at once as may be computed ([WithComputationsMax]); one that finds no place within that time is not stored. A lease
//     that was lost, because of an invalidation for instance, stores nothing, and the caller still gets its value.
//   - Who asks after a write or an invalidation of this client was answered, whatever came of it, joins nothing that began
//     before it. Nor does a caller join one who accepts something else ([MaxAge], [StaleWhileRevalidate], [PerProcess], another
//     type): they ask side by side, and one of them gets the lease. Where the cache is away each of them computes.
//   - A computation may ask for others with the context it was given, which then wait for no place of
//     [WithComputationsMax]. What asks for itself so, directly or over others, is an error at once.
//   - A value stored by something else that cannot be read is computed anew and replaced.
//   - A cache that is away costs one computation in each process, which is not stored: what others invalidate meanwhile would
//     not reach it. So it is with a token that may only read, which takes no lease.
//
// Errors: [ErrCompute] with the computation's own message, with reason COMPUTE_FAILED when it was remembered; [ErrMiss] in
// mode [CacheOnly]; [ErrNegative] with the stored reason when the key is remembered as negative; [ErrInvalidArgument] for a
// computation that waits for itself; the end of ctx; with [OnErrorRaise] also what kept the cache from answering.
func (n *Namespace[T]) GetOrCompute(
	ctx context.Context, key AsKey, compute func(context.Context) (T, error), options ...ComputeOption,
) (value T, err error) {
	text, err := n.keyText(key)
	if err != nil {
		return value, err
	}
	o := computing(options)
	// What cannot be stored is refused before it is computed.
	if _, err := o.write.request(); err != nil {
		return value, err
	}
	ctx, ended := n.client.begin(ctx, "get_or_compute", n.name)
	defer func() { ended(plainResult(err)) }()
	switch o.mode {
	case CacheBypass:
		if n.client.tasks.isOver() {
			return value, closedError()
		}
		return guarded(ctx, n.client.log, compute)
	case CacheOnly:
		found, err := n.get(ctx, Text(text), o.reads(), toldShared)
		if err == nil {
			err = found.Err()
		}
		return found.Value, err
	case CacheUse:
		if found, kept := n.keptNear(text, o); kept {
			if gone := callerGone(ctx); gone != nil {
				return value, gone
			}
			return found.Value, found.Err()
		}
	}
	return join(ctx, n.client.flights, n.flightKey(text, o), func(ctx context.Context, c *course) (T, error) {
		return n.lookComputeStore(ctx, text, o, c, n.observed(compute))
	})
}

// flightKey is whom a caller with these options shares a computation with. StaleIfError is no part of it: it only changes what is
// done with a failure.
func (n *Namespace[T]) flightKey(key string, o *computeOptions) flightKey {
	shared := flightKey{
		namespace: n.name, key: key, refresh: o.mode == CacheRefresh, value: reflect.TypeFor[T](), maxAge: anyAge,
		stale: o.staleWhileRevalidate, perProcess: o.perProcess,
	}
	if o.maxAge != nil {
		shared.maxAge = *o.maxAge
	}
	return shared
}

// observed tells of the computation itself, which may be another caller's.
func (n *Namespace[T]) observed(compute func(context.Context) (T, error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (value T, err error) {
		ctx, ended := n.client.begin(ctx, "compute", n.name)
		defer func() { ended(plainResult(err)) }()
		return compute(ctx)
	}
}

// keptNear is what this process keeps. What it cannot read is left to who computes it anew.
func (n *Namespace[T]) keptNear(key string, o *computeOptions) (Lookup[T], bool) {
	kept := n.nearHit(key, o.reads())
	if kept.Kept == nil {
		return Lookup[T]{}, false
	}
	found, err := toldShared(n.codec, kept)
	return found, err == nil
}

func (n *Namespace[T]) lookComputeStore(
	ctx context.Context, key string, o *computeOptions, c *course, compute func(context.Context) (T, error),
) (T, error) {
	var none T
	right := claim[T]{free: true}
	if o.mode != CacheRefresh {
		var err error
		if right, err = n.claimIt(ctx, key, o, c); err != nil {
			return none, err
		}
	}
	switch right.found.Outcome {
	case Hit:
		if right.lease != nil {
			n.renew(ctx, key, o, right.lease, compute)
		}
		return right.found.Value, nil
	case Negative:
		right.lease.release()
		return none, right.found.Err()
	}
	release, ok := n.client.flights.turn(ctx, c)
	if !ok {
		right.lease.release()
		return none, callerGone(ctx)
	}
	began := time.Now()
	value, err := runComputation(ctx, n.client.tasks, n.client.log, release, compute)
	if err == nil && c.computed() {
		n.storeBehind(ctx, c, right, n.toStore(key, right, value, o, began))
		return value, nil
	}
	defer right.lease.release()
	if err == nil {
		return value, nil
	}
	if ctx.Err() != nil {
		// Nobody waits any more, and nobody learnt whether it can be computed: the lease goes to the next.
		return none, err
	}
	return n.fallBack(ctx, key, o, right.lease, asError(err))
}

// renew computes the next value behind the current one, in a task of its own. When as many computations run as may, the lease
// goes to someone else.
func (n *Namespace[T]) renew(
	ctx context.Context, key string, o *computeOptions, lease *held, compute func(context.Context) (T, error),
) {
	release, ok := n.client.flights.slot()
	if !ok {
		lease.release()
		return
	}
	own, ended := n.client.flights.beside(context.WithoutCancel(ctx), n.flightKey(key, o))
	ctx, cancel := context.WithCancel(own)
	started := n.client.tasks.start(func(closed context.Context) {
		defer ended()
		defer cancel()
		stop := context.AfterFunc(closed, cancel)
		defer stop()
		defer lease.release()
		began := time.Now()
		value, err := runComputation(ctx, n.client.tasks, n.client.log, release, compute)
		switch {
		case err == nil:
			right := claim[T]{lease: lease}
			n.storeInTurn(ctx, right, n.toStore(key, right, value, o, began), time.After(storeWaitMax))
		case ctx.Err() == nil:
			n.client.log.Warn("a value could not be renewed and is used while it may be", "kind", asError(err).Kind.String())
			lease.fail(asError(err), beside(o), &o.write)
		}
	})
	if !started {
		cancel()
		ended()
		release()
		lease.release()
	}
}

// beside is for how long a failure is remembered beside a value that may still be used: the server keeps both, and lets nobody
// try again meanwhile.
func beside(o *computeOptions) Lifetime {
	switch {
	case o.failureTTL != nil:
		return *o.failureTTL
	case o.holdOff != nil:
		return For(*o.holdOff)
	default:
		return For(renewalPause)
	}
}

// storeBehind stores a value, if there is a right to, in a task of its own that goes on when it takes longer than the callers wait for
// it. Without a lease it ends with what outdates the value.
func (n *Namespace[T]) storeBehind(ctx context.Context, c *course, right claim[T], request *pb.PutRequest) {
	if request == nil {
		right.lease.release()
		return
	}
	storing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := func() {}
	if right.lease == nil {
		var ok bool
		if ended, ok = c.unleased(cancel); !ok {
			cancel()
			return
		}
	}
	timer := time.NewTimer(storeWaitMax)
	defer timer.Stop()
	placed, stored := make(chan time.Time), make(chan struct{})
	defer close(placed)
	started := n.client.tasks.start(func(closed context.Context) {
		defer close(stored)
		defer ended()
		defer cancel()
		defer context.AfterFunc(closed, cancel)()
		n.storeInTurn(storing, right, request, placed)
	})
	if !started {
		cancel()
		ended()
		right.lease.release()
		return
	}
	select {
	case <-stored:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// storeInTurn stores a value when fewer are being stored than may be; not at all when that is not so by then.
func (n *Namespace[T]) storeInTurn(ctx context.Context, right claim[T], request *pb.PutRequest, until <-chan time.Time) {
	if request == nil {
		return
	}
	release, ok := n.client.flights.store(ctx, until)
	if !ok {
		right.lease.release()
		if ctx.Err() == nil {
			n.client.log.Warn("a computed value is not stored: as many are being stored as may be", "max", cap(n.client.flights.stores))
		}
		return
	}
	defer release()
	n.store(ctx, right, request)
}

// toStore is what stores a value; nil when there is no right to, or it cannot be written.
func (n *Namespace[T]) toStore(
	key string, right claim[T], value T, o *computeOptions, began time.Time,
) *pb.PutRequest {
	if right.lease == nil && !right.free {
		return nil
	}
	write := o.write
	if write.cost == nil {
		cost := time.Since(began)
		write.cost = &cost
	}
	request, err := n.putRequest(Text(key), value, &write)
	if err != nil {
		n.client.log.Warn("a computed value could not be stored", "error", loggable(err))
		return nil
	}
	return request
}

// store stores a value, and lets go of the lease.
func (n *Namespace[T]) store(ctx context.Context, right claim[T], request *pb.PutRequest) {
	defer right.lease.release()
	var err error
	if right.lease != nil {
		err = right.lease.put(ctx, request)
	} else {
		_, err = n.send(ctx, request)
	}
	if err != nil && ctx.Err() == nil {
		n.client.log.Warn("a computed value could not be stored", "error", loggable(err))
	}
}

// fallBack is what the caller gets whose computation failed, and what becomes of the lease.
func (n *Namespace[T]) fallBack(
	ctx context.Context, key string, o *computeOptions, lease *held, failed *Error,
) (T, error) {
	found := Lookup[T]{}
	if o.staleIfError && o.mode == CacheUse {
		found = n.stale(ctx, key, o)
	}
	if lease != nil {
		switch {
		case found.Outcome != Hit && o.failureTTL != nil:
			lease.fail(failed, *o.failureTTL, &o.write)
		// Who would rather have the failure than the stale value tries for itself.
		case o.holdOff != nil:
			lease.holdOff(*o.holdOff)
		}
	}
	if found.Outcome != Hit {
		return found.Value, failed
	}
	n.client.log.Warn("a computation failed and a stale value is used", "kind", failed.Kind.String())
	return found.Value, nil
}

func (n *Namespace[T]) stale(ctx context.Context, key string, o *computeOptions) Lookup[T] {
	found, err := n.get(ctx, Text(key), &readOptions{stale: pb.StalePolicy_STALE_POLICY_IF_ERROR, maxAge: o.maxAge}, toldAnew)
	if err != nil {
		n.client.log.Warn("a computation failed and whether there is a stale value is not known", "error", loggable(err))
		return Lookup[T]{}
	}
	return found
}
