package hotplate

// One computation for many callers: who waits for what, and when nobody waits any more. What is computed lives in compute.go,
// how far it is in course.go.

import (
	"context"
	"reflect"
	"sync"
	"time"
)

// flightKey is what a computation is shared by: equal only when a caller may take another's result, so it also holds what a caller
// accepts. Callers who accept different things ask side by side: one gets the server's lease, the others wait for it there.
type flightKey struct {
	namespace, key string
	refresh        bool
	value          reflect.Type
	// maxAge is the oldest that is accepted, anyAge without such a bound; stale: a stale value is accepted while it is renewed.
	maxAge     time.Duration
	stale      bool
	perProcess bool
}

// anyAge stands for no bound: no caller can ask for it.
const anyAge = time.Duration(-1 << 63)

// mayWaitFor tells whether who asks for one may have to wait for the other on the server, where nobody sees that it does.
func (k *flightKey) mayWaitFor(other *flightKey) bool {
	return k.spot() == other.spot() && !k.refresh && !other.refresh && !k.perProcess && !other.perProcess
}

func (k *flightKey) spot() spot { return spot{k.namespace, k.key} }

// spot is what is computed, in whatever way it is asked for.
type spot struct{ namespace, key string }

// flight is a computation under way.
type flight struct {
	id      uint64
	waiters int
	course  *course
	// done is closed when there is a value or an error.
	done  chan struct{}
	value any
	err   error
}

// flights are the computations of a client that are under way.
type flights struct {
	tasks *tasks
	// slots are places for computations, stores for values that are stored.
	slots, stores chan struct{}

	mu    sync.Mutex
	table map[flightKey]*flight
	// computing is all that is computed, by its id, also what nobody joins any more.
	computing map[spot]map[uint64]flightKey
	next      uint64
	waits     waits
	// unleased ends the storing of what is stored without a lease: the server would not know that it is outdated.
	unleased map[*course]context.CancelFunc
}

func newFlights(computationsMax int, running *tasks) *flights {
	return &flights{
		tasks: running, slots: make(chan struct{}, computationsMax), stores: make(chan struct{}, computationsMax),
		table: map[flightKey]*flight{}, computing: map[spot]map[uint64]flightKey{}, waits: waits{}, unleased: map[*course]context.CancelFunc{},
	}
}

// join waits for the computation of this key, starting it when there is none. Who gives up leaves the others waiting.
func join[T any](
	ctx context.Context, f *flights, key flightKey, compute func(context.Context, *course) (T, error),
) (T, error) {
	var none T
	if gone := callerGone(ctx); gone != nil {
		return none, gone
	}
	asks, nested := here(ctx)
	waiter := uint64(0)
	if nested && asks.flights == f {
		waiter = asks.id
	}
	joined, err := f.enter(ctx, key, waiter, func(ctx context.Context, c *course) (any, error) { return compute(ctx, c) })
	if err != nil {
		return none, err
	}
	if nested {
		joined.course.need()
	}
	defer f.leave(key, joined, waiter)
	select {
	case <-joined.done:
	case <-ctx.Done():
		return none, callerGone(ctx)
	case <-f.tasks.ctx.Done():
		return none, closedError()
	}
	if joined.err != nil {
		return none, joined.err
	}
	value, is := joined.value.(T)
	if !is && joined.value != nil {
		return none, failure(KindInternal, "a computation answered with another type than was asked for")
	}
	return value, nil
}

// enter joins the flight of this key, or starts one. waiter is the computation of this table that asks, if one does.
func (f *flights) enter(
	ctx context.Context, key flightKey, waiter uint64, compute func(context.Context, *course) (any, error),
) (*flight, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if waiter != 0 && f.waitsForItself(&key, waiter) {
		return nil, invalid("key", "this computation asks for what waits for it: both would wait for ever")
	}
	if underway := f.table[key]; underway != nil {
		if waiter != 0 {
			f.waits.enter(waiter, underway.id)
		}
		underway.waiters++
		return underway, nil
	}
	// The computation has what the first caller's context carries, and ends when nobody waits: not with that caller.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	begun := &flight{
		id: f.number(key), waiters: 1, done: make(chan struct{}),
		course: &course{flights: f, cancel: cancel, needed: make(chan struct{}), key: key},
	}
	begun.course.ownFlight = begun
	running = inside(running, within{f, begun.id})
	started := f.tasks.start(func(closed context.Context) {
		defer context.AfterFunc(closed, begun.course.end)()
		defer cancel()
		begun.value, begun.err = compute(running, begun.course)
		// Who comes after an end begins anew: failures are not kept.
		f.land(key, begun)
		close(begun.done)
	})
	if !started {
		cancel()
		f.forget(key, begun.id)
		return nil, closedError()
	}
	f.table[key] = begun
	if waiter != 0 {
		// What is new waits for nobody yet.
		f.waits.enter(waiter, begun.id)
	}
	return begun, nil
}

// number is the id of one more computation; forget ends it. It is called with the lock.
func (f *flights) number(key flightKey) uint64 {
	f.next++
	all := f.computing[key.spot()]
	if all == nil {
		all = map[uint64]flightKey{}
		f.computing[key.spot()] = all
	}
	all[f.next] = key
	return f.next
}

// forget is called with the lock.
func (f *flights) forget(key flightKey, id uint64) {
	all := f.computing[key.spot()]
	if delete(all, id); len(all) == 0 {
		delete(f.computing, key.spot())
	}
}

// beside is the context of a computation that nobody joins, until ended is called.
func (f *flights) beside(ctx context.Context, key flightKey) (own context.Context, ended func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.number(key)
	return inside(ctx, within{f, id}), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.forget(key, id)
	}
}

// waitsForItself tells whether what this computation asks for waits for it: the same, or what asks for it in another way, and has its
// lease or waits for who has it; also where nobody may join that any more. It is called with the lock.
func (f *flights) waitsForItself(key *flightKey, waiter uint64) bool {
	for id, other := range f.computing[key.spot()] {
		if (other == *key || key.mayWaitFor(&other)) && f.waits.leads(id, waiter) {
			return true
		}
	}
	return false
}

func (f *flights) land(key flightKey, landed *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(key, landed)
	f.forget(key, landed.id)
}

// remove takes a flight out of the table, where it still is in it. It is called with the lock.
func (f *flights) remove(key flightKey, left *flight) {
	if f.table[key] == left {
		delete(f.table, key)
	}
}

func (f *flights) leave(key flightKey, left *flight, waiter uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if waiter != 0 {
		f.waits.leave(waiter, left.id)
	}
	left.waiters--
	// A flight that left the table because it is outdated runs to its end for those who wait, and no longer.
	if left.waiters == 0 && !left.course.isComputed && !left.course.isAsking {
		f.remove(key, left)
		left.course.cancel()
	}
}

// turn waits until one more computation may run. What is only looked up, or waited for, needs no such place; what another
// computation waits for takes one if there is one, and runs in that one's place otherwise. release gives it back.
func (f *flights) turn(ctx context.Context, c *course) (release func(), ok bool) {
	if release, ok := f.slot(); ok {
		return release, true
	}
	select {
	case f.slots <- struct{}{}:
		return f.release, true
	case <-c.needed:
		return func() {}, true
	case <-ctx.Done():
		return func() {}, false
	}
}

// slot is a place for one more computation, if there is one now.
func (f *flights) slot() (release func(), ok bool) {
	select {
	case f.slots <- struct{}{}:
		return f.release, true
	default:
		return func() {}, false
	}
}

func (f *flights) release() { <-f.slots }

// store is a place for one more value to be stored, which is waited for until then; release gives it back.
func (f *flights) store(ctx context.Context, until <-chan time.Time) (release func(), ok bool) {
	select {
	case f.stores <- struct{}{}:
		return func() { <-f.stores }, true
	default:
	}
	select {
	case f.stores <- struct{}{}:
		return func() { <-f.stores }, true
	case <-until:
	case <-ctx.Done():
	}
	return nil, false
}

// outdate marks what is under way in a namespace as computed from what no longer holds: its callers get it, nobody else does,
// and it is not stored. Storing that began without a lease ends.
func (f *flights) outdate(namespace string) {
	f.outdateIf(func(key *flightKey) bool { return key.namespace == namespace })
}

// outdateKey is the same for one key, which was written.
func (f *flights) outdateKey(namespace, key string) {
	f.outdateIf(func(k *flightKey) bool { return k.key == key && k.namespace == namespace })
}

func (f *flights) outdateIf(concerns func(*flightKey) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, underway := range f.table {
		if concerns(&key) {
			underway.course.outdated.Store(true)
			delete(f.table, key)
		}
	}
	for c, end := range f.unleased {
		if concerns(&c.key) {
			c.outdated.Store(true)
			end()
		}
	}
}
