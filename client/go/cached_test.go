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

type (
	shape  interface{ Area() float64 }
	circle struct{ Size float64 }
	square struct{ Size float64 }
)

func (c circle) Area() float64 { return 3 * c.Size * c.Size }
func (s square) Area() float64 { return s.Size * s.Size }

func TestArgumentsOfDifferentTypesShareNoKey(t *testing.T) {
	space := hotplate.NS(hotplatetest.Fake(t).Client, "", hotplate.JSON[int]())
	prefix := hotplate.Key("f")
	ofAny := hotplate.NewCached(space, prefix, func(context.Context, any) (int, error) { return 0, nil })
	ofShape := hotplate.NewCached(space, prefix, func(context.Context, shape) (int, error) { return 0, nil })
	seen := map[string]int{}
	for i, argument := range []any{
		circle{1}, square{1}, &circle{1}, map[string]any{"Size": 1.0}, []circle{{1}}, []square{{1}}, []any{circle{1}}, []any{square{1}},
		map[string]any{"a": circle{1}}, map[string]any{"a": square{1}}, (*circle)(nil), (*square)(nil), nil, 1, int64(1), uint(1), "dg==",
		[]byte("v"), tag("dg=="),
		[]any{"example.invalid/hotplate/client/go_test.circle", map[string]any{"Size": 1.0}},
	} {
		text := must[string](t)(ofAny.Key(argument).KeyText())
		if other, is := seen[text]; is {
			t.Errorf("%d shares a key with %d", i, other)
		}
		seen[text] = i
		if again := must[string](t)(ofAny.Key(argument).KeyText()); again != text {
			t.Errorf("%d has another key the next time", i)
		}
	}
	if one, other := must[string](t)(ofShape.Key(circle{1}).KeyText()), must[string](t)(ofShape.Key(square{1}).KeyText()); one == other {
		t.Error(one)
	}
	// What JSON tells apart has the key that every language gives it.
	plain := map[string]any{"a": []any{1, 2.5, "x", true, nil}}
	if one, other := must[string](t)(ofAny.Key(plain).KeyText()), must[string](t)(prefix.Params(plain).KeyText()); one != other {
		t.Error(one, other)
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
