package hotplate

// How a near cache is set up, and what its numbers say.

import (
	"slices"
	"time"

	"example.invalid/hotplate/client/go/internal/near"
)

// NearFollow is what a near cache hears of.
type NearFollow uint8

const (
	// FollowNamespace hears every change of the namespace. Right for namespaces that change little, or of which much is read
	// here.
	FollowNamespace NearFollow = iota
	// FollowPrefixes hears changes of keys that begin with one of Prefixes; only such keys are kept.
	FollowPrefixes
	// FollowKeptKeys hears changes of the keys that it keeps. Right for large namespaces of which little is read here. A key
	// is kept from its second read on: the first one tells the server that it is followed.
	FollowKeptKeys
)

// NearOptions are how values are kept in this process; for [WithNearCache]. A field that is zero has its default.
type NearOptions struct {
	// BytesMax are the bytes that it keeps at most, for each namespace, at least 64 KiB. A value counts twice, as it came and
	// as it was read, with its key, its facts and a share for bookkeeping. Default: 64 MiB.
	BytesMax int64
	// EntriesMax are the entries that it keeps at most, for each namespace. Default: 10,000.
	EntriesMax int
	// TTLMax is for how long a value is served without asking the server again, at most; less where it stays fresh for less.
	// Default: 60 s.
	TTLMax time.Duration
	// ProgressMax is for how long the server may be silent before nothing is served any more, 300 ms to 10 min. It bounds how
	// old what was invalidated can still be read when the server or the network stops without a word. Default: 3 s.
	ProgressMax time.Duration
	// Follow is what it hears of.
	Follow NearFollow
	// Prefixes are 1 to 128, for FollowPrefixes.
	Prefixes []string
	// KeepDependents also keeps entries that were made from others (DependsOn). Without it they are not kept: when the server
	// evicts such an entry it no longer knows that it depends on something, and an invalidation of that does not name it. With
	// it every eviction is told, and drops the copy. Not for servers with a disk or a Redis below their memory: nothing tells
	// of what is dropped there because of what it was made from.
	KeepDependents bool
}

func (o NearOptions) core() near.Options {
	filled := near.Options{
		BytesMax: o.BytesMax, EntriesMax: o.EntriesMax, TTLMax: o.TTLMax, ProgressMax: o.ProgressMax,
		KeptKeys: o.Follow == FollowKeptKeys, KeepDependents: o.KeepDependents,
	}
	if o.Follow == FollowPrefixes {
		filled.Prefixes = slices.Clone(o.Prefixes)
	}
	if filled.BytesMax == 0 {
		filled.BytesMax = 64 << 20
	}
	if filled.EntriesMax == 0 {
		filled.EntriesMax = 10_000
	}
	if filled.TTLMax == 0 {
		filled.TTLMax = 60 * time.Second
	}
	if filled.ProgressMax == 0 {
		filled.ProgressMax = 3 * time.Second
	}
	return filled
}

func (o NearOptions) check() *Error {
	filled := o.core()
	prefixes := len(o.Prefixes) > 0 && len(o.Prefixes) <= 128 && !slices.Contains(o.Prefixes, "")
	switch {
	case filled.BytesMax < 64<<10 || filled.EntriesMax < 1:
		return configuration("near cache: BytesMax is at least 64 KiB and EntriesMax at least 1")
	case filled.TTLMax < 0:
		return configuration("near cache: TTLMax is more than zero")
	case filled.ProgressMax < 300*time.Millisecond || filled.ProgressMax > 10*time.Minute:
		return configuration("near cache: ProgressMax is 300 ms to 10 min")
	case o.Follow > FollowKeptKeys:
		return configuration("near cache: Follow is FollowNamespace, FollowPrefixes or FollowKeptKeys")
	case o.Follow == FollowPrefixes && !prefixes:
		return configuration("near cache: 1 to 128 prefixes are followed, none of them empty")
	}
	return nil
}

// nearSetup is which namespaces have a near cache.
type nearSetup struct {
	all   *NearOptions
	named map[string]*NearOptions
}

func (s *nearSetup) of(namespace string) *NearOptions {
	if options, named := s.named[namespace]; named {
		return options
	}
	return s.all
}

func (s *nearSetup) check() *Error {
	if s.all != nil {
		if fault := s.all.check(); fault != nil {
			return fault
		}
	}
	for _, options := range s.named {
		if options == nil {
			continue
		}
		if fault := options.check(); fault != nil {
			return fault
		}
	}
	return nil
}

// NearRefusals is why answers were not kept, each counted since the client was made.
type NearRefusals struct {
	// NotSynced: the stream of changes was away or had not caught up.
	NotSynced uint64
	// OtherHistory: they came from another server, or from before its restart.
	OtherHistory uint64
	// Overtaken: what they say changed while they were on their way.
	Overtaken uint64
	// OwnWrite: this client wrote the same while they were on their way.
	OwnWrite uint64
	// NotFollowed: their key is not followed, or not yet.
	NotFollowed uint64
	// Dependent: they were made from others; see KeepDependents.
	Dependent uint64
	// TooLarge: they do not fit.
	TooLarge uint64
}

// NearStats are what a near cache did and holds; see [Namespace.NearStats].
type NearStats struct {
	// Hits are reads answered from this process, Misses those that went to the server.
	Hits, Misses uint64
	// Admitted are answers that were kept, Refused those that were not.
	Admitted uint64
	Refused  NearRefusals
	// Invalidated are copies dropped because they, or a set they belong to, changed, and by this client's own writes.
	Invalidated uint64
	// Evicted are copies that made room for others.
	Evicted uint64
	// Distrusted are copies dropped because changes were lost; Revalidated those of them that the server then confirmed.
	Distrusted, Revalidated uint64
	// Losses is how often the stream of changes was lost.
	Losses uint64
	// Entries are copies held now, Bytes what is counted for them.
	Entries int
	Bytes   int64
	// Followed are keys followed now; zero unless it follows single keys.
	Followed int
	// Serving tells whether the stream is there and has caught up, and progress is recent: whether it serves.
	Serving bool
	// HeardAgo is the time since the server was last heard; zero before the first time.
	HeardAgo time.Duration
}

func (n *nearCache) stats() NearStats {
	s := n.core.Stats(sinceBoot())
	return NearStats{
		Hits: s.Hits, Misses: s.Misses, Admitted: s.Admitted, Invalidated: s.Invalidated, Evicted: s.Evicted,
		Distrusted: s.Distrusted, Revalidated: s.Revalidated, Losses: s.Losses, Entries: s.Entries, Bytes: s.Bytes,
		Followed: s.Followed, Serving: s.Serving, HeardAgo: s.HeardAgo,
		Refused: NearRefusals{
			NotSynced: s.Refused[near.NotSynced], OtherHistory: s.Refused[near.OtherHistory],
			Overtaken: s.Refused[near.Overtaken], OwnWrite: s.Refused[near.OwnWrite],
			NotFollowed: s.Refused[near.NotFollowed], Dependent: s.Refused[near.Dependent], TooLarge: s.Refused[near.TooLarge],
		},
	}
}

// NearStats are those of every namespace of this client that has a near cache and was used, by its name.
func (c *Client) NearStats() map[string]NearStats {
	c.nears.mu.Lock()
	defer c.nears.mu.Unlock()
	all := make(map[string]NearStats, len(c.nears.made))
	for name, made := range c.nears.made {
		all[name] = made.stats()
	}
	return all
}
