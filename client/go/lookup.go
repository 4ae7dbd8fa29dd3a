package hotplate

// What typed reads and writes answer.

import (
	"time"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// Outcome is what a read found.
type Outcome uint8

const (
	// Miss means that there is nothing that may be used; the lookup's Reason says why.
	Miss Outcome = iota
	// Hit means that there is a value.
	Hit
	// Negative means that an absence or failure is remembered.
	Negative
)

// String is the outcome's name in lower case.
func (o Outcome) String() string {
	switch o {
	case Hit:
		return "hit"
	case Negative:
		return "negative"
	default:
		return "miss"
	}
}

// Tier is a place of the server where entries live.
type Tier uint8

// The tiers, from fast to slow.
const (
	// TierUnknown means that the server did not say.
	TierUnknown Tier = iota
	// TierMemory is the server's own memory.
	TierMemory
	// TierDisk is the server's disk.
	TierDisk
	// TierShared is what replicas share.
	TierShared
)

// String is the tier's name in lower case.
func (t Tier) String() string {
	names := [...]string{"unknown", "memory", "disk", "shared"}
	if int(t) >= len(names) {
		return names[0]
	}
	return names[t]
}

func tierOf(tier pb.Tier) Tier {
	if tier < pb.Tier_TIER_MEMORY || tier > pb.Tier_TIER_SHARED {
		return TierUnknown
	}
	return Tier(tier)
}

// MissReason is why a read found nothing, in lower case as metrics and logs have it.
type MissReason string

const (
	// NeverStored means that nothing is known of this key.
	NeverStored MissReason = "never_stored"
	// Expired means that its lifetime ran out.
	Expired MissReason = "expired"
	// Evicted means that it made room for others.
	Evicted MissReason = "evicted"
	// Invalidated means that it was invalidated.
	Invalidated MissReason = "invalidated"
	// NotAdmitted means that it could not fit.
	NotAdmitted MissReason = "not_admitted"
	// TooOld means that it is older than was asked for.
	TooOld MissReason = "too_old"
	// TierUnavailable means that a slower tier that may have it could not be asked.
	TierUnavailable MissReason = "tier_unavailable"
	// Timeout means that the cache did not answer in time.
	Timeout MissReason = "timeout"
	// Unavailable means that the cache is away.
	Unavailable MissReason = "unavailable"
	// Disabled means that the cache is turned off in this process.
	Disabled MissReason = "disabled"
	// OtherReason means that the server gave a reason that this client does not know.
	OtherReason MissReason = "other"
)

func missReason(reason pb.MissReason) MissReason {
	switch reason {
	case pb.MissReason_MISS_REASON_NEVER_STORED:
		return NeverStored
	case pb.MissReason_MISS_REASON_EXPIRED:
		return Expired
	case pb.MissReason_MISS_REASON_EVICTED:
		return Evicted
	case pb.MissReason_MISS_REASON_INVALIDATED:
		return Invalidated
	case pb.MissReason_MISS_REASON_NOT_ADMITTED:
		return NotAdmitted
	case pb.MissReason_MISS_REASON_TOO_OLD:
		return TooOld
	case pb.MissReason_MISS_REASON_TIER_UNAVAILABLE:
		return TierUnavailable
	default:
		return OtherReason
	}
}

// Lookup is what a read found: a value, a remembered absence or failure, or nothing. A miss is no error.
type Lookup[T any] struct {
	// Outcome is which of them.
	Outcome Outcome
	// Value is the value of a hit, else the zero value.
	Value T
	// Stale tells whether a hit is past its TTL.
	Stale bool
	// Near tells whether it was kept in this process, and the server was not asked.
	Near bool
	// Tier is the tier of the server that had it.
	Tier Tier
	// Age is the time since a hit was stored or last confirmed.
	Age time.Duration
	// FreshFor is the time for which a hit or a negative stays fresh; zero when stale.
	FreshFor time.Duration
	// UsableFor is the time for which a hit may be used at all, fresh or stale.
	UsableFor time.Duration
	// Etag is the version of a hit, for conditional writes: equal content has an equal one.
	Etag string
	// ContentType is the media type of a hit.
	ContentType string
	// Reason is why there is nothing, for a miss.
	Reason MissReason
	// NegativeReason is for programs, such as NOT_FOUND, and NegativeMessage for people, for a negative.
	NegativeReason, NegativeMessage string
}

// Get is the value, and whether there is one.
func (l Lookup[T]) Get() (T, bool) { return l.Value, l.Outcome == Hit }

// Err is nil for a hit, and else an [*Error] that is [ErrMiss] or [ErrNegative] for [errors.Is].
func (l Lookup[T]) Err() error {
	switch l.Outcome {
	case Hit:
		return nil
	case Negative:
		return remembered(l.NegativeReason, l.NegativeMessage)
	default:
		return &Error{
			Kind: KindNotFound, Reason: "NOT_CACHED", Message: "it is not in the cache: " + string(l.Reason), also: ErrMiss,
		}
	}
}

// remembered is a stored absence or failure as an error.
func remembered(reason, message string) *Error {
	if reason == computeFailed {
		return &Error{Kind: KindCompute, Reason: reason, Message: message, also: ErrNegative}
	}
	return &Error{Kind: KindNotFound, Reason: reason, Message: "remembered as absent: " + message, also: ErrNegative}
}

// missed is a miss for this reason.
func missed[T any](reason MissReason) Lookup[T] { return Lookup[T]{Outcome: Miss, Reason: reason} }

// lookup turns an answer into what the caller asked for.
func lookup[T any](codec Codec[T], response *pb.GetResponse) (Lookup[T], error) {
	entry := response.GetEntry()
	metadata := entry.GetMetadata()
	switch payload := entry.GetPayload().(type) {
	case *pb.Entry_Negative:
		return Lookup[T]{
			Outcome: Negative, FreshFor: fromWire(metadata.GetFreshFor()),
			NegativeReason: payload.Negative.GetReason(), NegativeMessage: payload.Negative.GetMessage(),
		}, nil
	case *pb.Entry_Value:
		if response.GetOutcome() == pb.GetOutcome_GET_OUTCOME_MISS {
			break
		}
		value, err := decodeChecked(codec, metadata.GetContentType(), metadata.GetEncoding(), payload.Value)
		if err != nil {
			return Lookup[T]{}, err
		}
		return hit(value, metadata, response.GetOutcome(), response.GetServedFrom()), nil
	}
	return missed[T](missReason(response.GetMissReason())), nil
}

// hit is a value that the server found, with what it says of it.
func hit[T any](value T, metadata *pb.EntryMetadata, outcome pb.GetOutcome, tier pb.Tier) Lookup[T] {
	return Lookup[T]{
		Outcome:     Hit,
		Value:       value,
		Stale:       outcome == pb.GetOutcome_GET_OUTCOME_STALE,
		Tier:        tierOf(tier),
		Age:         fromWire(metadata.GetAge()),
		FreshFor:    fromWire(metadata.GetFreshFor()),
		UsableFor:   fromWire(metadata.GetUsableFor()),
		Etag:        metadata.GetEtag(),
		ContentType: metadata.GetContentType(),
	}
}

// WriteOutcome is what became of a write.
type WriteOutcome uint8

const (
	// Dropped means that the cache is away or turned off: the write was dropped and counted.
	Dropped WriteOutcome = iota
	// Stored means that it is in the cache.
	Stored
	// Refreshed means that the same content was there: its lifetime was renewed.
	Refreshed
	// PreconditionFailed means that the condition does not hold; nothing changed.
	PreconditionFailed
	// WriteNotAdmitted means that it cannot fit.
	WriteNotAdmitted
)

// String is the outcome's name in lower case.
func (o WriteOutcome) String() string {
	names := [...]string{"dropped", "stored", "refreshed", "precondition_failed", "not_admitted"}
	if int(o) >= len(names) {
		return names[0]
	}
	return names[o]
}

// Written is what became of a write.
type Written struct {
	// Outcome is which of them.
	Outcome WriteOutcome
	// Etag is the entry's version; of a failed precondition that of the entry in the way, empty when there is none.
	Etag string
	// Reason is why it was dropped (a [MissReason]), or not admitted (a sentence that says what would change it).
	Reason string
}

// IsStored tells whether the value is in the cache now.
func (w Written) IsStored() bool { return w.Outcome == Stored || w.Outcome == Refreshed }

func droppedFor(reason MissReason) Written { return Written{Outcome: Dropped, Reason: string(reason)} }

func written(response *pb.PutResponse) Written {
	w := Written{Outcome: Stored, Etag: response.GetMetadata().GetEtag()}
	switch response.GetOutcome() {
	case pb.PutOutcome_PUT_OUTCOME_REFRESHED:
		w.Outcome = Refreshed
	// Only GetOrCompute puts under a lease, and it reads that outcome by itself.
	case pb.PutOutcome_PUT_OUTCOME_PRECONDITION_FAILED, pb.PutOutcome_PUT_OUTCOME_LEASE_LOST:
		w.Outcome = PreconditionFailed
	case pb.PutOutcome_PUT_OUTCOME_NOT_ADMITTED:
		return Written{Outcome: WriteNotAdmitted, Reason: response.GetNotAdmittedReason()}
	}
	return w
}
