package hotplate

// Finding out who computes: looks a key up, takes its lease when nobody has it, or waits for who has. What is done with the
// answer is decided in compute.go, what becomes of a lease in lease.go.

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// retryAfterDefault is when to ask again, where the server does not say.
const retryAfterDefault = 100 * time.Millisecond

// claim is what a caller has to do: return what was found, or compute.
type claim[T any] struct {
	// found is a hit or a negative; a miss means to compute.
	found Lookup[T]
	// lease is the right to store what is computed; with a hit, to renew it.
	lease *held
	// free: none is needed, as the cache was not asked for one. Neither: another process computes the same, the cache did
	// not answer, gave none, or the caller may only read, and nothing is stored.
	free bool
}

type askKind uint8

const (
	// askLook asks for what is there.
	askLook askKind = iota
	// askLease asks for the lease as well.
	askLease
	// askWait asks for the lease, or for the value as soon as it is there.
	askWait
)

// ask is how one call asks, and for how long it waits.
type ask struct {
	kind    askKind
	longest time.Duration
}

// claimIt asks until it is known what to do, within the time that the caller wants to wait.
func (n *Namespace[T]) claimIt(ctx context.Context, key string, options *computeOptions, c *course) (claim[T], error) {
	ends := time.Now().Add(options.wait)
	mayWrite, anew := true, true
	for {
		began := time.Now()
		how := n.nextAsk(options, mayWrite, ends.Sub(began))
		response, lease, err := n.askOnce(ctx, key, options, how, c)
		switch {
		// A lease takes the right to write. Who may only read still reads.
		case errors.Is(err, ErrPermissionDenied) && how.kind != askLook:
			mayWrite = false
			continue
		case err != nil:
			return claim[T]{}, err
		// What others invalidate until it is computed nobody can tell a process without a lease: it stores nothing. Who has one, and
		// could not read the large value beside it, computes under it.
		case response == nil:
			return claim[T]{lease: lease}, nil
		// The value was gone by the time it was read, and that it is gone was told without a lease.
		case isBareMiss(response, lease) && how.kind != askLook && anew:
			anew = false
			continue
		case response.GetOutcome() != pb.GetOutcome_GET_OUTCOME_PENDING:
			return n.claimed(response, lease, mayWrite && (how.kind == askLook || !isBareMiss(response, lease)))
		}
		again, err := askAgain(ctx, response, how, began, ends)
		if err != nil || !again {
			return claim[T]{}, err
		}
	}
}

func (n *Namespace[T]) nextAsk(options *computeOptions, mayWrite bool, left time.Duration) ask {
	switch {
	case options.perProcess || !mayWrite:
		return ask{kind: askLook}
	case left <= 0:
		return ask{kind: askLease}
	default:
		// A longer wait is made of several calls, so that a server that froze is found out.
		return ask{askWait, min(left, n.client.calls.time())}
	}
}

// askOnce asks. With an answer comes the lease, if there is one, which is held already.
func (n *Namespace[T]) askOnce(
	ctx context.Context, key string, options *computeOptions, how ask, c *course,
) (*pb.GetResponse, *held, error) {
	request := (&readOptions{maxAge: options.maxAge}).get(n.name, key)
	if options.staleWhileRevalidate {
		request.StalePolicy = pb.StalePolicy_STALE_POLICY_WHILE_REVALIDATE
	}
	calls := n.client.calls
	switch how.kind {
	case askLease:
		request.MissPolicy = pb.MissPolicy_MISS_POLICY_LEASE
	case askWait:
		request.MissPolicy = pb.MissPolicy_MISS_POLICY_LEASE_OR_WAIT
		request.WaitTimeout = durationpb.New(how.longest)
		calls = calls.WithTimeout(calls.time() + how.longest)
	}
	filling := n.nearFill(&readOptions{})
	gate := n.client.gate
	var lease *held
	isWanted := true
	response, _, err := attempt(ctx, gate, &gate.reads, func(ctx context.Context) (*pb.GetResponse, error) {
		if how.kind == askLook {
			return calls.getWhole(ctx, request)
		}
		if isWanted = c.asks(); !isWanted {
			return nil, unwanted()
		}
		response, err := calls.Get(whileWanted(ctx, c.isWanted), request)
		isWanted = c.answered()
		// Held from here on, whatever becomes of the rest of the answer.
		if response.GetLease() != nil {
			lease = n.client.hold(n.name, key, response.GetLease())
		}
		if err != nil || !isWanted {
			return response, err
		}
		return n.client.calls.withLarge(ctx, request, response)
	})
	switch {
	case !isWanted:
		lease.release()
		return nil, nil, unwanted()
	case err != nil:
		lease.release()
		return nil, nil, err
	case response == nil:
		return nil, lease, nil
	case response.GetOutcome() != pb.GetOutcome_GET_OUTCOME_PENDING:
		filling.offer(key, response)
	}
	return response, lease, nil
}

// isBareMiss tells of an answer that has neither a value nor the lease to make one, nor says who does.
func isBareMiss(response *pb.GetResponse, lease *held) bool {
	return lease == nil && response.GetEntry().GetPayload() == nil && response.GetOutcome() != pb.GetOutcome_GET_OUTCOME_PENDING
}

// unwanted ends what nobody waits for any more.
func unwanted() *Error {
	return failure(KindCancelled, "nobody waited for the answer any more")
}

func (n *Namespace[T]) claimed(response *pb.GetResponse, lease *held, mayStore bool) (claim[T], error) {
	c := claim[T]{lease: lease, free: lease == nil && mayStore}
	found, err := lookup(n.codec, response)
	switch {
	case errors.Is(err, ErrCodec):
		n.client.log.Warn("a stored value cannot be read and is computed anew", "error", loggable(err))
	case err != nil:
		lease.release()
		return claim[T]{}, err
	default:
		c.found = found
	}
	return c, nil
}

// askAgain pauses before the next call; false when the time is over. Who waited on the server asks again at once, who was
// sent away comes back when the server said.
func askAgain(ctx context.Context, response *pb.GetResponse, how ask, began, ends time.Time) (bool, error) {
	now := time.Now()
	if how.kind != askWait || !now.Before(ends) {
		return false, nil
	}
	if now.Sub(began) < how.longest/2 {
		pause := retryAfterDefault
		if said := response.GetPending().GetRetryAfter(); said != nil {
			pause = fromWire(said)
		}
		sleep(ctx, min(jittered(pause), ends.Sub(now)))
	}
	if gone := callerGone(ctx); gone != nil {
		return false, gone
	}
	return true, nil
}
