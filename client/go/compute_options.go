package hotplate

// What a caller may ask of a computation: whether and how it is looked up, shared with other processes, stored, and what
// becomes of its failure. What it means is carried out in compute.go.

import (
	"time"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// waitDefault is how long a caller waits for another process.
const waitDefault = 30 * time.Second

// CacheMode is how one call of [Namespace.GetOrCompute] uses the cache.
type CacheMode uint8

const (
	// CacheUse reads, computes on a miss, and stores.
	CacheUse CacheMode = iota
	// CacheBypass computes; it neither reads nor stores.
	CacheBypass
	// CacheRefresh computes and stores; it does not read.
	CacheRefresh
	// CacheOnly reads and never computes. A miss is an error that is [ErrMiss], with reason NOT_CACHED.
	CacheOnly
)

// ComputeOption is how [Namespace.GetOrCompute] reads, computes and stores. Every [WriteOption] is one as well.
type ComputeOption interface{ applyCompute(*computeOptions) }

type computeOptions struct {
	write                writeOptions
	mode                 CacheMode
	staleIfError         bool
	staleWhileRevalidate bool
	maxAge               *time.Duration
	perProcess           bool
	wait                 time.Duration
	failureTTL           *Lifetime
	holdOff              *time.Duration
}

type computeOption func(*computeOptions)

func (o computeOption) applyCompute(c *computeOptions) { o(c) }

func computing(options []ComputeOption) *computeOptions {
	c := &computeOptions{wait: waitDefault}
	for _, o := range options {
		o.applyCompute(c)
	}
	return c
}

// InMode is how this call uses the cache.
func InMode(mode CacheMode) ComputeOption {
	return computeOption(func(c *computeOptions) { c.mode = mode })
}

// StaleIfError returns a stale value, if there is one, when the computation fails; the failure is then not remembered. It
// needs entries stored with [StaleFor].
func StaleIfError() ComputeOption {
	return computeOption(func(c *computeOptions) { c.staleIfError = true })
}

// StaleWhileRevalidate returns a stale value at once, and has one caller of all processes compute the next one behind it. It
// needs entries stored with [StaleFor].
func StaleWhileRevalidate() ComputeOption {
	return computeOption(func(c *computeOptions) { c.staleWhileRevalidate = true })
}

// Wait is how long to wait for a value that another process computes; then the caller computes it for itself, and that is
// not stored. Zero: never waits. Default: 30 s.
func Wait(longest time.Duration) ComputeOption {
	return computeOption(func(c *computeOptions) { c.wait = longest })
}

// PerProcess asks for no lease: each process computes for itself. For computations that are cheaper than two calls.
func PerProcess() ComputeOption {
	return computeOption(func(c *computeOptions) { c.perProcess = true })
}

// RememberFailure remembers for so long that the computation failed: until then every caller, of whichever process, gets the
// same failure at once. Its text, up to 1,024 bytes of it, is stored. Default: a failure is not remembered, and the next who
// waits computes.
func RememberFailure(lifetime Lifetime) ComputeOption {
	return computeOption(func(c *computeOptions) { c.failureTTL = &lifetime })
}

// HoldOff keeps all processes from trying again for so long after the computation failed, at most 60 s: who asks meanwhile
// waits. It has no effect on a failure that is remembered.
func HoldOff(pause time.Duration) ComputeOption {
	return computeOption(func(c *computeOptions) { c.holdOff = &pause })
}

// reads is how it is looked up by who may not compute.
func (c *computeOptions) reads() *readOptions {
	r := &readOptions{maxAge: c.maxAge}
	switch {
	case c.staleWhileRevalidate:
		r.stale = pb.StalePolicy_STALE_POLICY_WHILE_REVALIDATE
	case c.staleIfError:
		r.stale = pb.StalePolicy_STALE_POLICY_IF_ERROR
	}
	return r
}
