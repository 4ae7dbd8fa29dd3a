package hotplate

// Clocks: Go's own, and the machine's, which goes on while the machine sleeps where there is such a one.

import (
	"math/rand/v2"
	"time"
)

// jittered is a random 80 to 120 % of a wait, so that clients that failed together do not come back together.
func jittered(wait time.Duration) time.Duration {
	return time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
}
