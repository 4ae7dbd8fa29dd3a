package hotplate

// Which entries are meant.

import pb "example.invalid/hotplate/client/go/hotplatepb"

// Selector is which entries are meant by an invalidation or a watch.
type Selector struct {
	wire  *pb.Selector
	fault error
}

// ByKey is the entry with this key.
func ByKey(key AsKey) Selector {
	text, err := key.KeyText()
	return Selector{wire: &pb.Selector{Selector: &pb.Selector_Key{Key: text}}, fault: err}
}

// ByPrefix is every key that begins with this.
func ByPrefix(prefix string) Selector {
	return selecting(&pb.Selector{Selector: &pb.Selector_Prefix{Prefix: prefix}}, prefix)
}

// ByGlob is every key that matches: * any run, ? one character, [a-z] one of a set, \ escapes.
func ByGlob(glob string) Selector {
	return selecting(&pb.Selector{Selector: &pb.Selector_Glob{Glob: glob}}, glob)
}

// ByTag is every entry with this tag.
func ByTag(tag string) Selector {
	return selecting(&pb.Selector{Selector: &pb.Selector_Tag{Tag: tag}}, tag)
}

// ByAllTags is every entry that has all of these tags, 1 to 16.
func ByAllTags(tags ...string) Selector {
	return selecting(&pb.Selector{Selector: &pb.Selector_AllTags{AllTags: &pb.TagSet{Tags: tags}}}, tags...)
}

// ByKind is every entry of this kind.
func ByKind(kind string) Selector {
	return selecting(&pb.Selector{Selector: &pb.Selector_Kind{Kind: kind}}, kind)
}

// DependentsOf is every entry whose writer named this in DependsOn: a key, or a tag as tag:NAME.
func DependentsOf(name string) Selector {
	return selecting(&pb.Selector{Selector: &pb.Selector_DependentsOf{DependentsOf: name}}, name)
}

// Everything is every entry of the namespace.
func Everything() Selector {
	return selecting(&pb.Selector{Selector: &pb.Selector_Everything{Everything: true}})
}

func selecting(wire *pb.Selector, texts ...string) Selector {
	return Selector{wire: wire, fault: firstFault(textFault("selectors", texts...))}
}

// wired are selectors as the contract carries them.
func wired(selectors []Selector) ([]*pb.Selector, error) {
	all := make([]*pb.Selector, 0, len(selectors))
	for _, s := range selectors {
		if s.fault != nil {
			return nil, s.fault
		}
		if s.wire == nil {
			return nil, invalid("selectors", "a selector is empty: make it with ByKey, ByTag or another function")
		}
		all = append(all, s.wire)
	}
	return all, nil
}
