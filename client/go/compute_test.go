package hotplate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplatetest"
)

func TestManyCallersOfTwoProcessesCostOneComputation(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	var computed atomic.Int64
	var callers sync.WaitGroup
	begin := make(chan struct{})
	for range 2 {
		space := hotplate.NS(server.Client(), "", hotplate.String())
		for range 100 {
			callers.Go(func() {
				<-begin
				value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(ctx context.Context) (string, error) {
					computed.Add(1)
					select {
					case <-time.After(300 * time.Millisecond):
						return "v", nil
					case <-ctx.Done():
						return "", ctx.Err()
					}
				}, hotplate.TTL(time.Hour))
				if err != nil || value != "v" {
					t.Error(value, err)
				}
			})
		}
	}
	close(begin)
	callers.Wait()
	if computed.Load() != 1 {
		t.Errorf("%d computations", computed.Load())
	}
}

func TestWhenTheLastCallerGivesUpTheNextProcessComputesAtOnce(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	one := hotplate.NS(server.Client(), "", hotplate.String())
	two := hotplate.NS(server.Client(), "", hotplate.String())
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan struct{}), make(chan struct{})
	go func() {
		<-started
		cancel()
	}()
	stubborn := make(chan struct{})
	_, err := one.GetOrCompute(ctx, hotplate.Text("k"), func(ctx context.Context) (string, error) {
		close(started)
		defer close(ended)
		<-ctx.Done()
		// One that takes its time to end holds up nobody.
		<-stubborn
		return "", ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	began := time.Now()
	value, err := two.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil })
	if value != "v" || err != nil || time.Since(began) > 8*time.Second {
		t.Error(value, err, time.Since(began))
	}
	close(stubborn)
	<-ended
}

var errTraining = errors.New("no data")

func TestAFailureIsTheCallersAndIsNotKeptUnlessAskedFor(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	fail := func(context.Context) (string, error) { return "", fmt.Errorf("training: %w", errTraining) }
	_, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), fail)
	if !errors.Is(err, hotplate.ErrCompute) || !errors.Is(err, errTraining) {
		t.Error(err)
	}
	value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil })
	if value != "v" || err != nil {
		t.Error(value, err)
	}
	_, err = space.GetOrCompute(t.Context(), hotplate.Text("f"), fail, hotplate.RememberFailure(hotplate.For(time.Hour)))
	if !errors.Is(err, errTraining) {
		t.Error(err)
	}
	until(t, "the failure is remembered", func() bool {
		found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), hotplate.Text("f")))
		return found.Outcome == hotplate.Negative && found.NegativeReason == "COMPUTE_FAILED"
	})
	_, err = space.GetOrCompute(t.Context(), hotplate.Text("f"), func(context.Context) (string, error) {
		t.Error("it is computed although its failure is remembered")
		return "", nil
	})
	if !errors.Is(err, hotplate.ErrCompute) || !errors.Is(err, hotplate.ErrNegative) {
		t.Error(err)
	}
}

func TestAPanicIsAFailureWithoutItsText(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	_, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { panic("hunter2") })
	if !errors.Is(err, hotplate.ErrCompute) || err.Error() != "COMPUTE: the computation panicked" {
		t.Error(err)
	}
}

func TestAComputationThatWaitsForItselfIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(hotplate.WithComputationsMax(1)), "", hotplate.String())
	var ask func(ctx context.Context, name string) (string, error)
	ask = func(ctx context.Context, name string) (string, error) {
		return space.GetOrCompute(ctx, hotplate.Text(name), func(ctx context.Context) (string, error) {
			switch name {
			case "a":
				return ask(ctx, "b")
			case "b":
				return ask(ctx, "a")
			default:
				return ask(ctx, "leaf of "+name[:1])
			}
		})
	}
	if _, err := ask(t.Context(), "a"); !errors.Is(err, hotplate.ErrInvalidArgument) {
		t.Error(err)
	}
	// What a computation asks for needs no place of its own.
	value, err := space.GetOrCompute(t.Context(), hotplate.Text("outer"), func(ctx context.Context) (string, error) {
		return space.GetOrCompute(ctx, hotplate.Text("inner"), func(context.Context) (string, error) { return "v", nil })
	})
	if value != "v" || err != nil {
		t.Error(value, err)
	}
}

func TestModesAreCarriedOut(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	key := hotplate.Text("k")
	ask := func(value string, mode hotplate.CacheMode) (string, error) {
		return space.GetOrCompute(t.Context(), key, func(context.Context) (string, error) { return value, nil }, hotplate.InMode(mode))
	}
	if _, err := ask("1", hotplate.CacheOnly); !errors.Is(err, hotplate.ErrMiss) {
		t.Error(err)
	}
	for _, step := range []struct {
		value, expected string
		mode            hotplate.CacheMode
	}{
		{"1", "1", hotplate.CacheBypass}, {"2", "2", hotplate.CacheUse}, {"3", "2", hotplate.CacheUse},
		{"4", "4", hotplate.CacheRefresh}, {"5", "4", hotplate.CacheUse}, {"6", "4", hotplate.CacheOnly},
	} {
		if value, err := ask(step.value, step.mode); err != nil || value != step.expected {
			t.Errorf("%+v: %s, %v", step, value, err)
		}
	}
}

func TestAStaleValueIsReturnedAndRenewedBehindIt(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	key := hotplate.Text("k")
	must[hotplate.Written](t)(space.Put(t.Context(), key, "old", hotplate.TTL(time.Hour), hotplate.StaleFor(time.Hour)))
	must[hotplate.InvalidateResult](t)(space.MarkStale(t.Context(), 0, hotplate.ByKey(key)))
	value, err := space.GetOrCompute(t.Context(), key, func(context.Context) (string, error) { return "new", nil },
		hotplate.StaleWhileRevalidate(), hotplate.TTL(time.Hour), hotplate.StaleFor(time.Hour))
	if value != "old" || err != nil {
		t.Fatal(value, err)
	}
	until(t, "it is renewed", func() bool {
		found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), key))
		return found.Value == "new"
	})
	must[hotplate.InvalidateResult](t)(space.MarkStale(t.Context(), 0, hotplate.ByKey(key)))
	value, err = space.GetOrCompute(t.Context(), key, func(context.Context) (string, error) { return "", errTraining }, hotplate.StaleIfError())
	if value != "new" || err != nil {
		t.Error(value, err)
	}
}

func TestWhatIsInvalidatedWhileItIsComputedIsNotStored(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	key := hotplate.Text("k")
	value, err := space.GetOrCompute(t.Context(), key, func(ctx context.Context) (string, error) {
		_, err := space.Invalidate(ctx, hotplate.ByTag("t"))
		return "old", err
	}, hotplate.Tags("t"))
	if value != "old" || err != nil {
		t.Fatal(value, err)
	}
	if found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), key)); found.Outcome != hotplate.Miss {
		t.Errorf("%+v", found)
	}
}

func TestALeaseIsKeptForAsLongAsTheComputationTakes(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t, hotplatetest.Args("--leases-duration", "2s"))
	one := hotplate.NS(server.Client(), "", hotplate.String())
	two := hotplate.NS(server.Client(), "", hotplate.String())
	started := make(chan struct{})
	var callers sync.WaitGroup
	callers.Go(func() {
		value, err := one.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) {
			close(started)
			time.Sleep(5 * time.Second)
			return "v", nil
		})
		if value != "v" || err != nil {
			t.Error(value, err)
		}
	})
	<-started
	value, err := two.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) {
		t.Error("two computations")
		return "w", nil
	})
	if value != "v" || err != nil {
		t.Error(value, err)
	}
	callers.Wait()
}

func TestClosingAClientEndsItsComputations(t *testing.T) {
	t.Parallel()
	client, err := hotplate.New(hotplatetest.New(t).URL("t"))
	if err != nil {
		t.Fatal(err)
	}
	space := hotplate.NS(client, "", hotplate.String())
	started := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		_, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(ctx context.Context) (string, error) {
			close(started)
			<-ctx.Done()
			return "", ctx.Err()
		})
		failed <- err
	}()
	<-started
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, hotplate.ErrClosed) {
		t.Error(err)
	}
}

func TestWhoGivesUpWhileTheLeaseIsOnItsWayLeavesNoneBehind(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	one := hotplate.NS(server.Client(), "", hotplate.String())
	two := hotplate.NS(server.Client(), "", hotplate.String())
	for i := range 60 {
		key := hotplate.Text(fmt.Sprintf("k:%d", i))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%30)*100*time.Microsecond)
		_, _ = one.GetOrCompute(ctx, key, func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		cancel()
		began := time.Now()
		value, err := two.GetOrCompute(t.Context(), key, func(context.Context) (string, error) { return "v", nil })
		if value != "v" || err != nil || time.Since(began) > 8*time.Second {
			t.Fatal(i, value, err, time.Since(began))
		}
	}
}
