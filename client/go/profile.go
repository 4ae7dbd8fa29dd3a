package hotplate

// Sets of timeouts for where a client runs. How a timeout is applied lives in tries.go.

import "time"

// Profile is the timeouts of a client. Pick the one for the place it runs in; each field can be changed by itself.
type Profile struct {
	// Connect is the time to establish a connection, TLS included.
	Connect time.Duration
	// Call is the time for a call on one key, retries included; for a stream, to be opened.
	Call time.Duration
	// Bulk is the time for a call on many entries (batches, listings, invalidations, statistics), retries included.
	Bulk time.Duration
}

// Local is for a developer's machine, with debuggers and cold starts: 2 s, 5 s, 15 s. The default.
func Local() Profile {
	return Profile{Connect: 2 * time.Second, Call: 5 * time.Second, Bulk: 15 * time.Second}
}

// InCluster is for a service next to its cache: 500 ms, 1 s, 5 s.
func InCluster() Profile {
	return Profile{Connect: 500 * time.Millisecond, Call: time.Second, Bulk: 5 * time.Second}
}

// LowLatency is for a service that would rather compute than wait: 250 ms, 250 ms, 1 s.
func LowLatency() Profile {
	return Profile{Connect: 250 * time.Millisecond, Call: 250 * time.Millisecond, Bulk: time.Second}
}

// Batch is for jobs that move much and wait long: 10 s, 30 s, 120 s.
func Batch() Profile {
	return Profile{Connect: 10 * time.Second, Call: 30 * time.Second, Bulk: 120 * time.Second}
}

// ProfileNamed is the profile with this name: local, in_cluster, low_latency or batch.
//
// Errors: [ErrConfiguration] for any other name.
func ProfileNamed(name string) (Profile, error) {
	switch name {
	case "local":
		return Local(), nil
	case "in_cluster":
		return InCluster(), nil
	case "low_latency":
		return LowLatency(), nil
	case "batch":
		return Batch(), nil
	}
	return Profile{}, configuration("unknown profile: use `local`, `in_cluster`, `low_latency` or `batch`")
}

func (p Profile) check() *Error {
	if min(p.Connect, p.Call, p.Bulk) < time.Millisecond {
		return configuration("a timeout is at least 1 ms")
	}
	return nil
}
