package hotplate

// Functions whose results are cached, and functions after which cached results no longer hold. How a result is found, computed
// and stored lives in compute.go.

import (
	"context"
	"reflect"
	"slices"
)

// Cached is a function whose results are kept under a key prefix: each result under the prefix and a hash of the argument's
// canonical JSON. Where that does not tell two arguments apart, as they hold values of different types behind interfaces, the names of
// those types count as well. Make one with [NewCached].
type Cached[A, T any] struct {
	space   *Namespace[T]
	prefix  KeyPath
	options []ComputeOption
	compute func(context.Context, A) (T, error)
}

// NewCached wraps a function. What it depends on besides its argument must be part of the prefix, such as a version.
//
//	lapTime := hotplate.NewCached(space, hotplate.Key("lap", "time", "v2"), func(ctx context.Context, lap Lap) (Seconds, error) {
//		return simulate(ctx, lap)
//	}, hotplate.TTLClass(hotplate.Medium))
//	seconds, err := lapTime.Call(ctx, Lap{"monza", "gt3"})
func NewCached[A, T any](
	space *Namespace[T], prefix KeyPath, compute func(context.Context, A) (T, error), options ...ComputeOption,
) *Cached[A, T] {
	return &Cached[A, T]{space: space, prefix: prefix, options: slices.Clone(options), compute: compute}
}

// Call is the result for an argument, from the cache or from the function: a [Namespace.GetOrCompute] with the options of
// [NewCached], then these.
func (c *Cached[A, T]) Call(ctx context.Context, argument A, options ...ComputeOption) (T, error) {
	return c.space.GetOrCompute(ctx, c.Key(argument), func(ctx context.Context) (T, error) {
		return c.compute(ctx, argument)
	}, slices.Concat(c.options, options)...)
}

// Key is the key of an argument's result.
func (c *Cached[A, T]) Key(argument A) KeyPath {
	value := reflect.ValueOf(argument)
	if reflect.TypeFor[A]().Kind() == reflect.Interface {
		value = reflect.ValueOf(&argument).Elem()
	}
	plain := &keyWriter{}
	content, fault := plain.valueJSON(value, 0)
	if fault != nil || !plain.isNameless {
		return c.prefix.hash(content, fault)
	}
	content, fault = (&keyWriter{named: true}).valueJSON(value, 0)
	// A segment that no argument has of which the JSON tells everything.
	return c.prefix.push("typed").hash(content, fault)
}

// Forget drops the result for an argument.
func (c *Cached[A, T]) Forget(ctx context.Context, argument A) (InvalidateResult, error) {
	return c.space.Remove(ctx, c.Key(argument))
}

// All selects all results of this function.
func (c *Cached[A, T]) All() Selector {
	text, err := c.prefix.KeyText()
	if err != nil {
		return Selector{fault: err}
	}
	return ByPrefix(text + ":")
}

// Invalidating wraps a function after which cached results no longer hold: what these selectors select in this namespace is
// dropped whenever it ran. Also when it failed, as what it did before that is not known, and when its context ended meanwhile.
// The error is the function's own, else that of the invalidation.
func Invalidating[A, R, T any](
	space *Namespace[T], run func(context.Context, A) (R, error), selectors ...Selector,
) func(context.Context, A) (R, error) {
	return func(ctx context.Context, argument A) (R, error) {
		result, err := run(ctx, argument)
		// Who ran it may have given up since; what it changed is changed all the same. The time of a call bounds it.
		_, failed := space.Invalidate(context.WithoutCancel(ctx), selectors...)
		if err != nil && failed != nil {
			space.client.log.Warn("a function failed, and what it may have outdated could not be invalidated", "error", failed)
		}
		if err == nil {
			err = failed
		}
		return result, err
	}
}
