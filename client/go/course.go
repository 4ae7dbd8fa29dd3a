package hotplate

// How far a computation is that callers wait for, and what happened around it. Who waits lives in flight.go.

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// askLastsAfterClose is for how long an ask that is on the wire goes on when the client is closed: its answer may be a lease.
const askLastsAfterClose = 200 * time.Millisecond

// course tells a running computation what happened around it. Its context ends when nobody waits any more.
type course struct {
	flights *flights
	cancel  context.CancelFunc
	// outdated: something was invalidated since it began.
	outdated atomic.Bool
	// needed is closed when another computation waits for it, and may hold the place that it would wait for.
	needed   chan struct{}
	needOnce sync.Once
	// What follows is guarded by the table's lock. isAsking: a call that may be answered with a lease is on the wire. It goes to
	// its end also when nobody waits, and who comes meanwhile joins it: nobody else would give that lease back.
	isAsking bool
	// isComputed: it has its value, and from here on is finished even when nobody waits.
	isComputed bool
	// ownFlight is the flight whose course this is.
	ownFlight *flight
	key       flightKey
}

// asks notes that such a call begins now; false when nobody waits any more, and it must not.
func (c *course) asks() bool {
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	c.isAsking = c.ownFlight.waiters > 0 && !c.flights.tasks.isOver()
	return c.isAsking
}

// isWanted tells whether anyone waits for it now.
func (c *course) isWanted() bool {
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	return c.ownFlight.waiters > 0 && !c.flights.tasks.isOver()
}

// answered notes that the call has ended; false when nobody waited for that, and nobody will.
func (c *course) answered() (isWanted bool) {
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	c.isAsking = false
	if c.ownFlight.waiters > 0 && !c.flights.tasks.isOver() {
		return true
	}
	c.flights.remove(c.key, c.ownFlight)
	return false
}

// end ends what is under way, as the client is closed: at once, or with a last word.
func (c *course) end() {
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	if c.isAsking {
		time.AfterFunc(askLastsAfterClose, c.cancel)
		return
	}
	c.cancel()
}

// computed keeps the rest from being cancelled, and tells whether the result may be stored.
func (c *course) computed() (mayStore bool) {
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	c.isComputed = true
	return !c.outdated.Load()
}

// unleased has this called when what is stored without a lease is outdated; ended when it is stored. False: it is outdated already.
func (c *course) unleased(end context.CancelFunc) (ended func(), ok bool) {
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	if c.outdated.Load() {
		return nil, false
	}
	c.flights.unleased[c] = end
	return func() {
		c.flights.mu.Lock()
		defer c.flights.mu.Unlock()
		delete(c.flights.unleased, c)
	}, true
}

func (c *course) need() { c.needOnce.Do(func() { close(c.needed) }) }
