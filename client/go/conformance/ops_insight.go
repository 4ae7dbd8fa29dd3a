package main

// What servers and near caches say of themselves.

import (
	"context"
	"slices"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

func stats(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[where](line)
	if err != nil {
		return nil, err
	}
	space, err := w.space(a)
	if err != nil {
		return nil, err
	}
	response, err := space.Stats(ctx)
	if err != nil {
		return nil, err
	}
	total := response.GetTotal()
	misses := uint64(0)
	for _, miss := range total.GetMisses() {
		misses += miss.GetCount()
	}
	return map[string]any{
		"hits": total.GetHits(), "stale_hits": total.GetStaleHits(), "negative_hits": total.GetNegativeHits(),
		"misses": misses, "coalesced": total.GetCoalesced(), "puts": total.GetPuts(), "entry_count": total.GetEntryCount(),
	}, nil
}

func explain(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[keyed](line)
	if err != nil {
		return nil, err
	}
	space, err := at(w, a.where, a.Key)
	if err != nil {
		return nil, err
	}
	explained, err := space.Explain(ctx, a.Key)
	if err != nil {
		return nil, err
	}
	would := plain(explained.GetOutcome().String(), "GET_OUTCOME_")
	if explained.GetFreshness() == pb.Freshness_FRESHNESS_STALE {
		would = "stale"
	}
	events := make([]string, 0, len(explained.GetEvents()))
	for _, event := range slices.Backward(explained.GetEvents()) {
		events = append(events, plain(event.GetType().String(), "KEY_EVENT_TYPE_"))
	}
	answer := map[string]any{"would": would, "events": events, "reason": nil}
	if reason := explained.GetCause().GetReason(); reason != "" {
		answer["reason"] = reason
	}
	return answer, nil
}

func serverInfo(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[where](line)
	if err != nil {
		return nil, err
	}
	client, err := w.client(a.Client)
	if err != nil {
		return nil, err
	}
	info, err := client.ServerInfo(ctx)
	if err != nil {
		return nil, err
	}
	features := append([]string{}, info.GetFeatures()...)
	return map[string]any{
		"version": info.GetVersion(), "features": features,
		"unary_value_bytes_max": info.GetLimits().GetUnaryValueBytesMax(),
	}, nil
}

func nearStats(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[where](line)
	if err != nil {
		return nil, err
	}
	space, err := w.space(a)
	if err != nil {
		return nil, err
	}
	s, is := space.NearStats()
	if !is {
		return map[string]any{"off": true}, nil
	}
	return map[string]any{
		"hits": s.Hits, "misses": s.Misses, "admitted": s.Admitted, "invalidated": s.Invalidated, "evicted": s.Evicted,
		"distrusted": s.Distrusted, "revalidated": s.Revalidated, "losses": s.Losses, "entries": s.Entries, "bytes": s.Bytes,
		"followed": s.Followed, "serving": s.Serving,
		"refused": map[string]any{
			"not_synced": s.Refused.NotSynced, "other_history": s.Refused.OtherHistory, "overtaken": s.Refused.Overtaken,
			"own_write": s.Refused.OwnWrite, "not_followed": s.Refused.NotFollowed, "dependent": s.Refused.Dependent,
			"too_large": s.Refused.TooLarge,
		},
	}, nil
}
