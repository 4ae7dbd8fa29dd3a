package hotplate

// Invalidations that wait for the server, oldest first, bounded. Carrying them out lives in replay.go.

import (
	"slices"
	"sync"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// selectorsPerCall fit one Invalidate.
const selectorsPerCall = 128

type journal struct {
	mu        sync.Mutex
	max       int
	waiting   []*waitingInvalidation
	replaying bool
}

type waitingInvalidation struct {
	namespace string
	selector  *pb.Selector
	// internals is how often the server failed with it; widened: it stands for everything of its namespace. Only the replay
	// uses them.
	internals int
	widened   bool
}

// remember keeps an invalidation, or fails: dropping one would mean serving what it dropped.
func (j *journal) remember(namespace string, selectors []*pb.Selector) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting)+len(selectors) > j.max {
		full := failure(KindResourceExhausted, "the cache is away and no more invalidations can be remembered: raise WithJournalMax")
		return full.withReason("JOURNAL_FULL")
	}
	for _, selector := range selectors {
		j.waiting = append(j.waiting, &waitingInvalidation{namespace: namespace, selector: selector})
	}
	return nil
}

// pending is how many wait.
func (j *journal) pending() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.waiting)
}

// beginReplay tells whether the caller is the one to carry out what waits.
func (j *journal) beginReplay() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	begins := len(j.waiting) > 0 && !j.replaying
	j.replaying = j.replaying || begins
	return begins
}

// batches is what goes with the next calls, in order; when nothing waits, the replay is over: false.
func (j *journal) batches() (all [][]*waitingInvalidation, wait bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 {
		j.replaying = false
		return nil, false
	}
	var batch []*waitingInvalidation
	for _, one := range j.waiting {
		if len(batch) > 0 && (len(batch) == selectorsPerCall || batch[0].namespace != one.namespace) {
			all, batch = append(all, batch), nil
		}
		batch = append(batch, one)
	}
	return append(all, batch), true
}

// forget drops what was carried out, or never will be.
func (j *journal) forget(done ...*waitingInvalidation) {
	gone := make(map[*waitingInvalidation]bool, len(done))
	for _, one := range done {
		gone[one] = true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = slices.DeleteFunc(j.waiting, func(one *waitingInvalidation) bool { return gone[one] })
	if len(j.waiting) == 0 {
		// Gives back what an outage needed.
		j.waiting = nil
	}
}

// widen makes one stand for everything of its namespace.
func (j *journal) widen(one *waitingInvalidation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	one.selector, one.internals, one.widened = Everything().wire, 0, true
}
