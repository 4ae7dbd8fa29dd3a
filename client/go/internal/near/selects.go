package near

// Which entries a selector means, looked at from the client: the same answer as the server gives, or one more.

import (
	"slices"
	"strings"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// Facts are what of an entry, besides its key, selectors look at.
type Facts struct {
	kind      string
	tags      []string
	dependsOn []string
}

type setKind uint8

const (
	setEverything setKind = iota
	setKey
	setPrefix
	setGlob
	setTag
	setAllTags
	setOfKind
	setDependentsOf
	setDependents
)

// Set is some entries of a namespace.
type Set struct {
	kind setKind
	text string
	all  []string
	glob *glob
}

// KeySet is the entry with this key.
func KeySet(key string) Set { return Set{kind: setKey, text: key} }

// Dependents are the entries that were made from others, whatever these are.
func Dependents() Set { return Set{kind: setDependents} }

// SetOf is what a selector means. One that this client does not know, or cannot read, means everything: what is dropped
// needlessly is fetched again, what is kept wrongly is served.
func SetOf(selector *pb.Selector) Set {
	switch s := selector.GetSelector().(type) {
	case *pb.Selector_Key:
		return KeySet(s.Key)
	case *pb.Selector_Prefix:
		return Set{kind: setPrefix, text: s.Prefix}
	case *pb.Selector_Glob:
		if parsed := parseGlob(s.Glob); parsed != nil {
			return Set{kind: setGlob, glob: parsed}
		}
	case *pb.Selector_Tag:
		return Set{kind: setTag, text: s.Tag}
	case *pb.Selector_AllTags:
		return Set{kind: setAllTags, all: s.AllTags.GetTags()}
	case *pb.Selector_Kind:
		return Set{kind: setOfKind, text: s.Kind}
	case *pb.Selector_DependentsOf:
		return Set{kind: setDependentsOf, text: s.DependentsOf}
	}
	return Set{kind: setEverything}
}

// Selects tells whether it means an entry.
func (s *Set) Selects(key string, facts *Facts) bool {
	switch s.kind {
	case setKey:
		return s.text == key
	case setPrefix:
		return strings.HasPrefix(key, s.text)
	case setGlob:
		return s.glob.matches(key)
	case setTag:
		return slices.Contains(facts.tags, s.text)
	case setAllTags:
		for _, tag := range s.all {
			if !slices.Contains(facts.tags, tag) {
				return false
			}
		}
		return true
	case setOfKind:
		return s.text == facts.kind
	case setDependentsOf:
		return slices.Contains(facts.dependsOn, s.text)
	case setDependents:
		return len(facts.dependsOn) > 0
	default:
		return true
	}
}

// FactsOf are what of an entry with this metadata selectors look at.
func FactsOf(metadata *pb.EntryMetadata) Facts {
	return Facts{kind: metadata.GetKind(), tags: metadata.GetTags(), dependsOn: metadata.GetDependsOn()}
}
