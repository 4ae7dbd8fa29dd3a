package hotplate

// What keeps a near cache in step: follows the changes, tells the server which keys matter, and asks whether what was kept over
// a gap is still right. Decides nothing about entries.

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

const (
	// refusedWait is before a stream that the server refused is opened again.
	refusedWait = 10 * time.Second
	// keysPerCall are told, or asked about, in one call.
	keysPerCall = 100
	// lateFirst and lateMax bound the wait before a stream is opened again whose messages cannot be taken in.
	lateFirst = 50 * time.Millisecond
	lateMax   = 5 * time.Second
	// tellWait is after a call about keys that failed.
	tellWait = 500 * time.Millisecond
	// progressShare: the server tells progress so often in the longest silence, and not more often than each 100 ms.
	progressShare = 3
)

// feed keeps one namespace's near cache in step until the client is closed.
func (n *nearCache) feed(ctx context.Context) {
	n.client.tasks.start(n.tellAll)
	f := &following{near: n}
	for ctx.Err() == nil {
		err := f.run(ctx)
		n.core.Lost()
		if ctx.Err() == nil {
			n.client.log.Warn("the near cache is off: the server does not tell what changes", "error", err)
			sleep(ctx, jittered(refusedWait))
			f.token = nil
		}
	}
}

func (n *nearCache) watchRequest() *pb.WatchRequest {
	options := n.core.Options()
	request := &pb.WatchRequest{
		Namespace:        n.namespace,
		ProgressInterval: durationpb.New(options.ProgressMax / progressShare),
		FollowKeys:       options.KeptKeys,
	}
	for _, prefix := range options.Prefixes {
		request.Selectors = append(request.Selectors, ByPrefix(prefix).wire)
	}
	if options.KeepDependents {
		// All there are: evictions are not among the usual ones.
		for number := range pb.EventType_name {
			if number != int32(pb.EventType_EVENT_TYPE_UNSPECIFIED) {
				request.EventTypes = append(request.EventTypes, pb.EventType(number))
			}
		}
	}
	return request
}

// following is the watch of a near cache.
type following struct {
	near *nearCache
	// token is of the last message that was taken in.
	token []byte
	// lates are streams in a row whose messages could not be taken in, failures those that were lost.
	lates, failures int
}

// told is what came from a stream.
type told struct {
	message *pb.WatchResponse
	err     error
}

// run follows until the server refuses to be followed, stream by stream.
func (f *following) run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := time.Duration(0)
		switch {
		case f.failures > 0:
			wait = jittered(backoff(f.failures, reopenFirst, reopenMax))
		case f.lates > 0:
			wait = jittered(backoff(f.lates, lateFirst, lateMax))
		}
		if wait > 0 && !sleep(ctx, wait) {
			break
		}
		if err := f.one(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// one follows by one stream, which begins after the last message that was taken in. An error is a refusal.
func (f *following) one(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A wish from before the stream is opened is fulfilled by opening it.
	select {
	case <-f.near.signals.reopen:
	default:
	}
	opening := f.near.core.Opening()
	// The stream before may still be reading its own.
	request := f.near.watchRequest()
	request.ResumeToken, request.Keys = f.token, opening.Keys
	if !opening.HearsOwn {
		request.ExcludeClientId = f.near.clientID
	}
	messages, running := f.receive(ctx, request)
	if !running {
		return closedError()
	}
	silence := time.NewTimer(f.near.core.Options().ProgressMax)
	defer silence.Stop()
	isOpen := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.near.signals.reopen:
			return nil
		case <-silence.C:
			// A server that is paused, or a line that is cut without a word, ends like one that is closed. While it is being
			// opened, the time of a call bounds it.
			if isOpen {
				f.near.core.Lost()
				return nil
			}
		case t := <-messages:
			silence.Reset(f.near.core.Options().ProgressMax)
			if t.err != nil {
				return f.ended(ctx, t.err)
			}
			isOpen = true
			if t.message != nil && !f.take(t.message) {
				return nil
			}
		}
	}
}

// receive opens a stream and sends what comes of it, until it ends or nobody listens: first that it is open.
func (f *following) receive(ctx context.Context, request *pb.WatchRequest) (<-chan told, bool) {
	messages := make(chan told)
	c := f.near.client
	running := c.tasks.start(func(context.Context) {
		send := func(t told) bool {
			select {
			case messages <- t:
				return t.err == nil
			case <-ctx.Done():
				return false
			}
		}
		o, err := open(ctx, c.calls, c.calls.time(), c.wire.pool.forStream(c.wire.pool.turn()), request, watchOf)
		if err != nil {
			send(told{err: err})
			return
		}
		defer o.close()
		for alive := send(told{}); alive; {
			message, err := o.stream.Recv()
			if err != nil {
				err = endOf(err)
			}
			alive = send(told{message, err})
		}
	})
	return messages, running
}

func (f *following) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil || !asError(err).Kind.isOutage() {
		return err
	}
	f.near.core.Lost()
	f.failures++
	return nil
}

// take hands a message to the near cache; false: the stream has to be opened again.
func (f *following) take(message *pb.WatchResponse) bool {
	if !f.near.core.Take(message, len(f.token) > 0, sinceBoot()) {
		f.near.core.Lost()
		f.lates++
		return false
	}
	f.failures = 0
	if token := message.GetResumeToken(); len(token) > 0 {
		f.token = token
	}
	// That a stream begins does not show that it makes sense.
	if message.GetCreated() == nil {
		f.lates = 0
	}
	wake(f.near.signals.tell)
	return true
}

// tellAll tells and asks what there is to tell and to ask, one call at a time.
func (n *nearCache) tellAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.signals.tell:
			for ctx.Err() == nil && (n.update(ctx) || n.revalidate(ctx)) {
				continue
			}
		}
	}
}

func (n *nearCache) update(ctx context.Context) bool {
	update := n.core.Update(keysPerCall)
	if update == nil {
		return false
	}
	response, err := n.client.calls.UpdateWatch(ctx, &pb.UpdateWatchRequest{
		Namespace: n.namespace, WatchId: update.Watch, AddKeys: update.Add, RemoveKeys: update.Remove,
	})
	if err != nil {
		n.core.NotUpdated(update, hasReason(err, "TOO_MANY_KEYS"))
		sleep(ctx, jittered(tellWait))
		// What is left to tell has its turn with the next message of the stream, what is to be asked now.
		return false
	}
	n.core.Updated(update, response.GetPosition())
	return true
}

func (n *nearCache) revalidate(ctx context.Context) bool {
	asked, suspects := n.core.Suspects(keysPerCall, sinceBoot())
	if len(suspects) == 0 {
		return false
	}
	// A server that does not say takes what all do.
	_, _ = n.client.calls.Limits(ctx)
	for len(suspects) > 0 {
		few := suspects[:min(len(suspects), n.client.calls.batchItems())]
		suspects = suspects[len(few):]
		request := &pb.RevalidateRequest{Namespace: n.namespace}
		for _, kept := range few {
			request.Items = append(request.Items, &pb.RevalidateItem{Key: kept.Key, Etag: kept.Etag})
		}
		// Without an answer nothing is confirmed.
		response, _ := n.client.calls.Revalidate(ctx, request)
		for i, kept := range few {
			var confirmed *near.Confirmation
			if results := response.GetResults(); i < len(results) {
				confirmed = confirmation(results[i])
			}
			n.core.Confirm(asked, kept, confirmed)
		}
	}
	return true
}

func confirmation(result *pb.RevalidateResult) *near.Confirmation {
	stamp, known := near.StampOf(result.GetAsOf())
	if result.GetState() != pb.RevalidateState_REVALIDATE_STATE_CURRENT || !known || result.GetFreshFor() == nil {
		return nil
	}
	return &near.Confirmation{Stamp: stamp, FreshFor: fromWire(result.GetFreshFor()), UsableFor: fromWire(result.GetUsableFor())}
}
