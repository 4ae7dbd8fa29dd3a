package hotplate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplatetest"
)

func TestACacheThatIsAwayIsAMissAtOnceAndInvalidationsAreMadeUpFor(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	var mu sync.Mutex
	var changes []bool
	client := server.Client(hotplate.WithStateChange(func(available bool) {
		mu.Lock()
		defer mu.Unlock()
		changes = append(changes, available)
	}))
	space := hotplate.NS(client, "", hotplate.String())
	key := hotplate.Text("k")
	must[hotplate.Written](t)(space.Put(t.Context(), key, "v"))
	server.Kill()
	until(t, "the breaker opens", func() bool {
		found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), key))
		if found.Outcome != hotplate.Miss || found.Reason != hotplate.Unavailable {
			t.Fatalf("%+v", found)
		}
		return !client.Available()
	})
	if w := must[hotplate.Written](t)(space.Put(t.Context(), key, "v")); w.Outcome != hotplate.Dropped || w.Reason != "unavailable" {
		t.Errorf("%+v", w)
	}
	if r := must[hotplate.InvalidateResult](t)(space.Invalidate(t.Context(), hotplate.ByTag("x"), hotplate.ByTag("y"))); r.Outcome != hotplate.Queued {
		t.Errorf("%+v", r)
	}
	value, err := space.GetOrCompute(t.Context(), key, func(context.Context) (string, error) { return "computed", nil })
	if err != nil || value != "computed" {
		t.Error(value, err)
	}
	if client.InvalidationsWaiting() != 2 {
		t.Error(client.InvalidationsWaiting())
	}
	server.Restart()
	until(t, "what was remembered is carried out", func() bool { return client.InvalidationsWaiting() == 0 })
	until(t, "it is read again", func() bool {
		return must[hotplate.Written](t)(space.Put(t.Context(), key, "new")).IsStored()
	})
	counts := client.Degradation()
	if counts.InvalidationsQueued != 2 || counts.InvalidationsReplayed != 2 || counts.Outages != 1 || counts.WritesDropped == 0 || counts.ReadsWithoutCache < 5 {
		t.Errorf("%+v", counts)
	}
	until(t, "both changes are told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(changes) == 2 && !changes[0] && changes[1]
	})
}

func TestWhoAsksForFailuresGetsThem(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	client := server.Client(hotplate.WithOnError(hotplate.OnErrorRaise))
	space := hotplate.NS(client, "", hotplate.String())
	server.Kill()
	if _, err := space.Get(t.Context(), hotplate.Text("k")); !errors.Is(err, hotplate.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := space.Invalidate(t.Context(), hotplate.Everything()); !errors.Is(err, hotplate.ErrUnavailable) {
		t.Error(err)
	}
}

func TestAFrozenServerCostsNoMoreThanTheTimeAllowed(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	client := server.Client(hotplate.WithTimeout(200 * time.Millisecond))
	space := hotplate.NS(client, "", hotplate.String())
	must[hotplate.Written](t)(space.Put(t.Context(), hotplate.Text("k"), "v"))
	server.Pause()
	defer server.Resume()
	found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), hotplate.Text("k")))
	if found.Outcome != hotplate.Miss || found.Reason != hotplate.Timeout {
		t.Errorf("%+v", found)
	}
}

func TestPastItsBoundAnInvalidationIsAnErrorAndNotForgotten(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	client := server.Client(hotplate.WithJournalMax(1))
	space := hotplate.NS(client, "", hotplate.String())
	server.Kill()
	must[hotplate.InvalidateResult](t)(space.Remove(t.Context(), hotplate.Text("a")))
	_, err := space.Remove(t.Context(), hotplate.Text("b"))
	var failed *hotplate.Error
	if !errors.As(err, &failed) || failed.Reason != "JOURNAL_FULL" || !errors.Is(err, hotplate.ErrResourceExhausted) {
		t.Error(err)
	}
}

func TestTheKillSwitchTurnsTheTypedLayerOff(t *testing.T) {
	t.Setenv("HOTPLATE_DISABLE", "1")
	client := hotplatetest.New(t).Client()
	space := hotplate.NS(client, "", hotplate.String())
	key := hotplate.Text("k")
	if w := must[hotplate.Written](t)(space.Put(t.Context(), key, "v")); w.Outcome != hotplate.Dropped || w.Reason != "disabled" {
		t.Errorf("%+v", w)
	}
	if found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), key)); found.Reason != hotplate.Disabled {
		t.Errorf("%+v", found)
	}
	if r := must[hotplate.InvalidateResult](t)(space.Remove(t.Context(), key)); r.Outcome != hotplate.TurnedOff {
		t.Errorf("%+v", r)
	}
	value, err := space.GetOrCompute(t.Context(), key, func(context.Context) (string, error) { return "computed", nil })
	if value != "computed" || err != nil || client.Available() {
		t.Error(value, err)
	}
}
