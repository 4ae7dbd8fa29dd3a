package near

// Globs as the contract defines them, in time bounded by text length times pattern length.

import "unicode/utf8"

type partKind uint8

const (
	literal partKind = iota
	anyOne
	anyRun
	oneOf
)

type part struct {
	kind    partKind
	literal rune
	negated bool
	ranges  [][2]rune
}

// glob is a parsed pattern: * any run, ? one character, [abc], [a-z], [!a] one of a set, \ escapes.
type glob struct{ parts []part }

// parseGlob gives nil for what is no pattern.
func parseGlob(pattern string) *glob {
	g := &glob{}
	runes := []rune(pattern)
	for at := 0; at < len(runes); at++ {
		switch runes[at] {
		case '*':
			if n := len(g.parts); n == 0 || g.parts[n-1].kind != anyRun {
				g.parts = append(g.parts, part{kind: anyRun})
			}
		case '?':
			g.parts = append(g.parts, part{kind: anyOne})
		case '[':
			set, end := parseSet(runes, at+1)
			if end < 0 {
				return nil
			}
			g.parts = append(g.parts, set)
			at = end
		case '\\':
			if at++; at == len(runes) {
				return nil
			}
			g.parts = append(g.parts, part{literal: runes[at]})
		default:
			g.parts = append(g.parts, part{literal: runes[at]})
		}
	}
	return g
}

type member struct {
	r       rune
	escaped bool
}

// parseSet reads a set that begins here, and gives where its end is; less than zero without one.
func parseSet(runes []rune, at int) (part, int) {
	set := part{kind: oneOf}
	if at < len(runes) && runes[at] == '!' {
		set.negated = true
		at++
	}
	var members []member
	for ; at < len(runes); at++ {
		switch r := runes[at]; {
		case r == ']' && len(members) > 0:
			if set.ranges = ranges(members); set.ranges == nil {
				return set, -1
			}
			return set, at
		case r == '\\':
			if at++; at == len(runes) {
				return set, -1
			}
			members = append(members, member{runes[at], true})
		default:
			members = append(members, member{r, false})
		}
	}
	return set, -1
}

// ranges turns a-z into a range; a dash that was escaped or stands at either end means itself.
func ranges(members []member) [][2]rune {
	var all [][2]rune
	for len(members) > 0 {
		one := [2]rune{members[0].r, members[0].r}
		taken := 1
		if len(members) > 2 && members[1] == (member{'-', false}) {
			one[1], taken = members[2].r, 3
		}
		if one[0] > one[1] {
			return nil
		}
		all, members = append(all, one), members[taken:]
	}
	return all
}

func (p *part) takes(r rune) bool {
	switch p.kind {
	case literal:
		return p.literal == r
	case anyOne:
		return true
	case oneOf:
		for _, between := range p.ranges {
			if between[0] <= r && r <= between[1] {
				return !p.negated
			}
		}
		return p.negated
	default:
		return false
	}
}

// matches tells whether the whole text matches. On a mismatch only the last run is made longer.
func (g *glob) matches(text string) bool {
	at, rest := 0, text
	after, from, again := 0, "", false
	for {
		if at == len(g.parts) && rest == "" {
			return true
		}
		if at < len(g.parts) {
			p := &g.parts[at]
			if p.kind == anyRun {
				at++
				after, from, again = at, rest, true
				continue
			}
			if r, size := utf8.DecodeRuneInString(rest); size > 0 && p.takes(r) {
				at, rest = at+1, rest[size:]
				continue
			}
		}
		if !again || from == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(from)
		from = from[size:]
		at, rest = after, from
	}
}
