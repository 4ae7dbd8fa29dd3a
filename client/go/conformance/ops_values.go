package main

// Reads and writes.

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	hotplate "example.invalid/hotplate/client/go"
)

type keyed struct {
	where
	Key key
}

// at reads a request about a key.
func at(w *world, of where, k key) (*hotplate.Namespace[json.RawMessage], error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	return w.space(of)
}

func get(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		keyed
		Options readArguments
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	options, err := a.Options.options()
	if err != nil {
		return nil, err
	}
	found, err := space.Get(ctx, a.Key, options...)
	if err != nil {
		return nil, err
	}
	return foundOf(found, any(found.Value)), nil
}

// foundOf is what a read found, with its value as it is told.
func foundOf[T any](l hotplate.Lookup[T], value any) map[string]any {
	answer := map[string]any{
		"outcome": l.Outcome.String(), "value": nil, "stale": nil, "near": nil, "tier": nil, "age_ms": nil, "fresh_for_ms": nil,
		"usable_for_ms": nil, "etag": nil, "miss_reason": nil, "reason": nil, "message": nil,
	}
	switch l.Outcome {
	case hotplate.Hit:
		answer["value"], answer["stale"], answer["near"], answer["etag"] = value, l.Stale, l.Near, l.Etag
		answer["age_ms"], answer["fresh_for_ms"] = l.Age.Milliseconds(), l.FreshFor.Milliseconds()
		answer["usable_for_ms"] = l.UsableFor.Milliseconds()
		if l.Tier != hotplate.TierUnknown {
			answer["tier"] = l.Tier.String()
		}
	case hotplate.Negative:
		answer["reason"], answer["message"] = l.NegativeReason, l.NegativeMessage
		answer["fresh_for_ms"] = l.FreshFor.Milliseconds()
	default:
		answer["miss_reason"] = string(l.Reason)
	}
	return answer
}

func failedItem(err error) (map[string]any, error) {
	var e *hotplate.Error
	if !errors.As(err, &e) {
		return nil, err
	}
	return map[string]any{"error": ofError(e)}, nil
}

func getMany(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Keys []key
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := w.space(a.where)
	if err != nil {
		return nil, err
	}
	keys := make([]hotplate.AsKey, 0, len(a.Keys))
	for _, k := range a.Keys {
		keys = append(keys, k)
	}
	all, err := space.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	results := make([]any, 0, len(all))
	for _, found := range all {
		result := foundOf(found.Lookup, any(found.Value))
		if found.Fault != nil {
			if result, err = failedItem(found.Fault); err != nil {
				return nil, err
			}
		}
		results = append(results, result)
	}
	return map[string]any{"results": results}, nil
}

func writtenOf(w hotplate.Written) map[string]any {
	answer := map[string]any{"outcome": w.Outcome.String(), "etag": nil, "reason": nil}
	if w.Etag != "" {
		answer["etag"] = w.Etag
	}
	if w.Reason != "" {
		answer["reason"] = w.Reason
	}
	return answer
}

func put(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		keyed
		Value   json.RawMessage
		Options writeArguments
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	options, err := a.Options.options()
	if err != nil {
		return nil, err
	}
	done, err := space.Put(ctx, a.Key, a.Value, options...)
	return writtenOf(done), err
}

func putNegative(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		keyed
		Reason, Message string
		TTL             lifetime
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	options, err := (&writeArguments{TTL: a.TTL}).options()
	if err != nil {
		return nil, err
	}
	done, err := space.PutNegative(ctx, a.Key, a.Reason, a.Message, options...)
	return writtenOf(done), err
}

func putMany(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Items []struct {
			Key   key
			Value json.RawMessage
		}
		Options writeArguments
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := w.space(a.where)
	if err != nil {
		return nil, err
	}
	options, err := a.Options.options()
	if err != nil {
		return nil, err
	}
	items := make([]hotplate.Item[json.RawMessage], 0, len(a.Items))
	for _, item := range a.Items {
		items = append(items, hotplate.Item[json.RawMessage]{Key: item.Key, Value: item.Value})
	}
	all, err := space.PutMany(ctx, items, options...)
	if err != nil {
		return nil, err
	}
	results := make([]any, 0, len(all))
	for _, item := range all {
		result := writtenOf(item.Written)
		if item.Fault != nil {
			if result, err = failedItem(item.Fault); err != nil {
				return nil, err
			}
		}
		results = append(results, result)
	}
	return map[string]any{"results": results}, nil
}

func touch(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		keyed
		TTL lifetime
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	lasting, err := a.TTL.parse()
	if err != nil {
		return nil, err
	}
	touched, err := space.Touch(ctx, a.Key, lasting)
	return map[string]any{"touched": touched}, err
}

func exists(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[keyed](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	is, err := space.Exists(ctx, a.Key)
	return map[string]any{"exists": is}, err
}

func ttl(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[keyed](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	left, is, err := space.TTL(ctx, a.Key)
	answer := map[string]any{"ttl_ms": nil}
	if is {
		answer["ttl_ms"] = left.Milliseconds()
	}
	return answer, err
}

func invalidatedOf(result hotplate.InvalidateResult) map[string]any {
	answer := map[string]any{"outcome": result.Outcome.String(), "matched": nil}
	if result.Outcome == hotplate.Done {
		answer["matched"] = result.Matched
	}
	return answer
}

func remove(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[keyed](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	result, err := space.Remove(ctx, a.Key)
	return invalidatedOf(result), err
}

func invalidate(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Selectors []selectorArguments
		Reason    string
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := w.space(a.where)
	if err != nil {
		return nil, err
	}
	all, err := selectors(a.Selectors)
	if err != nil {
		return nil, err
	}
	result, err := space.Because(a.Reason).Invalidate(ctx, all...)
	return invalidatedOf(result), err
}

func markStale(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Selectors    []selectorArguments
		SpreadOverMS *millis `json:"spread_over_ms"`
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := w.space(a.where)
	if err != nil {
		return nil, err
	}
	all, err := selectors(a.Selectors)
	if err != nil {
		return nil, err
	}
	spread := time.Duration(0)
	if a.SpreadOverMS != nil {
		spread = a.SpreadOverMS.duration()
	}
	result, err := space.MarkStale(ctx, spread, all...)
	return invalidatedOf(result), err
}

func readStream(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		keyed
		Options readArguments
		Follow  bool
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	options, err := a.Options.options()
	if err != nil {
		return nil, err
	}
	open := func() (*hotplate.ReadStream, error) { return space.ReadStream(ctx, a.Key, options...) }
	if a.Follow {
		open = func() (*hotplate.ReadStream, error) { return space.Follow(ctx, a.Key) }
	}
	stream, err := open()
	if err != nil {
		return nil, err
	}
	var whole []byte
	pieces := 0
	for {
		piece, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		whole = append(whole, piece...)
		pieces++
	}
	answer := foundOf(stream.Found, ofBytes(whole))
	answer["pieces"] = pieces
	return answer, stream.Close()
}

func writeStream(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		keyed
		Pieces  []json.RawMessage
		Options writeArguments
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	options, err := a.Options.options()
	if err != nil {
		return nil, err
	}
	stream, err := space.WriteStream(ctx, a.Key, options...)
	if err != nil {
		return nil, err
	}
	for _, piece := range a.Pieces {
		content, err := bytesOf(piece)
		if err == nil {
			_, err = stream.Write(content)
		}
		if err != nil {
			return nil, errors.Join(err, stream.Close())
		}
	}
	done, err := stream.Finish()
	return writtenOf(done), err
}
