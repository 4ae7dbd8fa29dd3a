//go:build unix

package hotplatetest

import "syscall"

// What a server is told.
const (
	stop  = syscall.SIGTERM
	pause = syscall.SIGSTOP
	goOn  = syscall.SIGCONT
)
