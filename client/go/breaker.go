package hotplate

// Knows whether the cache is worth asking: after a run of failures calls are refused at once, and one at a time is let
// through to find out whether it is back.

import (
	"sync"
	"time"
)

const (
	failuresMax   = 5
	probeInterval = time.Second
)

type breaker struct {
	mu       sync.Mutex
	failures int
	// probeAt is when the next call is let through; zero while the cache counts as there.
	probeAt time.Time
	opened  uint64
	// changes wakes who tells of changes.
	changes chan struct{}
}

func newBreaker() *breaker { return &breaker{changes: make(chan struct{}, 1)} }

// admits tells whether a call may go out now. While away, one call a probe interval may; it need not report back, so that
// a caller that gives up leaves nothing stuck.
func (b *breaker) admits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case b.probeAt.IsZero():
		return true
	case now.Before(b.probeAt):
		return false
	}
	b.probeAt = now.Add(jittered(probeInterval))
	return true
}

// succeeded records an answer, whatever it said.
func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 0
	if !b.probeAt.IsZero() {
		b.probeAt = time.Time{}
		b.changed()
	}
}

// failed records that no answer came.
func (b *breaker) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures++; b.failures < failuresMax {
		return
	}
	if b.probeAt.IsZero() {
		b.opened++
		b.changed()
	}
	b.probeAt = time.Now().Add(jittered(probeInterval))
}

func (b *breaker) changed() {
	select {
	case b.changes <- struct{}{}:
	default:
	}
}

// available tells whether the cache counts as there.
func (b *breaker) available() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.probeAt.IsZero()
}

// outages is how often it was found to be away.
func (b *breaker) outages() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}
