package hotplatetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplatetest"
)

// both runs a test against the fake and against a real server, so that they do the same.
func both(t *testing.T, test func(t *testing.T, client *hotplate.Client)) {
	t.Run("fake", func(t *testing.T) { test(t, hotplatetest.Fake(t).Client) })
	t.Run("server", func(t *testing.T) { test(t, hotplatetest.New(t).Client()) })
}

func TestTheFakeDoesAsTheServerDoes(t *testing.T) {
	both(t, func(t *testing.T, client *hotplate.Client) {
		space := hotplate.NS(client, "", hotplate.String())
		ctx := t.Context()
		var told []string
		tell := func(key string) {
			found, err := space.Get(ctx, hotplate.Text(key), hotplate.AcceptStale())
			if err != nil {
				t.Fatal(err)
			}
			line := key + " " + found.Outcome.String() + " " + found.Value + string(found.Reason) + found.NegativeReason
			if found.Stale {
				line += " stale"
			}
			told = append(told, line)
		}
		put := func(key string, options ...hotplate.WriteOption) {
			w, err := space.Put(ctx, hotplate.Text(key), "v", options...)
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, "put "+w.Outcome.String())
		}
		put("a", hotplate.Tags("t", "u"))
		put("a", hotplate.Tags("t", "u"))
		put("a", hotplate.IfAbsent())
		put("b", hotplate.DependsOn("a"))
		put("c", hotplate.OfKind("k"), hotplate.StaleFor(time.Hour))
		put("d:1")
		put("d:2")
		if _, err := space.PutNegative(ctx, hotplate.Text("n"), "NOT_FOUND", "none"); err != nil {
			t.Fatal(err)
		}
		tell("a")
		tell("n")
		tell("never")
		for _, selector := range []hotplate.Selector{
			hotplate.ByAllTags("t", "u"), hotplate.ByGlob("d:[2-3]"), hotplate.ByKind("none"),
		} {
			result, err := space.Invalidate(ctx, selector)
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, "matched "+string(rune('0'+result.Matched)))
		}
		if _, err := space.MarkStale(ctx, 0, hotplate.ByKind("k")); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b", "c", "d:1", "d:2"} {
			tell(key)
		}
		expected := []string{
			"put stored", "put refreshed", "put precondition_failed", "put stored", "put stored", "put stored", "put stored",
			"a hit v", "n negative NOT_FOUND", "never miss never_stored", "matched 1", "matched 1", "matched 0",
			"a miss invalidated", "b miss invalidated", "c hit v stale", "d:1 hit v", "d:2 miss invalidated",
		}
		if !slices.Equal(told, expected) {
			t.Errorf("%q", told)
		}
		_, err := space.Put(ctx, hotplate.Text(""), "v")
		var failed *hotplate.Error
		if !errors.As(err, &failed) || failed.Reason != "BAD_KEY" || failed.Field != "key" {
			t.Error(err)
		}
	})
}

func TestOneComputationForManyClientsOfOneKey(t *testing.T) {
	both(t, func(t *testing.T, client *hotplate.Client) {
		space := hotplate.NS(client, "", hotplate.String())
		var computed atomic.Int64
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) {
					computed.Add(1)
					return "v", nil
				})
				if value != "v" || err != nil {
					t.Error(value, err)
				}
			})
		}
		callers.Wait()
		if computed.Load() != 1 {
			t.Error(computed.Load())
		}
	})
}

func TestTheClockOfTheFakeIsTheTests(t *testing.T) {
	fake := hotplatetest.Fake(t)
	space := hotplate.NS(fake.Client, "", hotplate.String())
	if _, err := space.Put(t.Context(), hotplate.Text("k"), "v", hotplate.TTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	fake.Advance(59 * time.Minute)
	if is, err := space.Exists(t.Context(), hotplate.Text("k")); !is || err != nil {
		t.Error(is, err)
	}
	fake.Advance(2 * time.Minute)
	found, err := space.Get(t.Context(), hotplate.Text("k"))
	if err != nil || found.Reason != hotplate.Expired {
		t.Errorf("%+v, %v", found, err)
	}
}
