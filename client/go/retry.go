package hotplate

// When a failed call is tried again: how often, how soon, and never more than a share of all calls. The numbers are those
// of client/service_config.json, which every client shares; a test compares them.

import (
	"sync"
	"time"
)

const (
	attemptsMax       = 3
	backoffFirst      = 20 * time.Millisecond
	backoffMax        = 200 * time.Millisecond
	backoffMultiplier = 2
	budgetTokens      = 100.0
	budgetRatio       = 0.1
)

// budget bounds what retries add to an overload: while more than one call in ten fails it drains, and below half nothing is
// tried again.
type budget struct {
	mu    sync.Mutex
	spent float64
}

// succeeded records a call that the server answered.
func (b *budget) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(b.spent-budgetRatio, 0)
}

// failed records a call that found the server away, and tells whether it may be tried again.
func (b *budget) failed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = min(b.spent+1, budgetTokens)
	return budgetTokens-b.spent > budgetTokens/2
}

// waitBefore is how long to wait before try number next (2 or more), and whether there is one.
func waitBefore(next, attempts int, repeatable bool, e *Error) (time.Duration, bool) {
	if next > attempts || !repeatable || e.Kind != KindUnavailable || isAnswer(e) {
		return 0, false
	}
	if e.RetryAfter > 0 {
		return e.RetryAfter, true
	}
	return jittered(backoff(next-1, backoffFirst, backoffMax)), true
}

// isAnswer tells whether the server did what it could: what is left is done by itself, and asking again at once changes
// nothing.
func isAnswer(e *Error) bool { return e.Reason == "TIER_PENDING" }

// backoff is the full wait before retry number retry (1 or more): doubling from first, never above most.
func backoff(retry int, first, most time.Duration) time.Duration {
	wait := first
	for range retry - 1 {
		if wait >= most/backoffMultiplier {
			return most
		}
		wait *= backoffMultiplier
	}
	return min(wait, most)
}
