package hotplatetest

import "syscall"

// attributes end a server with the thread that started it: tests that end without their cleanups, by a timeout or a panic, leave
// none behind.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
