package hotplate

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot is the time since the machine was started, with the time it slept: what was known before a sleep is old after
// it.
func sinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		// Every Linux that Go runs on has this clock. Without it nothing is vouched for.
		return 1<<63 - 1
	}
	return time.Duration(now.Nano())
}
