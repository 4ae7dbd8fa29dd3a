//go:build !unix

package hotplatetest

import "syscall"

// What a server is told where there are no signals: it is ended, and cannot be paused.
const (
	stop  = syscall.SIGKILL
	pause = syscall.Signal(0x13)
	goOn  = syscall.Signal(0x12)
)
