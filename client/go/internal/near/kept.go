package near

// One kept answer: the entry as it came, what was read from it, and how old it is.

import (
	"bytes"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

const (
	// entryBytes is what keeping an entry takes besides its texts and value, roughly: maps, index and this record.
	entryBytes = 384
	// nameBytes is the same for each tag and each dependency.
	nameBytes = 96
)

// Content is what does not change while an entry stays the same.
type Content struct {
	// Key is its key.
	Key string
	// Etag is its version, ContentType and Encoding what it says of its bytes.
	Etag, ContentType, Encoding string
	// Value is the bytes of a value; nobody may change them. Unused for a negative.
	Value []byte
	// Negative tells whether it is a remembered absence or failure, with NegativeReason and NegativeMessage.
	Negative                        bool
	NegativeReason, NegativeMessage string
	// Tier is the tier of the server that answered.
	Tier pb.Tier
	// Shared is what the value was read as first; other types are read anew.
	Shared atomic.Pointer[any]

	facts Facts
}

// Lives are durations as the server said them.
type Lives struct{ Age, FreshFor, UsableFor time.Duration }

// Kept is an entry and what was known of it when the server was asked. It does not change.
type Kept struct {
	*Content

	stamp Stamp
	// trust is of which unbroken following of changes it is part.
	trust uint64
	// askedAt is when it was asked for: what the server said of lifetimes held a little later.
	askedAt time.Duration
	// until is when it is no longer served.
	until time.Duration
	// charge is what it takes of the room, in bytes.
	charge int64
	lives  Lives
	// used since it was last passed over.
	used atomic.Bool
}

// contentOf is the content of a fresh answer; nil for anything else.
func contentOf(key string, response *pb.GetResponse) (*Content, Lives) {
	metadata := response.GetEntry().GetMetadata()
	if metadata == nil {
		return nil, Lives{}
	}
	content := &Content{
		Key:         strings.Clone(key),
		Etag:        metadata.GetEtag(),
		ContentType: metadata.GetContentType(),
		Encoding:    metadata.GetEncoding(),
		Tier:        response.GetServedFrom(),
		facts:       FactsOf(metadata),
	}
	switch payload := response.GetEntry().GetPayload().(type) {
	case *pb.Entry_Value:
		if response.GetOutcome() != pb.GetOutcome_GET_OUTCOME_HIT {
			return nil, Lives{}
		}
		// A copy of its own: the caller gets the bytes of the answer, and may change them.
		content.Value = bytes.Clone(payload.Value)
	case *pb.Entry_Negative:
		if response.GetOutcome() != pb.GetOutcome_GET_OUTCOME_NEGATIVE {
			return nil, Lives{}
		}
		content.Negative = true
		content.NegativeReason, content.NegativeMessage = payload.Negative.GetReason(), payload.Negative.GetMessage()
	default:
		return nil, Lives{}
	}
	lives := Lives{
		Age:       Positive(metadata.GetAge()),
		FreshFor:  Positive(metadata.GetFreshFor()),
		UsableFor: Positive(metadata.GetUsableFor()),
	}
	return content, lives
}

// Positive is a duration of an answer; one that is unset or negative is zero.
func Positive(d *durationpb.Duration) time.Duration { return max(d.AsDuration(), 0) }

// bytes it counts for: its value twice, as it came and as it was read.
func (c *Content) bytes() int64 {
	total := entryBytes + 2*len(c.Value) + len(c.NegativeReason) + len(c.NegativeMessage)
	total += len(c.Key) + len(c.Etag) + len(c.ContentType) + len(c.Encoding) + len(c.facts.kind)
	for _, names := range [][]string{c.facts.tags, c.facts.dependsOn} {
		for _, name := range names {
			total += nameBytes + len(name)
		}
	}
	return int64(total)
}

// newKept is an answer as of stamp to what was asked at askedAt.
func newKept(content *Content, stamp Stamp, askedAt time.Duration, lives Lives) *Kept {
	return &Kept{
		Content: content, stamp: stamp, askedAt: askedAt, until: plus(askedAt, lives.FreshFor),
		charge: content.bytes(), lives: lives,
	}
}

// At is how old it is by now, for how long it stays fresh and may be used.
func (k *Kept) At(now time.Duration) Lives {
	passed := max(now-k.askedAt, 0)
	return Lives{
		Age:       plus(k.lives.Age, passed),
		FreshFor:  max(k.lives.FreshFor-passed, 0),
		UsableFor: max(k.lives.UsableFor-passed, 0),
	}
}

// plus is a sum that ends where durations do.
func plus(a, b time.Duration) time.Duration {
	if a > 1<<63-1-b {
		return 1<<63 - 1
	}
	return a + b
}
