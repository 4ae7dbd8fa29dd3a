package hotplate

// Following changes, over lost connections and server restarts: a watch that resumes by its token.

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

const (
	// reopenFirst and reopenMax bound the wait before a lost stream is opened again.
	reopenFirst = 50 * time.Millisecond
	reopenMax   = 5 * time.Second
)

// WatchItem is what a watch tells. Exactly one of its parts is set, besides ResumeToken.
type WatchItem struct {
	// Created: the watch exists, and every change from here on is covered. It comes again after each reconnection.
	Created *pb.WatchCreated
	// Present are entries that were there.
	Present []*pb.Entry
	// Synced: all that was there has been told.
	Synced *pb.WatchSynced
	// Events are changes, in order within each log.
	Events []*pb.WatchEvent
	// Progress: nothing that matters happened up to here.
	Progress *pb.WatchProgress
	// Discontinuity: changes were lost, and copies of entries can no longer be trusted.
	Discontinuity *pb.WatchDiscontinuity
	// Lost: the connection was lost. The watch goes on by itself; until Created comes, copies may be out of date.
	Lost error
	// ResumeToken continues later, on this server, after this item; see [ResumeAfter]. Empty before the first.
	ResumeToken []byte
}

// WatchOption is what a watch follows, and how.
type WatchOption func(*watchOptions)

type watchOptions struct {
	request    *pb.WatchRequest
	excludeOwn bool
	fault      error
}

// Following follows only what one of these selects, at most 128; without it, everything.
func Following(selectors ...Selector) WatchOption {
	return func(o *watchOptions) {
		wires, err := wired(selectors)
		if err != nil {
			o.fault = err
		}
		o.request.Selectors = append(o.request.Selectors, wires...)
	}
}

// WithContent is how much of an entry is told. Default: metadata.
func WithContent(content pb.WatchContent) WatchOption {
	return func(o *watchOptions) { o.request.Content = content }
}

// WithEvents tells only these events. Default: what was put, invalidated or expired.
func WithEvents(types ...pb.EventType) WatchOption {
	return func(o *watchOptions) { o.request.EventTypes = types }
}

// IncludePresent first tells what is there.
func IncludePresent() WatchOption {
	return func(o *watchOptions) { o.request.IncludePresent = true }
}

// ResumeAfter continues after the item that had this token.
func ResumeAfter(token []byte) WatchOption {
	return func(o *watchOptions) { o.request.ResumeToken = token }
}

// ProgressEvery is how often progress is told when nothing else is, 100 ms to 10 min. Default: 1 s.
func ProgressEvery(interval time.Duration) WatchOption {
	return func(o *watchOptions) { o.request.ProgressInterval = durationpb.New(interval) }
}

// ExcludeOwn leaves out what this client does itself.
func ExcludeOwn() WatchOption { return func(o *watchOptions) { o.excludeOwn = true } }

// Watch follows changes of this namespace from now on, until the loop ends or ctx does:
//
//	for item, err := range metrics.Watch(ctx, hotplate.Following(hotplate.ByPrefix("model:"))) {
//		if err != nil {
//			return err
//		}
//		for _, event := range item.Events {
//			fmt.Println(event.GetType(), event.GetKey())
//		}
//	}
//
// A lost connection is told, opened again after a growing wait, and continued where it ended. An error ends the loop: the
// end of ctx, what a reconnection cannot mend, and [ErrFailedPrecondition] while the cache is turned off in this process. Each loop over
// the sequence is a watch of its own, that begins anew.
func (n *Namespace[T]) Watch(ctx context.Context, options ...WatchOption) iter.Seq2[WatchItem, error] {
	o := &watchOptions{request: &pb.WatchRequest{Namespace: n.name}}
	for _, option := range options {
		option(o)
	}
	if o.excludeOwn {
		o.request.ExcludeClientId = n.client.clientID
	}
	return func(yield func(WatchItem, error) bool) {
		fault := o.fault
		if fault == nil {
			fault = n.asks()
		}
		if fault != nil {
			yield(WatchItem{}, fault)
			return
		}
		// A request of its own for each loop: it changes with what was told.
		request, _ := proto.Clone(o.request).(*pb.WatchRequest)
		n.client.watch(ctx, request, yield)
	}
}

func (c *Client) watch(ctx context.Context, request *pb.WatchRequest, yield func(WatchItem, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.tasks.ctx, cancel)()
	w := newWatching(c, request)
	defer w.close()
	for {
		message, err := w.next(ctx)
		switch {
		case err == nil:
			if !yield(itemOf(message, w.request.GetResumeToken())) {
				return
			}
		case c.tasks.isOver():
			yield(WatchItem{}, closedError())
			return
		case ctx.Err() != nil || !asError(err).Kind.isOutage():
			yield(WatchItem{}, err)
			return
		case w.failures == 1 && !yield(WatchItem{Lost: err, ResumeToken: w.request.GetResumeToken()}, nil):
			return
		}
	}
}

func itemOf(message *pb.WatchResponse, token []byte) (WatchItem, error) {
	item := WatchItem{ResumeToken: token}
	switch m := message.GetMessage().(type) {
	case *pb.WatchResponse_Created:
		item.Created = m.Created
	case *pb.WatchResponse_Present:
		item.Present = m.Present.GetEntries()
	case *pb.WatchResponse_Synced:
		item.Synced = m.Synced
	case *pb.WatchResponse_Events:
		item.Events = m.Events.GetEvents()
	case *pb.WatchResponse_Progress:
		item.Progress = m.Progress
	case *pb.WatchResponse_Discontinuity:
		item.Discontinuity = m.Discontinuity
	}
	return item, nil
}

// watching is a watch under way: a stream that is open, or to be opened. One goroutine at a time uses it.
type watching struct {
	client  *Client
	request *pb.WatchRequest
	open    *opened[pb.WatchResponse]
	// failures are losses in a row since the last message.
	failures int
}

func newWatching(c *Client, request *pb.WatchRequest) *watching {
	return &watching{client: c, request: request}
}

// next is the next message, of a stream that it opens when there is none. After an error the stream is gone, and the next
// call opens another one, after a wait that grows.
func (w *watching) next(ctx context.Context) (*pb.WatchResponse, error) {
	message, err := w.receive(ctx)
	if err != nil {
		w.close()
		w.failures++
		return nil, err
	}
	w.failures = 0
	if token := message.GetResumeToken(); len(token) > 0 {
		w.request.ResumeToken = token
		// What was there has begun to be told; the token, not a new listing, is what continues it.
		w.request.IncludePresent = false
	}
	return message, nil
}

func (w *watching) receive(ctx context.Context) (*pb.WatchResponse, error) {
	if w.open == nil {
		if w.failures > 0 && !sleep(ctx, jittered(backoff(w.failures, reopenFirst, reopenMax))) {
			return nil, callerGone(ctx)
		}
		calls := w.client.calls
		var err error
		line := calls.wire.pool.forStream(calls.wire.pool.turn())
		if w.open, err = open(ctx, calls, calls.time(), line, w.request, watchOf); err != nil {
			return nil, err
		}
	}
	message, err := w.open.stream.Recv()
	if err == nil {
		return message, nil
	}
	if gone := callerGone(ctx); gone != nil {
		return nil, gone
	}
	return nil, endOf(err)
}

func (w *watching) close() {
	if w.open != nil {
		w.open.close()
		w.open = nil
	}
}
