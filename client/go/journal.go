package hotplate

// Invalidations that wait for the server, oldest first, bounded. Carrying them out lives in gate.go.

import (
	"sync"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// selectorsPerCall fit one Invalidate.
const selectorsPerCall = 128

type journal struct {
	mu        sync.Mutex
	max       int
	waiting   []waitingInvalidation
	replaying bool
}

type waitingInvalidation struct {
	namespace string
	selector  *pb.Selector
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
		j.waiting = append(j.waiting, waitingInvalidation{namespace, selector})
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

// nextBatch is what goes with the next call; without any, the replay is over.
func (j *journal) nextBatch() (namespace string, selectors []*pb.Selector) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 {
		j.replaying = false
		return "", nil
	}
	namespace = j.waiting[0].namespace
	for _, w := range j.waiting[:min(len(j.waiting), selectorsPerCall)] {
		if w.namespace != namespace {
			break
		}
		selectors = append(selectors, w.selector)
	}
	return namespace, selectors
}

// forget drops the oldest, which were carried out.
func (j *journal) forget(count int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = j.waiting[count:]
	if len(j.waiting) == 0 {
		// Gives back what an outage needed.
		j.waiting = nil
	}
}
