//go:build !linux

package hotplatetest

import "syscall"

// attributes: only Linux ends a process with the one that started it. Elsewhere a test that ends without its cleanups, by a timeout
// or a panic, leaves its server running.
func attributes() *syscall.SysProcAttr { return nil }
