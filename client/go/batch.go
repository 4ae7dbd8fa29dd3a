package hotplate

// Reading and storing several values with few calls.

import (
	"context"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

// Found is the answer of one key of [Namespace.GetMany].
type Found[T any] struct {
	Lookup[T]
	// Fault is why this key failed, nil where it did not.
	Fault error
}

// GetMany finds several values; the answers come in the order of the keys, each on its own.
//
// Errors: as [Namespace.Get], for the call as a whole.
func (n *Namespace[T]) GetMany(ctx context.Context, keys []AsKey, options ...ReadOption) (found []Found[T], err error) {
	r := n.reading(options)
	ctx, ended := n.client.begin(ctx, "get_many", n.name)
	defer func() { ended(plainResult(err)) }()
	found = make([]Found[T], len(keys))
	texts := make([]string, 0, len(keys))
	places := make([]int, 0, len(keys))
	for i, key := range keys {
		text, err := key.KeyText()
		if err != nil {
			return nil, err
		}
		if kept := n.nearHit(text, r); kept.Kept != nil {
			found[i].Lookup, found[i].Fault = toldAnew(n.codec, kept)
			continue
		}
		texts, places = append(texts, text), append(places, i)
	}
	for len(texts) > 0 {
		few := min(len(texts), n.client.calls.batchItems())
		answers, err := n.getBatch(ctx, texts[:few], r)
		if n.client.calls.takesFewer(ctx, few, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i, answer := range answers {
			found[places[i]] = answer
		}
		texts, places = texts[few:], places[few:]
	}
	return found, nil
}

func (n *Namespace[T]) getBatch(ctx context.Context, keys []string, r *readOptions) ([]Found[T], error) {
	request := &pb.BatchGetRequest{Namespace: n.name}
	for _, key := range keys {
		request.Items = append(request.Items, r.get(n.name, key))
	}
	filling := n.nearFill(r)
	gate := n.client.gate
	response, reason, err := attempt(ctx, gate, &gate.reads, func(ctx context.Context) (*pb.BatchGetResponse, error) {
		return n.client.calls.BatchGet(ctx, request)
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

// PutMany stores several values with the same options; the answers come in order, each on its own.
//
// Errors: as [Namespace.Put], for the call as a whole.
func (n *Namespace[T]) PutMany(
	ctx context.Context, items []Item[T], options ...WriteOption,
) (all []WrittenItem, err error) {
	w := writing(options)
	ctx, ended := n.client.begin(ctx, "put_many", n.name)
	defer func() { ended(plainResult(err)) }()
	requests := make([]*pb.PutRequest, 0, len(items))
	for _, item := range items {
		request, err := n.putRequest(item.Key, item.Value, w)
		if err != nil {
			return nil, err
		}
		requests = append(requests, request)
	}
	for len(requests) > 0 {
		few := n.fitting(requests)
		answers, err := n.putBatch(ctx, requests[:few])
		if n.client.calls.takesFewer(ctx, few, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all, requests = append(all, answers...), requests[few:]
	}
	return all, nil
}

// fitting is how many go with the next call: as many as the server takes, and as many bytes as a message has.
func (n *Namespace[T]) fitting(requests []*pb.PutRequest) int {
	count, bytes := 0, 0
	for count < min(len(requests), n.client.calls.batchItems()) {
		if bytes += len(requests[count].GetValue()); count > 0 && bytes > batchBytesMax {
			break
		}
		count++
	}
	return count
}

// batchBytesMax of values go with one call: every server takes as much.
const batchBytesMax = 2 << 20

func (n *Namespace[T]) putBatch(ctx context.Context, items []*pb.PutRequest) ([]WrittenItem, error) {
	if len(items) == 1 && len(items[0].GetValue()) > sureBytes {
		w, err := n.send(ctx, items[0])
		if err != nil {
			return []WrittenItem{{Fault: err}}, nil
		}
		return []WrittenItem{{Written: w}}, nil
	}
	sets := make([]near.Set, 0, len(items))
	for _, item := range items {
		sets = append(sets, near.KeySet(item.GetKey()))
	}
	write := n.near.write(sets...)
	defer write.end()
	gate := n.client.gate
	response, reason, err := attempt(ctx, gate, &gate.writes, func(ctx context.Context) (*pb.BatchPutResponse, error) {
		return n.client.calls.BatchPut(ctx, &pb.BatchPutRequest{Namespace: n.name, Items: items})
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
