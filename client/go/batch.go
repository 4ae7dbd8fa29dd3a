package hotplate

// Reading and storing several values with few calls.

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

// Found is the answer of one key of [Namespace.GetMany].
type Found[T any] struct {
	Lookup[T]
	// Fault is why this key failed, nil where it did not.
	Fault error
}

// GetMany finds several values; the answers come in the order of the keys, each on its own: also a key that is no key, and what the
// message with it failed with, is that item's Fault.
//
// Errors: as [Namespace.Get], when the call as a whole failed.
func (n *Namespace[T]) GetMany(ctx context.Context, keys []AsKey, options ...ReadOption) (found []Found[T], err error) {
	r := n.reading(options)
	ctx, ended := n.client.begin(ctx, "get_many", n.name)
	defer func() { ended(plainResult(err)) }()
	if gone := callerGone(ctx); gone != nil {
		return nil, gone
	}
	found = make([]Found[T], len(keys))
	texts := make([]string, 0, len(keys))
	places := make([]int, 0, len(keys))
	for i, key := range keys {
		text, err := n.keyText(key)
		if err != nil {
			found[i].Fault = err
			continue
		}
		if kept := n.nearHit(text, r); kept.Kept != nil {
			found[i].Lookup, found[i].Fault = toldAnew(n.codec, kept)
			continue
		}
		texts, places = append(texts, text), append(places, i)
	}
	faults := messageFaults{all: len(places)}
	for len(texts) > 0 {
		few := n.fittingKeys(texts, r)
		answers, err := n.getBatch(ctx, texts[:few], r)
		if n.client.calls.takesFewer(ctx, few, err) {
			continue
		}
		if err != nil {
			answers = make([]Found[T], few)
			for i := range answers {
				answers[i].Fault = err
			}
			faults.add(few, err)
		}
		for i, answer := range answers {
			found[places[i]] = answer
		}
		texts, places = texts[few:], places[few:]
	}
	if err := faults.ofAll(); err != nil {
		return nil, err
	}
	return found, nil
}

// messageFaults are what the messages of one call failed with.
type messageFaults struct {
	all, failed int
	first       error
}

func (f *messageFaults) add(items int, err error) {
	f.failed += items
	if f.first == nil {
		f.first = err
	}
}

// ofAll is the failure of the call as a whole: that of its first message, when all that was sent failed.
func (f *messageFaults) ofAll() error {
	if f.failed < f.all {
		return nil
	}
	return f.first
}

func (n *Namespace[T]) getBatch(ctx context.Context, keys []string, r *readOptions) ([]Found[T], error) {
	request := &pb.BatchGetRequest{Namespace: n.name}
	for _, key := range keys {
		request.Items = append(request.Items, r.get(n.name, key))
	}
	filling := n.nearFill(r)
	gate := n.client.gate
	response, reason, err := attempt(ctx, gate, &gate.reads, func(ctx context.Context) (*pb.BatchGetResponse, error) {
		response, err := n.client.calls.BatchGet(ctx, request)
		return response, refusedBatch(err)
	})
	if err != nil {
		return nil, err
	}
	found := make([]Found[T], len(keys))
	if response == nil {
		for i := range found {
			found[i].Lookup = missed[T](reason)
		}
		return found, nil
	}
	if err := sameLength(len(response.GetResults()), len(keys)); err != nil {
		return nil, err
	}
	for i, result := range response.GetResults() {
		answer := result.GetResponse()
		_, large := answer.GetEntry().GetPayload().(*pb.Entry_Large)
		switch {
		case result.GetError() != nil:
			found[i].Fault = fromItem(result.GetError())
		case answer == nil || large:
			// Left out of a full answer, or too large for any.
			found[i].Lookup, found[i].Fault = n.lookUp(ctx, keys[i], r)
		default:
			filling.offer(keys[i], answer)
			found[i].Lookup, found[i].Fault = lookup(n.codec, answer)
		}
	}
	return found, nil
}

// Item is one value to store.
type Item[T any] struct {
	Key   AsKey
	Value T
}

// WrittenItem is the answer of one item of [Namespace.PutMany].
type WrittenItem struct {
	Written
	// Fault is why this item failed, nil where it did not.
	Fault error
}

// PutMany stores several values with the same options; the answers come in order, each on its own: also what could not be written
// out, and what the message with it failed with, is that item's Fault. A value that is too large for a message goes as a stream.
//
// Errors: as [Namespace.Put], when the call as a whole failed.
func (n *Namespace[T]) PutMany(
	ctx context.Context, items []Item[T], options ...WriteOption,
) (all []WrittenItem, err error) {
	w := writing(options)
	ctx, ended := n.client.begin(ctx, "put_many", n.name)
	defer func() { ended(plainResult(err)) }()
	if _, err := w.request(); err != nil {
		return nil, err
	}
	all = make([]WrittenItem, len(items))
	requests := make([]*pb.PutRequest, 0, len(items))
	places := make([]int, 0, len(items))
	for i, item := range items {
		request, err := n.putRequest(item.Key, item.Value, w)
		if err != nil {
			all[i].Fault = err
			continue
		}
		requests, places = append(requests, request), append(places, i)
	}
	faults := messageFaults{all: len(requests)}
	for len(requests) > 0 {
		few := n.fitting(requests)
		answers, err := n.putFew(ctx, requests[:few])
		if n.client.calls.takesFewer(ctx, few, err) {
			continue
		}
		if err != nil {
			answers = make([]WrittenItem, few)
			for i := range answers {
				answers[i].Fault = err
			}
			faults.add(few, err)
		}
		for i, answer := range answers {
			all[places[i]] = answer
		}
		requests, places = requests[few:], places[few:]
	}
	if err := faults.ofAll(); err != nil {
		return nil, err
	}
	return all, nil
}

// fitting is how many go with the next call. What goes as a stream goes by itself.
func (n *Namespace[T]) fitting(requests []*pb.PutRequest) int {
	few := requests[:min(len(requests), n.client.calls.batchItems())]
	if large := slices.IndexFunc(few, func(r *pb.PutRequest) bool { return n.client.calls.isLarge(r.GetValue()) }); large >= 0 {
		few = few[:max(large, 1)]
	}
	return fittingBytes(few, func(r *pb.PutRequest) int { return proto.Size(r) + requestIDBytes })
}

// fittingKeys is how many keys are asked for with the next call.
func (n *Namespace[T]) fittingKeys(keys []string, r *readOptions) int {
	few := keys[:min(len(keys), n.client.calls.batchItems())]
	return fittingBytes(few, func(key string) int { return proto.Size(r.get(n.name, key)) })
}

// fittingBytes is how many of these items fit into a message; at least one, of which the server says itself that it is too large.
func fittingBytes[I any](items []I, size func(I) int) int {
	left := batchBytesMax
	for i, item := range items {
		if left -= itemFrameBytes + size(item); left < 0 {
			return max(i, 1)
		}
	}
	return len(items)
}

const (
	// batchBytesMax of encoded items go with one call: a server takes 4 MiB for the whole message, unless it was told otherwise.
	batchBytesMax = 3_670_016
	// itemFrameBytes are in front of each item in its message.
	itemFrameBytes = 6
	// requestIDBytes are what an item grows by whose repetition has to be told from another.
	requestIDBytes = 40
)

// refusedBatch is what a message failed with. That it is too large is no outage, and would be so the next time.
func refusedBatch(err error) error {
	if hasReason(err, "MESSAGE_TOO_LARGE") {
		asError(err).isRefusal = true
	}
	return err
}

// putFew stores what goes with one call. What is too large for it goes by itself, also where the server takes less than any other and
// only now says so.
func (n *Namespace[T]) putFew(ctx context.Context, items []*pb.PutRequest) ([]WrittenItem, error) {
	if n.client.calls.isLarge(items[0].GetValue()) {
		w, err := n.send(ctx, items[0])
		return []WrittenItem{{Written: w, Fault: err}}, nil
	}
	all, err := n.putBatch(ctx, items)
	for i, item := range all {
		if hasReason(item.Fault, "VALUE_TOO_LARGE") {
			all[i].Written, all[i].Fault = n.send(ctx, items[i])
		}
	}
	return all, err
}

func (n *Namespace[T]) putBatch(ctx context.Context, items []*pb.PutRequest) ([]WrittenItem, error) {
	sets := make([]near.Set, 0, len(items))
	for _, item := range items {
		sets = append(sets, near.KeySet(item.GetKey()))
	}
	write := n.near.write(sets...)
	defer write.end()
	gate := n.client.gate
	response, reason, err := attempt(ctx, gate, &gate.writes, func(ctx context.Context) (*pb.BatchPutResponse, error) {
		response, err := n.client.calls.BatchPut(ctx, &pb.BatchPutRequest{Namespace: n.name, Items: items})
		return response, refusedBatch(err)
	})
	if response != nil {
		write.answered()
	}
	for _, item := range items {
		n.client.flights.outdateKey(n.name, item.GetKey())
	}
	if err != nil {
		return nil, err
	}
	all := make([]WrittenItem, len(items))
	if response == nil {
		for i := range all {
			all[i].Written = droppedFor(reason)
		}
		return all, nil
	}
	if err := sameLength(len(response.GetResults()), len(items)); err != nil {
		return nil, err
	}
	for i, result := range response.GetResults() {
		if result.GetError() != nil {
			all[i].Fault = fromItem(result.GetError())
			continue
		}
		all[i].Written = written(result.GetResponse())
	}
	return all, nil
}

func sameLength(answers, items int) error {
	if answers == items {
		return nil
	}
	return failure(KindInternal, "the server answered %d of %d items of a batch", answers, items)
}
