package near

// How a near cache is set up, and what its numbers say. The client's own types say the same to its users.

import "time"

// FencesMax changes are remembered for answers on their way, and as many of this client's own writes.
const FencesMax = 4_096

// Options are how a near cache is set up; all of them are set.
type Options struct {
	// BytesMax and EntriesMax bound what is kept.
	BytesMax   int64
	EntriesMax int
	// TTLMax is the longest life here.
	TTLMax time.Duration
	// ProgressMax is the longest silence of the server.
	ProgressMax time.Duration
	// Prefixes of keys to follow, if not all.
	Prefixes []string
	// KeptKeys follows the keys that are kept, instead of all.
	KeptKeys bool
	// KeepDependents also keeps what was made from others.
	KeepDependents bool
}

// Stats are what a near cache did and holds.
type Stats struct {
	Hits, Misses, Admitted          uint64
	Refused                         map[Why]uint64
	Invalidated, Evicted            uint64
	Distrusted, Revalidated, Losses uint64
	Entries, Followed               int
	Bytes                           int64
	Serving                         bool
	HeardAgo                        time.Duration
}
