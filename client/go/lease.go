package hotplate

// A lease this process holds: kept while the computation runs, used up by one Put, or given back, whatever happens.

import (
	"context"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

const (
	// extendAfter: a lease is extended each time this part of its duration is over, so that two calls may fail before it is
	// lost.
	extendAfter       = 3
	extendIntervalMin = 10 * time.Millisecond
	// failureBytesMax of a failure's text are remembered: the server's bound.
	failureBytesMax = 1024
	// lastWordWithin bounds how long giving a lease back may take: Close waits for it.
	lastWordWithin = 2 * time.Second
	// computeFailed is the reason of a failure that was remembered by GetOrCompute.
	computeFailed = "COMPUTE_FAILED"
)

// held is a lease that is held, and extended from now on. Call release on it: used up or given back before, that does nothing.
type held struct {
	client  *Client
	request *pb.ReleaseLeaseRequest
	lost    atomic.Bool
	stop    context.CancelFunc
	used    bool
}

// hold holds what a Get was answered with.
func (c *Client) hold(namespace, key string, lease *pb.Lease) *held {
	ctx, stop := context.WithCancel(c.tasks.ctx)
	h := &held{
		client: c, stop: stop,
		request: &pb.ReleaseLeaseRequest{Namespace: namespace, Key: key, Token: lease.GetToken()},
	}
	c.tasks.start(func(context.Context) { h.keep(ctx, fromWire(lease.GetDuration())) })
	return h
}

// keep extends a lease until it is lost. A server that does not answer may still hold it.
func (h *held) keep(ctx context.Context, duration time.Duration) {
	request := &pb.ExtendLeaseRequest{Namespace: h.request.GetNamespace(), Key: h.request.GetKey(), Token: h.request.GetToken()}
	for sleep(ctx, max(duration/extendAfter, extendIntervalMin)) {
		response, err := h.client.calls.ExtendLease(ctx, request)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && asError(err).Kind.isOutage():
		case err != nil:
			h.client.log.Warn("a lease cannot be extended", "error", loggable(err))
			return
		case response.GetOutcome() != pb.LeaseOutcome_LEASE_OUTCOME_HELD:
			h.lost.Store(true)
			return
		case response.GetLease().GetDuration() != nil:
			duration = fromWire(response.GetLease().GetDuration())
		}
	}
}

// put stores a value under the lease. A lease that was lost stores nothing, which is no failure: someone else is about to
// store a newer value.
func (h *held) put(ctx context.Context, request *pb.PutRequest) error {
	if h.lost.Load() {
		h.used = true
		return nil
	}
	request.LeaseToken = h.request.GetToken()
	write := h.client.nears.of(orDefault(h.request.GetNamespace())).write(near.KeySet(request.GetKey()))
	defer write.end()
	gate := h.client.gate
	response, _, err := attempt(ctx, gate, &gate.writes, func(ctx context.Context) (*pb.PutResponse, error) {
		return h.client.calls.putWhole(ctx, request)
	})
	if err != nil || response == nil {
		return err
	}
	write.answered()
	// A condition that does not hold leaves the lease as it was.
	h.used = response.GetOutcome() != pb.PutOutcome_PUT_OUTCOME_PRECONDITION_FAILED
	return nil
}

// holdOff gives the lease to nobody before this is over.
func (h *held) holdOff(pause time.Duration) { h.request.HoldOff = durationpb.New(pause) }

// fail gives those who wait, and who come within this time, the failure.
func (h *held) fail(failure *Error, lifetime Lifetime, described *writeOptions) {
	h.request.Expiration = exactly(lifetime)
	described.describeFailure(h.request)
	h.request.Failure = &pb.Negative{Reason: computeFailed, Message: shortened(failure.Message)}
}

// release gives the lease back, in a task of its own that also a closed client lets end: nobody waits for that.
func (h *held) release() {
	if h == nil {
		return
	}
	h.stop()
	if h.used || h.lost.Load() {
		return
	}
	h.used = true
	h.client.tasks.lastWord(func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastWordWithin)
		defer cancel()
		plain, _ := proto.Clone(h.request).(*pb.ReleaseLeaseRequest)
		_, err := h.client.calls.ReleaseLease(ctx, h.request)
		if err != nil && !asError(err).Kind.isOutage() {
			h.client.log.Warn("a failure could not be remembered, and is not", "error", loggable(err))
			plain.Failure, plain.Expiration, plain.HoldOff = nil, nil, nil
			plain.Kind, plain.Tags, plain.DependsOn = "", nil, nil
			_, err = h.client.calls.ReleaseLease(ctx, plain)
		}
		if err != nil {
			h.client.log.Warn("a lease could not be given back: it lapses", "error", loggable(err))
		}
	})
}

// shortened is the beginning of a text, within the bound and whole characters; what is no text is left out.
func shortened(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= failureBytesMax {
		return text
	}
	end := failureBytesMax
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
