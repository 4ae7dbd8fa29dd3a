package hotplate

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func flightsOf(computationsMax int) *flights { return newFlights(computationsMax, newTasks()) }

func keyOf(name string) flightKey {
	return flightKey{namespace: "n", key: name, value: reflect.TypeFor[string](), maxAge: anyAge}
}

func TestOneCallersCancellationDoesNotCancelTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flightsOf(10)
		computations := 0
		compute := func(ctx context.Context, _ *course) (string, error) {
			computations++
			select {
			case <-time.After(time.Minute):
				return "v", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		first, cancel := context.WithCancel(t.Context())
		errs, values := make(chan error, 1), make(chan string, 2)
		go func() {
			_, err := join(first, f, keyOf("k"), compute)
			errs <- err
		}()
		synctest.Wait()
		for range 2 {
			go func() {
				value, err := join(t.Context(), f, keyOf("k"), compute)
				if err != nil {
					t.Error(err)
				}
				values <- value
			}()
		}
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if one, two := <-values, <-values; one != "v" || two != "v" || computations != 1 {
			t.Error(one, two, computations)
		}
		synctest.Wait()
		if len(f.table) != 0 || f.tasks.running != 0 {
			t.Error(f.table, f.tasks.running)
		}
	})
}

func TestTheLastCallersCancellationEndsTheComputation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flightsOf(10)
		ended := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := join(ctx, f, keyOf("k"), func(ctx context.Context, _ *course) (string, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return "", ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestWhoComesAfterAWriteJoinsNothingFromBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flightsOf(10)
		stores := make(chan bool, 2)
		compute := func(value string) func(context.Context, *course) (string, error) {
			return func(_ context.Context, c *course) (string, error) {
				time.Sleep(time.Minute)
				stores <- c.computed()
				return value, nil
			}
		}
		values := make(chan string, 1)
		go func() {
			value, _ := join(t.Context(), f, keyOf("k"), compute("old"))
			values <- value
		}()
		synctest.Wait()
		f.outdateKey("n", "k")
		value, err := join(t.Context(), f, keyOf("k"), compute("new"))
		if old := <-values; value != "new" || err != nil || old != "old" {
			t.Error(value, err, old)
		}
		if first, second := <-stores, <-stores; first == second {
			t.Error("both, or none, may be stored")
		}
	})
}

func TestNoMoreComputationsRunThanMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flightsOf(2)
		var running, most atomic.Int64
		done := make(chan struct{})
		for i := range 6 {
			go func() {
				defer func() { done <- struct{}{} }()
				_, err := join(t.Context(), f, keyOf(string(rune('a'+i))), func(ctx context.Context, c *course) (string, error) {
					release, _ := f.turn(ctx, c)
					return runComputation(ctx, f.tasks, slog.Default(), release, func(context.Context) (string, error) {
						most.Store(max(most.Load(), running.Add(1)))
						time.Sleep(time.Second)
						running.Add(-1)
						return "", nil
					})
				})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		for range 6 {
			<-done
		}
		if most.Load() > 2 {
			t.Errorf("%d at once", most.Load())
		}
	})
}
