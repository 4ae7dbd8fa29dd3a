package hotplate

// How long entries live: exact durations, the server's named classes, and durations as people write them.

import (
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// Class is a lifetime by name. The server resolves it, so that operators can retune it. Those below are known to every
// server; a server may add others.
type Class string

// The classes that every server knows, with their lengths unless the server says otherwise.
const (
	// VeryShort is 300 s.
	VeryShort Class = "very_short"
	// Short is 900 s.
	Short Class = "short"
	// Medium is 1,800 s.
	Medium Class = "medium"
	// Long is 3,600 s.
	Long Class = "long"
	// VeryLong is 7,200 s.
	VeryLong Class = "very_long"
	// Day is 86,400 s.
	Day Class = "day"
	// Week is 604,800 s.
	Week Class = "week"
)

// Lifetime is how long an entry stays fresh: exactly so long, or a class by name. Make one with [For], [OfClass] or
// [ParseLifetime].
type Lifetime struct {
	class Class
	exact time.Duration
}

// For is exactly so long, at least 1 ms.
func For(d time.Duration) Lifetime { return Lifetime{exact: d} }

// OfClass is as long as the server says that this class is.
func OfClass(class Class) Lifetime { return Lifetime{class: class} }

// ParseLifetime reads a class by name in any case (long, VERY_LONG), or a duration as [ParseDuration] does.
//
// Errors: [ErrInvalidArgument].
func ParseLifetime(text string) (Lifetime, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	if lower != "" && lower[0] >= 'a' && lower[0] <= 'z' {
		return OfClass(Class(lower)), nil
	}
	d, err := ParseDuration(lower)
	return For(d), err
}

// Class is the class, empty for an exact duration.
func (l Lifetime) Class() Class { return l.class }

// Duration is the exact duration, zero for a class.
func (l Lifetime) Duration() time.Duration { return l.exact }

// String is the lifetime as [ParseLifetime] reads it.
func (l Lifetime) String() string {
	if l.class != "" {
		return string(l.class)
	}
	return FormatDuration(l.exact)
}

func (l Lifetime) put(into *pb.Expiration) {
	if l.class != "" {
		into.Lifetime = &pb.Expiration_TtlClass{TtlClass: string(l.class)}
		return
	}
	into.Lifetime = &pb.Expiration_Ttl{Ttl: durationpb.New(l.exact)}
}

const durationMillisMax = 100 * 365 * 86_400_000

type unit struct {
	name   string
	millis uint64
}

// units in the order in which they may appear.
func units() []unit {
	return []unit{{"w", 604_800_000}, {"d", 86_400_000}, {"h", 3_600_000}, {"m", 60_000}, {"s", 1_000}, {"ms", 1}}
}

// ParseDuration reads 1w2d3h4m5s6ms, each unit at most once and the largest first, or a plain number of seconds, which may
// have a fraction down to the millisecond (1.5).
//
// Errors: [ErrInvalidArgument] for anything else, for zero, and for more than 100 years.
func ParseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	parse := withUnits
	if strings.Trim(text, "0123456789.") == "" {
		parse = plainSeconds
	}
	millis, ok := parse(text)
	switch {
	case !ok:
		return 0, invalid("duration", "not a duration: write for example `1d2h3m50s`, `250ms` or `90`")
	case millis == 0:
		return 0, invalid("duration", "a duration of zero is no lifetime: use at least 1ms")
	case millis > durationMillisMax:
		return 0, invalid("duration", "a duration is at most 100 years")
	}
	return time.Duration(millis) * time.Millisecond, nil
}

func plainSeconds(text string) (uint64, bool) {
	whole, fraction, dotted := strings.Cut(text, ".")
	if !dotted {
		fraction = "0"
	}
	if whole == "" || fraction == "" || len(fraction) > 3 || strings.Contains(fraction, ".") {
		return 0, false
	}
	millis, err := strconv.ParseUint((fraction + "00")[:3], 10, 64)
	seconds, err2 := strconv.ParseUint(whole, 10, 64)
	if err != nil || err2 != nil || seconds > math.MaxUint64/1_000-1 {
		return 0, false
	}
	return seconds*1_000 + millis, true
}

func withUnits(text string) (uint64, bool) {
	left := units()
	total := uint64(0)
	for rest := text; rest != ""; {
		digits := strings.IndexFunc(rest, notDigit)
		if digits <= 0 {
			return 0, false
		}
		number, err := strconv.ParseUint(rest[:digits], 10, 64)
		if err != nil {
			return 0, false
		}
		rest = rest[digits:]
		length := strings.IndexFunc(rest, func(r rune) bool { return !notDigit(r) })
		if length < 0 {
			length = len(rest)
		}
		at := 0
		for at < len(left) && left[at].name != rest[:length] {
			at++
		}
		if at == len(left) || number > (math.MaxUint64-total)/left[at].millis {
			return 0, false
		}
		total += number * left[at].millis
		left, rest = left[at+1:], rest[length:]
	}
	return total, text != ""
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// FormatDuration writes a duration as [ParseDuration] reads it, cut to the millisecond.
func FormatDuration(d time.Duration) string {
	millis := uint64(max(d, 0).Milliseconds())
	var text strings.Builder
	for _, u := range units() {
		if count := millis / u.millis; count > 0 {
			text.WriteString(strconv.FormatUint(count, 10))
			text.WriteString(u.name)
			millis %= u.millis
		}
	}
	if text.Len() == 0 {
		return "0ms"
	}
	return text.String()
}

// optional is a duration as the contract carries it, unset for none.
func optional(d *time.Duration) *durationpb.Duration {
	if d == nil {
		return nil
	}
	return durationpb.New(*d)
}

// fromWire is a duration of an answer; one that is unset or negative is zero.
func fromWire(d *durationpb.Duration) time.Duration {
	return max(d.AsDuration(), 0)
}
