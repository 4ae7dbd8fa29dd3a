// Command walkthrough goes through what the Go client does, against the server at $HOTPLATE_URL, and checks what it prints.
// The README shows parts of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// Metrics is what takes long to compute.
type Metrics struct {
	Accuracy float64 `json:"accuracy"`
	Loss     float64 `json:"loss"`
}

func train(_ context.Context, id string) (Metrics, error) {
	fmt.Println("training", id)
	return Metrics{Accuracy: 0.91, Loss: 0.2}, nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the walkthrough is through")
}

func run(ctx context.Context) error {
	// #region open
	client, err := hotplate.FromEnv(hotplate.WithNearCache(hotplate.NearOptions{}))
	if err != nil {
		return err
	}
	defer client.Close()
	metrics := hotplate.NS(client, "", hotplate.JSON[Metrics]())
	// #endregion open
	steps := []func(context.Context, *hotplate.Namespace[Metrics]) error{
		compute, readAndWrite, invalidate, nearCache, watch, failures,
	}
	for _, step := range steps {
		if err := step(ctx, metrics); err != nil {
			return err
		}
	}
	return nil
}

func compute(ctx context.Context, metrics *hotplate.Namespace[Metrics]) error {
	// #region compute
	key := hotplate.Key("model", "metrics").ID("abc-123") // model:metrics:abc-123
	m, err := metrics.GetOrCompute(ctx, key, func(ctx context.Context) (Metrics, error) {
		return train(ctx, "abc-123") // once, however many processes ask at the same time
	}, hotplate.TTL(time.Hour), hotplate.Tags("model:abc-123"))
	if err != nil {
		return err
	}
	fmt.Println("accuracy", m.Accuracy)
	// #endregion compute
	again, err := metrics.GetOrCompute(ctx, key, func(context.Context) (Metrics, error) {
		return Metrics{}, errors.New("this is in the cache")
	})
	return expect(err, again == m, "a second caller gets the stored value")
}

func readAndWrite(ctx context.Context, metrics *hotplate.Namespace[Metrics]) error {
	// #region values
	key := hotplate.Key("model", "metrics").ID("put")
	if _, err := metrics.Put(ctx, key, Metrics{Accuracy: 0.5}, hotplate.TTLClass(hotplate.Long)); err != nil {
		return err
	}
	found, err := metrics.Get(ctx, key)
	if err != nil {
		return err
	}
	switch found.Outcome {
	case hotplate.Hit:
		fmt.Println("a hit from", found.Tier, "with accuracy", found.Value.Accuracy)
	case hotplate.Negative:
		fmt.Println("known to be absent:", found.NegativeReason)
	case hotplate.Miss:
		fmt.Println("not there:", found.Reason)
	}
	// #endregion values
	if err := expect(nil, found.Outcome == hotplate.Hit && found.Value.Accuracy == 0.5, "what was put is read"); err != nil {
		return err
	}
	_, err = metrics.Value(ctx, hotplate.Text("model:metrics:never"))
	return expect(nil, errors.Is(err, hotplate.ErrMiss), "the short form tells a miss as an error")
}

func invalidate(ctx context.Context, metrics *hotplate.Namespace[Metrics]) error {
	// #region invalidate
	result, err := metrics.Invalidate(ctx, hotplate.ByTag("model:abc-123"))
	if err != nil {
		return err
	}
	fmt.Println("dropped", result.Matched)
	// #endregion invalidate
	found, err := metrics.Get(ctx, hotplate.Key("model", "metrics").ID("abc-123"))
	gone := found.Outcome == hotplate.Miss && found.Reason == hotplate.Invalidated
	return expect(err, result.Matched == 1 && gone, "what has the tag is gone")
}

func nearCache(ctx context.Context, metrics *hotplate.Namespace[Metrics]) error {
	key := hotplate.Key("model", "metrics").ID("put")
	// #region near
	found, err := metrics.GetShared(ctx, key) // from the server, which tells this process from here on what changes
	for err == nil && !found.Near {
		if err = pause(ctx); err == nil {
			found, err = metrics.GetShared(ctx, key) // a moment later from this process, without a call
		}
	}
	// #endregion near
	return expect(err, found.Value == Metrics{Accuracy: 0.5}, "it is read from this process")
}

func watch(ctx context.Context, metrics *hotplate.Namespace[Metrics]) error {
	key := hotplate.Key("watched", "one")
	// #region watch
	for item, err := range metrics.Watch(ctx, hotplate.Following(hotplate.ByPrefix("watched:"))) {
		if err != nil {
			return err
		}
		if item.Created != nil { // from here on nothing is missed
			if _, err := metrics.Put(ctx, key, Metrics{Accuracy: 1}); err != nil {
				return err
			}
		}
		for _, event := range item.Events {
			fmt.Println("changed:", event.GetKey())
			return expect(nil, event.GetType() == pb.EventType_EVENT_TYPE_PUT, "the put is told")
		}
	}
	// #endregion watch
	return errors.New("the watch ended")
}

func failures(ctx context.Context, metrics *hotplate.Namespace[Metrics]) error {
	// #region errors
	_, err := metrics.Get(ctx, hotplate.Key("model", ""))
	var failed *hotplate.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Kind, failed.Field, failed.Message)
	}
	// #endregion errors
	return expect(nil, errors.Is(err, hotplate.ErrInvalidArgument), "an empty segment is refused")
}

func expect(err error, holds bool, what string) error {
	if err == nil && !holds {
		err = errors.New("it does not hold")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
