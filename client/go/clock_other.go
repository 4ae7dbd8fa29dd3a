//go:build !linux

package hotplate

import "time"

// processStart is where the clock below begins; it never changes.
var processStart = time.Now().Add(-time.Hour)

// sinceBoot is a clock that only goes forward. It does not count the time that the machine slept; the silence of the
// server after that is noticed when its next message is late.
func sinceBoot() time.Duration { return time.Since(processStart) }
