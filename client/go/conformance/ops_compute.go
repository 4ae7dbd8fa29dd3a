package main

// Computations, the functions they run, and the gates that hold those.

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"
)

type functionArguments struct {
	Name    string
	Value   json.RawMessage
	Fail    *string
	TakesMS millis `json:"takes_ms"`
	Gate    string
	Panics  bool
}

// function is what a request describes.
func (a *functionArguments) function(w *world, ran *atomic.Bool) func(context.Context) (json.RawMessage, error) {
	counted := w.countsOf(a.Name)
	return func(ctx context.Context) (json.RawMessage, error) {
		ran.Store(true)
		counted.started.Add(1)
		if a.Gate != "" {
			select {
			case <-w.gate(a.Gate).released:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		timer := time.NewTimer(a.TakesMS.duration())
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if a.Panics {
			panic("told to panic")
		}
		counted.finished.Add(1)
		if a.Fail != nil {
			return nil, errors.New(*a.Fail)
		}
		return a.Value, nil
	}
}

func getOrCompute(ctx context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		keyed
		Options computeArguments
		Compute functionArguments
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
	if a.Compute.Value == nil {
		a.Compute.Value = json.RawMessage("null")
	}
	var ran atomic.Bool
	value, err := space.GetOrCompute(ctx, a.Key, a.Compute.function(w, &ran), options...)
	if err != nil {
		return nil, err
	}
	return map[string]any{"value": value, "computed": ran.Load()}, nil
}

func computations(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Name string
	}](line)
	if err != nil {
		return nil, err
	}
	counted := w.countsOf(a.Name)
	return map[string]any{"started": counted.started.Load(), "finished": counted.finished.Load()}, nil
}

func release(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Gate string
	}](line)
	if err != nil {
		return nil, err
	}
	g := w.gate(a.Gate)
	g.once.Do(func() { close(g.released) })
	return nothing{}, nil
}

func cancel(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Target int64
	}](line)
	if err != nil {
		return nil, err
	}
	w.cancel(a.Target)
	return nothing{}, nil
}
