package near

// Where kept entries are: a map in parts for reads, and an index by what selectors name for drops. Whether an entry may be
// there is not decided here.

import (
	"container/list"
	"hash/maphash"
	"sync"
)

// parts of the map for reads, each with a lock of its own.
const parts = 16

// shelf holds entries within bounds. Reads lock one part of it for reading; everything else is called by one goroutine at a
// time.
type shelf struct {
	seed  maphash.Seed
	parts [parts]struct {
		mu   sync.RWMutex
		keys map[string]*Kept
	}
	bytesMax   int64
	entriesMax int

	bytes int64
	// order is of Kept, the next to go first; one that was used meanwhile goes to the end instead.
	order *list.List
	at    map[string]*list.Element
	names map[name]map[string]struct{}
}

type nameKind uint8

const (
	nameTag nameKind = iota
	nameOfKind
	nameDependency
	nameAnyDependency
)

type name struct {
	kind nameKind
	text string
}

func newShelf(bytesMax int64, entriesMax int) *shelf {
	s := &shelf{
		seed: maphash.MakeSeed(), bytesMax: bytesMax, entriesMax: entriesMax,
		order: list.New(), at: map[string]*list.Element{}, names: map[name]map[string]struct{}{},
	}
	for i := range s.parts {
		s.parts[i].keys = map[string]*Kept{}
	}
	return s
}

// get is an entry, as one that is used.
func (s *shelf) get(key string) *Kept {
	part := &s.parts[maphash.String(s.seed, key)%parts]
	part.mu.RLock()
	kept := part.keys[key]
	part.mu.RUnlock()
	// A store that changes nothing would still move the line between processors.
	if kept != nil && !kept.used.Load() {
		kept.used.Store(true)
	}
	return kept
}

// peek is an entry, without counting as a use.
func (s *shelf) peek(key string) *Kept {
	if element := s.at[key]; element != nil {
		return of(element)
	}
	return nil
}

func of(element *list.Element) *Kept {
	kept, _ := element.Value.(*Kept)
	return kept
}

// insert puts an entry in the place of the one with its key, and gives what had to go for it: the entry itself when it does
// not fit.
func (s *shelf) insert(kept *Kept) (gone []*Kept) {
	s.remove(kept.Key)
	if kept.charge > s.bytesMax {
		return []*Kept{kept}
	}
	s.add(kept)
	for s.bytes > s.bytesMax || len(s.at) > s.entriesMax {
		first := s.order.Front()
		if other := of(first); other != kept && !other.used.Swap(false) {
			s.remove(other.Key)
			gone = append(gone, other)
			continue
		}
		s.order.MoveToBack(first)
	}
	return gone
}

func (s *shelf) add(kept *Kept) {
	s.at[kept.Key] = s.order.PushBack(kept)
	s.bytes += kept.charge
	for _, n := range namesOf(kept) {
		keys := s.names[n]
		if keys == nil {
			keys = map[string]struct{}{}
			s.names[n] = keys
		}
		keys[kept.Key] = struct{}{}
	}
	part := &s.parts[maphash.String(s.seed, kept.Key)%parts]
	part.mu.Lock()
	part.keys[kept.Key] = kept
	part.mu.Unlock()
}

// remove takes an entry out, and tells whether there was one.
func (s *shelf) remove(key string) bool {
	element := s.at[key]
	if element == nil {
		return false
	}
	part := &s.parts[maphash.String(s.seed, key)%parts]
	part.mu.Lock()
	delete(part.keys, key)
	part.mu.Unlock()
	kept := of(element)
	s.order.Remove(element)
	delete(s.at, key)
	s.bytes -= kept.charge
	for _, n := range namesOf(kept) {
		keys := s.names[n]
		if delete(keys, key); len(keys) == 0 {
			delete(s.names, n)
		}
	}
	return true
}

// clear takes everything out and gives how many that were.
func (s *shelf) clear() int {
	count := len(s.at)
	for _, key := range s.keys() {
		s.remove(key)
	}
	return count
}

// keys are all there are.
func (s *shelf) keys() []string {
	keys := make([]string, 0, len(s.at))
	for key := range s.at {
		keys = append(keys, key)
	}
	return keys
}

// candidates are keys among which everything is that a set means; whether each of them is meant has to be asked.
func (s *shelf) candidates(set *Set) []string {
	switch set.kind {
	case setKey:
		if s.at[set.text] == nil {
			return nil
		}
		return []string{set.text}
	case setTag:
		return s.named(name{nameTag, set.text})
	case setAllTags:
		// Without a tag it means all.
		if len(set.all) > 0 {
			return s.named(name{nameTag, set.all[0]})
		}
	case setOfKind:
		return s.named(name{nameOfKind, set.text})
	case setDependentsOf:
		return s.named(name{nameDependency, set.text})
	case setDependents:
		return s.named(name{nameAnyDependency, ""})
	}
	return s.keys()
}

func (s *shelf) named(n name) []string {
	keys := make([]string, 0, len(s.names[n]))
	for key := range s.names[n] {
		keys = append(keys, key)
	}
	return keys
}

func namesOf(kept *Kept) []name {
	facts := &kept.facts
	names := make([]name, 0, len(facts.tags)+len(facts.dependsOn)+2)
	for _, tag := range facts.tags {
		names = append(names, name{nameTag, tag})
	}
	for _, dependency := range facts.dependsOn {
		names = append(names, name{nameDependency, dependency})
	}
	if len(facts.dependsOn) > 0 {
		names = append(names, name{nameAnyDependency, ""})
	}
	return append(names, name{nameOfKind, facts.kind})
}
