package hotplate

// Computations that ask for other computations: which one is running here, and who waits for whom. What is computed lives in
// flight.go.

import (
	"context"
	"slices"
)

// within is a computation, as what it asks for sees it: by the context that the computation was given.
type within struct {
	flights *flights
	id      uint64
}

type withinKey struct{}

func inside(ctx context.Context, w within) context.Context {
	return context.WithValue(ctx, withinKey{}, w)
}

// here is the computation that this context belongs to.
func here(ctx context.Context) (within, bool) {
	w, is := ctx.Value(withinKey{}).(within)
	return w, is
}

// waits is which computations of a table wait for which, once for each time that they ask.
type waits map[uint64][]uint64

// enter: one waits for another from now on. False: that one waits for it already, over others or not, and both would wait for
// ever.
func (w waits) enter(waiter, forWhom uint64) bool {
	if w.leads(forWhom, waiter) {
		return false
	}
	w[waiter] = append(w[waiter], forWhom)
	return true
}

// leave: it waits no more.
func (w waits) leave(waiter, forWhom uint64) {
	all := w[waiter]
	if at := slices.Index(all, forWhom); at >= 0 {
		all = slices.Delete(all, at, at+1)
	}
	if w[waiter] = all; len(all) == 0 {
		delete(w, waiter)
	}
}

func (w waits) leads(from, to uint64) bool {
	seen, next := map[uint64]bool{from: true}, []uint64{from}
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		if id == to {
			return true
		}
		for _, other := range w[id] {
			if !seen[other] {
				seen[other] = true
				next = append(next, other)
			}
		}
	}
	return false
}
