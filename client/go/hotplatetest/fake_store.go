package hotplatetest

// What a fake cache holds: entries of namespaces, and leases. What requests mean for it lives in fake_service.go.

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

const (
	defaultTTL    = time.Hour
	leaseDuration = 10 * time.Second
)

type id struct{ namespace, key string }

type entry struct {
	value                  []byte
	negative               *pb.Negative
	metadata               *pb.EntryMetadata
	storedAt               time.Duration
	freshUntil, usableTill time.Duration
	idle                   time.Duration
	readAt                 time.Duration
}

type lease struct {
	token string
	until time.Duration
}

type store struct {
	began time.Time

	mu      sync.Mutex
	ahead   time.Duration
	entries map[id]*entry
	// gone is why an entry is not there any more.
	gone   map[id]pb.MissReason
	leases map[id]*lease
	// changed is closed, and made anew, when anything changes for those who wait.
	changed chan struct{}
	stats   map[string]*pb.StatsGroup
	tokens  int
}

func newStore() *store {
	return &store{
		began: time.Now(), entries: map[id]*entry{}, gone: map[id]pb.MissReason{}, leases: map[id]*lease{},
		changed: make(chan struct{}), stats: map[string]*pb.StatsGroup{},
	}
}

func (s *store) advance(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += by
	s.wake()
}

// The methods below are called under the lock.

func (s *store) now() time.Duration { return time.Since(s.began) + s.ahead }

func (s *store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) counts(namespace string) *pb.StatsGroup {
	if s.stats[namespace] == nil {
		s.stats[namespace] = &pb.StatsGroup{}
	}
	return s.stats[namespace]
}

// usable is an entry that may be used at all, fresh or stale.
func (s *store) usable(of id) *entry {
	e := s.entries[of]
	if e == nil {
		return nil
	}
	if now := s.now(); now >= e.usableTill || (e.idle > 0 && now >= e.readAt+e.idle) {
		s.drop(of, pb.MissReason_MISS_REASON_EXPIRED)
		return nil
	}
	return e
}

func (s *store) drop(of id, why pb.MissReason) {
	delete(s.entries, of)
	s.gone[of] = why
}

// missReason is why there is nothing that may be served.
func (s *store) missReason(of id) pb.MissReason {
	switch e := s.entries[of]; {
	case e != nil && e.metadata.GetMarkedStale():
		return pb.MissReason_MISS_REASON_INVALIDATED
	case e != nil:
		return pb.MissReason_MISS_REASON_EXPIRED
	case s.gone[of] != pb.MissReason_MISS_REASON_UNSPECIFIED:
		return s.gone[of]
	default:
		return pb.MissReason_MISS_REASON_NEVER_STORED
	}
}

// lives reads a lifetime; false when it is none.
func lives(expiration *pb.Expiration) (fresh, stale, idle time.Duration, ok bool) {
	fresh = defaultTTL
	switch l := expiration.GetLifetime().(type) {
	case *pb.Expiration_Ttl:
		fresh = l.Ttl.AsDuration()
	case *pb.Expiration_TtlClass:
		classes := map[hotplate.Class]time.Duration{
			hotplate.VeryShort: 300 * time.Second, hotplate.Short: 900 * time.Second, hotplate.Medium: 1_800 * time.Second,
			hotplate.Long: time.Hour, hotplate.VeryLong: 2 * time.Hour, hotplate.Day: 24 * time.Hour, hotplate.Week: 168 * time.Hour,
		}
		fresh = classes[hotplate.Class(l.TtlClass)]
	}
	stale, idle = expiration.GetStaleFor().AsDuration(), expiration.GetIdleTtl().AsDuration()
	return fresh, stale, idle, fresh >= time.Millisecond && stale >= 0 && idle >= 0
}

// put stores what a request says.
func (s *store) put(of id, request *pb.PutRequest) (*entry, bool) {
	fresh, stale, idle, ok := lives(request.GetExpiration())
	if !ok {
		return nil, false
	}
	now := s.now()
	e := &entry{
		value: request.GetValue(), negative: request.GetNegative(), storedAt: now, readAt: now,
		freshUntil: now + fresh, usableTill: now + fresh + stale, idle: idle,
		metadata: &pb.EntryMetadata{
			Kind: request.GetKind(), ContentType: request.GetContentType(), Encoding: request.GetEncoding(),
			Tags: sorted(request.GetTags()), DependsOn: sorted(request.GetDependsOn()), Labels: request.GetLabels(),
			SizeBytes: uint64(len(request.GetValue())), ComputeCost: request.GetComputeCost(), ServedFrom: pb.Tier_TIER_MEMORY,
		},
	}
	e.metadata.Etag = etagOf(e)
	s.entries[of] = e
	return e, true
}

func sorted(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// etagOf is the same for equal content.
func etagOf(e *entry) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%s\n", e.metadata.GetContentType(), e.metadata.GetEncoding(),
		e.metadata.GetKind(), e.negative.GetReason(), e.negative.GetMessage())
	h.Write(e.value)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// told is what an answer says of an entry now.
func (s *store) told(e *entry) *pb.EntryMetadata {
	m, _ := proto.Clone(e.metadata).(*pb.EntryMetadata)
	now := s.now()
	m.Age = durationpb.New(now - e.storedAt)
	m.FreshFor = durationpb.New(max(e.freshUntil-now, 0))
	m.UsableFor = durationpb.New(max(e.usableTill-now, 0))
	return m
}

// selected are the keys that any of these selects, in order.
func (s *store) selected(namespace string, selectors []*pb.Selector) []string {
	var keys []string
	for of := range s.entries {
		if of.namespace != namespace || s.usable(of) == nil {
			continue
		}
		facts := near.FactsOf(s.entries[of].metadata)
		if slices.ContainsFunc(selectors, func(selector *pb.Selector) bool {
			set := near.SetOf(selector)
			return set.Selects(of.key, &facts)
		}) {
			keys = append(keys, of.key)
		}
	}
	slices.Sort(keys)
	return keys
}

// dependents are the keys of what was made from these, over others or not.
func (s *store) dependents(namespace string, selectors []*pb.Selector, keys []string) []string {
	var names []string
	for _, selector := range selectors {
		switch what := selector.GetSelector().(type) {
		case *pb.Selector_Key:
			names = append(names, what.Key)
		case *pb.Selector_Tag:
			names = append(names, "tag:"+what.Tag)
		}
	}
	names = append(names, keys...)
	seen := map[string]bool{}
	var found []string
	for len(names) > 0 {
		by := []*pb.Selector{{Selector: &pb.Selector_DependentsOf{DependentsOf: names[0]}}}
		names = names[1:]
		for _, key := range s.selected(namespace, by) {
			if !seen[key] && !slices.Contains(keys, key) {
				seen[key] = true
				found, names = append(found, key), append(names, key)
			}
		}
	}
	return found
}

// grant gives the lease of a key to who asks, if nobody has it.
func (s *store) grant(of id) *pb.Lease {
	if held := s.leases[of]; held != nil && s.now() < held.until {
		return nil
	}
	s.tokens++
	held := &lease{token: fmt.Sprintf("%032x", s.tokens), until: s.now() + leaseDuration}
	s.leases[of] = held
	return &pb.Lease{Token: held.token, Duration: durationpb.New(leaseDuration)}
}

// held is the lease of a key, if this is its token.
func (s *store) held(of id, token string) *lease {
	held := s.leases[of]
	if held == nil || held.token != token || s.now() >= held.until {
		return nil
	}
	return held
}
