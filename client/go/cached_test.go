package hotplate_test

import (
	"context"
	"errors"
	"testing"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplatetest"
)

type lap struct {
	Track string `json:"track"`
	Car   string `json:"car"`
}

func TestAWrappedFunctionRunsOnceForAnArgument(t *testing.T) {
	space := hotplate.NS(hotplatetest.Fake(t).Client, "", hotplate.JSON[int]())
	runs := 0
	lapTime := hotplate.NewCached(space, hotplate.Key("lap", "time"), func(_ context.Context, l lap) (int, error) {
		runs++
		return len(l.Track), nil
	})
	call := func(l lap, options ...hotplate.ComputeOption) int {
		return must[int](t)(lapTime.Call(t.Context(), l, options...))
	}
	monza := lap{"monza", "gt3"}
	if first, second := call(monza), call(monza); first != 5 || second != 5 || runs != 1 {
		t.Errorf("%d runs", runs)
	}
	if call(lap{"spa", "gt3"}) != 3 || runs != 2 {
		t.Errorf("%d runs", runs)
	}
	if call(monza, hotplate.InMode(hotplate.CacheBypass)); runs != 3 {
		t.Errorf("%d runs", runs)
	}
	if r := must[hotplate.InvalidateResult](t)(lapTime.Forget(t.Context(), monza)); r.Matched != 1 {
		t.Errorf("%+v", r)
	}
	if r := must[hotplate.InvalidateResult](t)(space.Invalidate(t.Context(), lapTime.All())); r.Matched != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAFunctionThatInvalidatesDoesSoAlsoWhenItFails(t *testing.T) {
	space := hotplate.NS(hotplatetest.Fake(t).Client, "", hotplate.JSON[int]())
	ctx, cancel := context.WithCancel(t.Context())
	retrain := hotplate.Invalidating(space, func(_ context.Context, fails bool) (string, error) {
		if fails {
			cancel()
			return "", errTraining
		}
		return "trained", nil
	}, hotplate.ByTag("track"))
	put := func() {
		must[hotplate.Written](t)(space.Put(t.Context(), hotplate.Text("k"), 1, hotplate.Tags("track")))
	}
	is := func() bool { return must[bool](t)(space.Exists(t.Context(), hotplate.Text("k"))) }
	put()
	if result, err := retrain(ctx, false); result != "trained" || err != nil || is() {
		t.Error(result, err, is())
	}
	put()
	if _, err := retrain(ctx, true); !errors.Is(err, errTraining) || is() {
		t.Error(err, is())
	}
}
