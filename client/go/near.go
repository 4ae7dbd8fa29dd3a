package hotplate

// The near cache: values kept in this process for as long as the server vouches for them. What is kept, and the rule by
// which it is, lives in internal/near; what keeps it in step, in near_feed.go.

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

// nearNamespacesMax of a client have a near cache: each has a stream and room of its own.
const nearNamespacesMax = 64

// nears are the near caches of a client, made when a namespace is first used.
type nears struct {
	client   *Client
	setup    nearSetup
	clientID string

	mu   sync.Mutex
	made map[string]*nearCache
	// isFull: that there are no more was told.
	isFull bool
}

// nearCache is one namespace's.
type nearCache struct {
	namespace string
	client    *Client
	// clientID is under which this client writes, where that is its own; otherwise what it writes is told to it, too.
	clientID string
	core     *near.Core
	signals  signals
	started  atomic.Bool
}

// signals wake the feed.
type signals struct {
	// reopen: the stream has to be opened again.
	reopen chan struct{}
	// tell: there is something to tell or to ask.
	tell chan struct{}
}

func wake(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

func newNears(c *Client, s *settings) *nears {
	n := &nears{client: c, setup: s.near, made: map[string]*nearCache{}}
	if s.clientIDIsOwn {
		n.clientID = s.clientID
	}
	return n
}

// of is the near cache of a namespace; nil for one without.
func (n *nears) of(namespace string) *nearCache {
	options := n.setup.of(namespace)
	if options == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if made := n.made[namespace]; made != nil {
		return made
	}
	if len(n.made) >= nearNamespacesMax {
		if !n.isFull {
			n.isFull = true
			n.client.log.Warn("a client has at most 64 near caches: further namespaces go without")
		}
		return nil
	}
	made := &nearCache{
		namespace: namespace, client: n.client, clientID: n.clientID,
		core:    near.New(options.core(), near.FencesMax),
		signals: signals{reopen: make(chan struct{}, 1), tell: make(chan struct{}, 1)},
	}
	n.made[namespace] = made
	return made
}

// fill is a question on its way to the server; nil asks for nothing to be kept.
type fill struct {
	near  *nearCache
	asked near.Asked
}

// ask notes that the server is asked now; the first time, it begins to follow what changes.
func (n *nearCache) ask() *fill {
	if n == nil {
		return nil
	}
	if !n.started.Swap(true) {
		n.client.tasks.start(n.feed)
	}
	return &fill{n, n.core.Ask(sinceBoot())}
}

// offer keeps the answer if it may be kept.
func (f *fill) offer(key string, response *pb.GetResponse) {
	if f == nil {
		return
	}
	if _, tell := f.near.core.Offer(f.asked, key, response); tell {
		wake(f.near.signals.tell)
	}
}

// ownWrite is a write of this client that is under way. Ended before its end is known, it may still happen.
type ownWrite struct {
	near *nearCache
	sets []near.Set
	// repeats are calls that had been sent again when it began.
	repeats uint64
	known   bool
}

// write notes that this client writes what these cover: nothing it kept of them is served from now on. Call end on it.
func (n *nearCache) write(sets ...near.Set) *ownWrite {
	if n == nil {
		return nil
	}
	n.core.Wrote(sets)
	return &ownWrite{near: n, sets: sets, repeats: n.client.wire.repeats.Load()}
}

// answered: the server has. Call it before the caller is.
func (w *ownWrite) answered() {
	if w == nil {
		return
	}
	// What was sent twice may happen once more, and nobody is told when.
	if w.known = w.near.client.wire.repeats.Load() == w.repeats; w.known {
		w.near.core.Wrote(w.sets)
	}
}

func (w *ownWrite) end() {
	if w != nil && !w.known && w.near.core.MayHaveWritten(w.sets) {
		wake(w.near.signals.reopen)
	}
}

// nearHit is what may be served of a key now; without an entry, nothing.
type nearHit struct {
	*near.Kept

	now time.Duration
}

// shared is a value with the codec that read it.
type shared[T any] struct {
	codec reflect.Type
	value T
}

// toldShared is what a read answers from what is kept, with the value that all share who ask for the same type.
func toldShared[T any](codec Codec[T], kept nearHit) (Lookup[T], error) {
	if box := kept.Shared.Load(); box != nil {
		if s, same := (*box).(*shared[T]); same && s.codec == reflect.TypeOf(codec) {
			return toldAs(kept, s.value), nil
		}
	}
	told, err := toldAnew(codec, kept)
	if err == nil && told.Outcome == Hit {
		// Another reader may have been first: then all share what that one read, unless it is of another type.
		var box any = &shared[T]{reflect.TypeOf(codec), told.Value}
		if !kept.Shared.CompareAndSwap(nil, &box) {
			if s, same := (*kept.Shared.Load()).(*shared[T]); same && s.codec == reflect.TypeOf(codec) {
				told.Value = s.value
			}
		}
	}
	return told, err
}

// toldAnew is the same with a value of its own.
func toldAnew[T any](codec Codec[T], kept nearHit) (Lookup[T], error) {
	if kept.Negative {
		return Lookup[T]{
			Outcome: Negative, Near: true, FreshFor: kept.At(kept.now).FreshFor,
			NegativeReason: kept.NegativeReason, NegativeMessage: kept.NegativeMessage,
		}, nil
	}
	value, err := decodeChecked(codec, kept.ContentType, kept.Encoding, kept.Value)
	if err != nil {
		return Lookup[T]{}, err
	}
	return toldAs(kept, value), nil
}

func toldAs[T any](kept nearHit, value T) Lookup[T] {
	lives := kept.At(kept.now)
	return Lookup[T]{
		Outcome: Hit, Value: value, Near: true, Tier: tierOf(kept.Tier), Etag: kept.Etag, ContentType: kept.ContentType,
		Age: lives.Age, FreshFor: lives.FreshFor, UsableFor: lives.UsableFor,
	}
}
