package hotplate

// Typed access to one namespace: values in and out, lifetimes. Several at once live in batch.go, computing what is missing in
// compute.go, dropping and marking stale in invalidate.go, following changes in watch.go.

import (
	"context"
	"crypto/sha256"
	"time"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

// Namespace is one namespace with the codec its values are written with; made by [NS]. It holds nothing of its own: make as
// many as there are types of values.
//
// Unless the client was made with [OnErrorRaise], a cache that is away is a miss and a dropped write, not an error. What is
// returned as an error is a fault of the request, of the set-up, a value of another kind, or the end of the caller's context.
type Namespace[T any] struct {
	client *Client
	name   string
	codec  Codec[T]
	near   *nearCache
	around bool
	// plain is how is read without options; nobody changes it.
	plain readOptions
	// reason is told with what is invalidated.
	reason string
	// fault is what is wrong with the name.
	fault error
}

// NS is a namespace whose values this codec writes and reads. An empty name is the client's default namespace.
func NS[T any](client *Client, name string, codec Codec[T]) *Namespace[T] {
	if name == "" {
		name = client.namespace
	}
	fault := firstFault(textFault("namespace", name))
	return &Namespace[T]{client: client, name: name, codec: codec, near: client.nears.of(orDefault(name)), fault: fault}
}

// PastNearCache is the same namespace, read from the server every time and without keeping anything. What is written through
// it still drops what is kept.
func (n *Namespace[T]) PastNearCache() *Namespace[T] {
	past := *n
	past.around = true
	return &past
}

// Because is the same namespace, with a reason for what is invalidated through it: [Namespace.Explain] and events tell it, for people.
// At most 256 bytes.
func (n *Namespace[T]) Because(reason string) *Namespace[T] {
	told := *n
	told.reason = reason
	return &told
}

// Name is its name.
func (n *Namespace[T]) Name() string { return n.name }

// Client is its client.
func (n *Namespace[T]) Client() *Client { return n.client }

// Get finds a value, fresh unless an option accepts stale ones. A miss is no error: look at the outcome.
//
// Errors: [ErrCodec] when the stored value is of another kind; what the server refused; the end of ctx.
func (n *Namespace[T]) Get(ctx context.Context, key AsKey, options ...ReadOption) (Lookup[T], error) {
	return n.get(ctx, key, n.reading(options), toldAnew)
}

// GetShared is the same, with a value that others may have got as well and nobody may change: with a near cache, all who ask
// for it as this type get the same one, read once.
func (n *Namespace[T]) GetShared(ctx context.Context, key AsKey, options ...ReadOption) (Lookup[T], error) {
	return n.get(ctx, key, n.reading(options), toldShared)
}

// Value is the short form: the value, or an error that is [ErrMiss] or [ErrNegative] when there is none.
func (n *Namespace[T]) Value(ctx context.Context, key AsKey, options ...ReadOption) (T, error) {
	found, err := n.Get(ctx, key, options...)
	if err == nil {
		err = found.Err()
	}
	return found.Value, err
}

// reading is what these options ask for.
func (n *Namespace[T]) reading(options []ReadOption) *readOptions {
	if len(options) == 0 {
		return &n.plain
	}
	r := &readOptions{}
	for _, o := range options {
		o.applyRead(r)
	}
	return r
}

func (n *Namespace[T]) get(
	ctx context.Context, key AsKey, r *readOptions, told func(Codec[T], nearHit) (Lookup[T], error),
) (found Lookup[T], err error) {
	text, err := n.keyText(key)
	if err != nil {
		return Lookup[T]{}, err
	}
	ctx, ended := n.client.begin(ctx, "get", n.name)
	defer func() { ended(readResult(&found, err)) }()
	if kept := n.nearHit(text, r); kept.Kept != nil {
		if gone := callerGone(ctx); gone != nil {
			return Lookup[T]{}, gone
		}
		return told(n.codec, kept)
	}
	return n.lookUp(ctx, text, r)
}

// lookUp asks the server.
func (n *Namespace[T]) lookUp(ctx context.Context, key string, r *readOptions) (Lookup[T], error) {
	filling := n.nearFill(r)
	response, reason, err := attempt(ctx, n.client.gate, &n.client.gate.reads, func(ctx context.Context) (*pb.GetResponse, error) {
		return n.client.calls.getWhole(ctx, r.get(n.name, key))
	})
	switch {
	case err != nil:
		return Lookup[T]{}, err
	case response == nil:
		return missed[T](reason), nil
	}
	filling.offer(key, response)
	return lookup(n.codec, response)
}

// Put stores a value, with the namespace's defaults where no option says otherwise.
//
// Errors: [ErrCodec] when the value cannot be written; what the server refused; the end of ctx.
func (n *Namespace[T]) Put(ctx context.Context, key AsKey, value T, options ...WriteOption) (Written, error) {
	request, err := n.putRequest(key, value, writing(options))
	if err != nil {
		return Written{}, err
	}
	return n.send(ctx, request)
}

// PutNegative remembers that there is none, or that computing it failed: reason is a short name for programs in
// UPPER_SNAKE_CASE, at most 64 bytes; message a sentence for people, at most 1,024 bytes.
//
// Errors: what the server refused; the end of ctx.
func (n *Namespace[T]) PutNegative(
	ctx context.Context, key AsKey, reason, message string, options ...WriteOption,
) (Written, error) {
	text, err := n.keyText(key)
	if err != nil {
		return Written{}, err
	}
	request, err := n.addressed(writing(options))
	if err == nil {
		err = firstFault(textFault("negative", reason, message))
	}
	if err != nil {
		return Written{}, err
	}
	request.Key = text
	request.Payload = &pb.PutRequest_Negative{Negative: &pb.Negative{Reason: reason, Message: message}}
	return n.send(ctx, request)
}

func (n *Namespace[T]) putRequest(key AsKey, value T, w *writeOptions) (*pb.PutRequest, error) {
	text, err := n.keyText(key)
	if err != nil {
		return nil, err
	}
	request, err := n.addressed(w)
	if err != nil {
		return nil, err
	}
	content, err := n.codec.Encode(value)
	if err != nil {
		return nil, codecError(err)
	}
	request.Key, request.ContentType = text, n.codec.ContentType()
	request.Payload = &pb.PutRequest_Value{Value: content}
	if w.sha256 {
		digest := sha256.Sum256(content)
		request.Digest = digest[:]
	}
	return request, nil
}

// addressed is what these options say of a write, with where it goes and who writes.
func (n *Namespace[T]) addressed(w *writeOptions) (*pb.PutRequest, error) {
	request, err := w.request()
	if err != nil {
		return nil, err
	}
	request.Namespace, request.ClientId = n.name, n.client.clientID
	return request, nil
}

// keyText is the text of a key of this namespace.
func (n *Namespace[T]) keyText(key AsKey) (string, error) {
	if n.fault != nil {
		return "", n.fault
	}
	return key.KeyText()
}

func (n *Namespace[T]) send(ctx context.Context, request *pb.PutRequest) (w Written, err error) {
	ctx, ended := n.client.begin(ctx, "put", n.name)
	defer func() { ended(writeResult(w, err)) }()
	write := n.near.write(near.KeySet(request.GetKey()))
	defer write.end()
	response, reason, err := attempt(ctx, n.client.gate, &n.client.gate.writes, func(ctx context.Context) (*pb.PutResponse, error) {
		return n.client.calls.putWhole(ctx, request)
	})
	if response != nil {
		write.answered()
	}
	// Who asks from now on gets no value that was looked up before this write was answered.
	n.client.flights.outdateKey(n.name, request.GetKey())
	switch {
	case err != nil:
		return Written{}, err
	case response == nil:
		return droppedFor(reason), nil
	}
	return written(response), nil
}

// Touch gives an entry this lifetime from now on. False when there is no such entry, or the cache is away.
//
// Errors: what the server refused; the end of ctx.
func (n *Namespace[T]) Touch(ctx context.Context, key AsKey, lifetime Lifetime) (touched bool, err error) {
	text, err := n.keyText(key)
	if err != nil {
		return false, err
	}
	ctx, ended := n.client.begin(ctx, "touch", n.name)
	defer func() { ended(plainResult(err)) }()
	write := n.near.write(near.KeySet(text))
	defer write.end()
	response, _, err := attempt(ctx, n.client.gate, &n.client.gate.writes, func(ctx context.Context) (*pb.TouchResponse, error) {
		return n.client.calls.Touch(ctx, &pb.TouchRequest{Namespace: n.name, Key: text, Expiration: exactly(lifetime)})
	})
	if err != nil || response == nil {
		return false, err
	}
	write.answered()
	switch response.GetOutcome() {
	case pb.TouchOutcome_TOUCH_OUTCOME_TOUCHED, pb.TouchOutcome_TOUCH_OUTCOME_UNCHANGED:
		return true, nil
	default:
		return false, nil
	}
}

// Exists tells whether there is a fresh entry. It does not count as a use of it. False when the cache is away.
//
// Errors: what the server refused; the end of ctx.
func (n *Namespace[T]) Exists(ctx context.Context, key AsKey) (bool, error) {
	_, exists, err := n.TTL(ctx, key)
	return exists, err
}

// TTL is for how long an entry stays fresh; false when there is none, or the cache is away. It does not count as a use.
//
// Errors: what the server refused; the end of ctx.
func (n *Namespace[T]) TTL(ctx context.Context, key AsKey) (left time.Duration, exists bool, err error) {
	text, err := n.keyText(key)
	if err != nil {
		return 0, false, err
	}
	request := (&readOptions{peek: true}).get(n.name, text)
	request.View = pb.EntryView_ENTRY_VIEW_METADATA
	response, _, err := attempt(ctx, n.client.gate, &n.client.gate.reads, func(ctx context.Context) (*pb.GetResponse, error) {
		return n.client.calls.Get(ctx, request)
	})
	if err != nil || response == nil {
		return 0, false, err
	}
	switch response.GetOutcome() {
	case pb.GetOutcome_GET_OUTCOME_HIT, pb.GetOutcome_GET_OUTCOME_NEGATIVE:
		return fromWire(response.GetEntry().GetMetadata().GetFreshFor()), true, nil
	default:
		return 0, false, nil
	}
}

// NearStats are what the near cache of this namespace did and holds; false where there is none.
func (n *Namespace[T]) NearStats() (NearStats, bool) {
	if n.near == nil {
		return NearStats{}, false
	}
	return n.near.stats(), true
}

// nearFor is the near cache that a read may be answered from. A read that is to leave no trace, or is turned off, is not
// answered from there. A stale value that may be served is never kept, and a fresh one may be served to all.
func (n *Namespace[T]) nearFor(r *readOptions) *nearCache {
	if n.around || r.around || r.peek || n.client.gate.disabled || n.client.tasks.isOver() {
		return nil
	}
	return n.near
}

func (n *Namespace[T]) nearHit(key string, r *readOptions) nearHit {
	cache := n.nearFor(r)
	if cache == nil {
		return nearHit{}
	}
	now := sinceBoot()
	return nearHit{cache.core.Hit(key, r.maxAge, now), now}
}

// nearFill: take it before the server is asked, and offer it the answer.
func (n *Namespace[T]) nearFill(r *readOptions) *fill { return n.nearFor(r).ask() }
