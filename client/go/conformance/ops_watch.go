package main

// Watches and preload jobs.

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// watching is a watch with what was told and not asked for yet. A goroutine of its own reads it, one item ahead.
type watching struct {
	cancel context.CancelFunc
	items  chan toldItem

	mu    sync.Mutex
	told  []any
	token []byte
	ended error
}

type toldItem struct {
	item hotplate.WatchItem
	err  error
}

func (t *watching) close() { t.cancel() }

func follow(changes func(context.Context) iter.Seq2[hotplate.WatchItem, error]) *watching {
	ctx, cancel := context.WithCancel(context.Background())
	t := &watching{cancel: cancel, items: make(chan toldItem)}
	go func() {
		defer close(t.items)
		for item, err := range changes(ctx) {
			select {
			case t.items <- toldItem{item, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return t
}

func watchOpen(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Watch              string
		Selectors          []selectorArguments
		IncludePresent     bool `json:"include_present"`
		Values             bool
		Resume             *string
		ExcludeOwn         bool    `json:"exclude_own"`
		ProgressIntervalMS *millis `json:"progress_interval_ms"`
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
	options := []hotplate.WatchOption{hotplate.Following(all...)}
	if a.IncludePresent {
		options = append(options, hotplate.IncludePresent())
	}
	if a.Values {
		options = append(options, hotplate.WithContent(pb.WatchContent_WATCH_CONTENT_VALUES))
	}
	if a.ExcludeOwn {
		options = append(options, hotplate.ExcludeOwn())
	}
	if a.ProgressIntervalMS != nil {
		options = append(options, hotplate.ProgressEvery(a.ProgressIntervalMS.duration()))
	}
	if a.Resume != nil {
		token, err := base64.StdEncoding.DecodeString(*a.Resume)
		if err != nil {
			return nil, err
		}
		options = append(options, hotplate.ResumeAfter(token))
	}
	opened := follow(func(ctx context.Context) iter.Seq2[hotplate.WatchItem, error] { return space.Watch(ctx, options...) })
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watches[a.Watch] != nil {
		w.watches[a.Watch].close()
	}
	w.watches[a.Watch] = opened
	return nothing{}, nil
}

func watchNext(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Watch    string
		Count    *int
		WithinMS *millis `json:"within_ms"`
		Progress bool
	}](line)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	opened := w.watches[a.Watch]
	w.mu.Unlock()
	if opened == nil {
		return nil, fmt.Errorf("there is no watch `%s`", a.Watch)
	}
	count, within := 1, 10*time.Second
	if a.Count != nil {
		count = *a.Count
	}
	if a.WithinMS != nil {
		within = a.WithinMS.duration()
	}
	return opened.next(ctx, count, within, a.Progress)
}

func (t *watching) next(ctx context.Context, count int, within time.Duration, progress bool) (any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for waiting := true; waiting && len(t.told) < count; {
		select {
		case told, open := <-t.items:
			switch {
			case !open && t.ended != nil:
				return nil, t.ended
			case !open:
				waiting = false
			case told.err != nil:
				t.ended = told.err
				return nil, told.err
			default:
				t.token = told.item.ResumeToken
				t.told = append(t.told, itemsOf(told.item, progress)...)
			}
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			return nil, &hotplate.Error{Kind: hotplate.KindCancelled, Message: "given up"}
		}
	}
	few := t.told[:min(count, len(t.told))]
	t.told = t.told[len(few):]
	return map[string]any{
		"items": append([]any{}, few...), "resume_token": base64.StdEncoding.EncodeToString(t.token),
	}, nil
}

func watchClose(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Watch string
	}](line)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if opened := w.watches[a.Watch]; opened != nil {
		opened.close()
		delete(w.watches, a.Watch)
	}
	return nothing{}, nil
}

func bare(kind string) map[string]any {
	return map[string]any{"type": kind, "key": nil, "selector": nil, "value": nil, "reason": nil}
}

func itemsOf(item hotplate.WatchItem, progress bool) []any {
	var all []any
	switch {
	case item.Created != nil:
		all = append(all, bare("created"))
	case item.Synced != nil:
		all = append(all, bare("synced"))
	case item.Progress != nil && progress:
		all = append(all, bare("progress"))
	case item.Discontinuity != nil:
		lost := bare("discontinuity")
		lost["reason"] = plain(item.Discontinuity.GetReason().String(), "DISCONTINUITY_REASON_")
		all = append(all, lost)
	case item.Lost != nil:
		lost := bare("lost")
		var e *hotplate.Error
		if errors.As(item.Lost, &e) {
			lost["reason"] = e.Kind.String()
		}
		all = append(all, lost)
	}
	for _, entry := range item.Present {
		present := bare("present")
		present["key"], present["value"] = entry.GetKey(), entryValue(entry)
		all = append(all, present)
	}
	for _, event := range item.Events {
		all = append(all, eventOf(event))
	}
	return all
}

func eventOf(event *pb.WatchEvent) map[string]any {
	told := bare(plain(event.GetType().String(), "EVENT_TYPE_"))
	if event.GetKey() != "" {
		told["key"] = event.GetKey()
	}
	if event.GetReason() != "" {
		told["reason"] = event.GetReason()
	}
	told["value"], told["selector"] = entryValue(event.GetEntry()), selectorOf(event.GetSelector())
	return told
}

// entryValue is the value as the codec that wrote it reads it, where that is one that the driver has.
func entryValue(entry *pb.Entry) any {
	payload, is := entry.GetPayload().(*pb.Entry_Value)
	if !is {
		return nil
	}
	names := map[string]string{"application/json": "json", "application/msgpack": "msgpack"}
	name, known := names[entry.GetMetadata().GetContentType()]
	if !known {
		return ofBytes(payload.Value)
	}
	codec, err := codecNamed(name)
	if err != nil {
		return ofBytes(payload.Value)
	}
	value, err := codec.Decode(payload.Value)
	if err != nil {
		return ofBytes(payload.Value)
	}
	return value
}

func selectorOf(selector *pb.Selector) any {
	switch s := selector.GetSelector().(type) {
	case *pb.Selector_Key:
		return map[string]any{"key": s.Key}
	case *pb.Selector_Prefix:
		return map[string]any{"prefix": s.Prefix}
	case *pb.Selector_Glob:
		return map[string]any{"glob": s.Glob}
	case *pb.Selector_Tag:
		return map[string]any{"tag": s.Tag}
	case *pb.Selector_AllTags:
		return map[string]any{"all_tags": s.AllTags.GetTags()}
	case *pb.Selector_Kind:
		return map[string]any{"kind": s.Kind}
	case *pb.Selector_DependentsOf:
		return map[string]any{"dependents_of": s.DependentsOf}
	case *pb.Selector_Everything:
		return map[string]any{"everything": s.Everything}
	}
	return nil
}

// plain is a name of the contract as answers have it.
func plain(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

func preload(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Items []struct {
			Key        key
			Origin     string
			Parameters map[string]string
			TTL        lifetime
		}
		Force bool
	}](line)
	if err != nil {
		return nil, err
	}
	space, err := w.space(a.where)
	if err != nil {
		return nil, err
	}
	items := make([]hotplate.PreloadItem, 0, len(a.Items))
	for _, given := range a.Items {
		item := hotplate.PreloadItem{Key: given.Key, Origin: given.Origin, Parameters: given.Parameters}
		if given.TTL != nil {
			lasting, err := given.TTL.parse()
			if err != nil {
				return nil, err
			}
			item.Lifetime = &lasting
		}
		items = append(items, item)
	}
	var options []hotplate.PreloadOption
	if a.Force {
		options = append(options, hotplate.Force())
	}
	results := map[string]any{}
	var order []string
	var last *pb.PreloadResponse
	for progress, err := range space.Preload(ctx, items, options...) {
		if err != nil {
			return nil, err
		}
		last = progress
		for _, result := range progress.GetResults() {
			// After a lost connection the results so far are told again.
			if results[result.GetKey()] == nil {
				order = append(order, result.GetKey())
			}
			results[result.GetKey()] = resultOf(result)
		}
	}
	all := make([]any, 0, len(order))
	for _, key := range order {
		all = append(all, results[key])
	}
	return map[string]any{
		"job_id": last.GetJobId(), "done_count": last.GetDoneCount(), "total_count": last.GetTotalCount(), "results": all,
	}, nil
}

func resultOf(result *pb.PreloadResult) map[string]any {
	told := map[string]any{
		"key": result.GetKey(), "state": plain(result.GetState().String(), "PRELOAD_STATE_"), "error": nil,
	}
	if result.GetError() != nil {
		told["error"] = ofError(hotplate.ItemFault(result.GetError()))
	}
	return told
}
