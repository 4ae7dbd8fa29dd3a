package hotplate

// What a caller may ask of a read or a write. Computations have compute_options.go, clients client_options.go.

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// ReadOption is what a read accepts.
type ReadOption interface{ applyRead(*readOptions) }

// WriteOption is how a value is stored. All of them are options of [Namespace.GetOrCompute] as well.
type WriteOption interface {
	ComputeOption
	applyWrite(*writeOptions)
}

type readOptions struct {
	stale   pb.StalePolicy
	maxAge  *time.Duration
	peek    bool
	slowest pb.Tier
	around  bool
}

type readOption func(*readOptions)

func (o readOption) applyRead(r *readOptions) { o(r) }

// AcceptStale also reads stale values, which the caller means to renew.
func AcceptStale() ReadOption {
	return readOption(func(r *readOptions) { r.stale = pb.StalePolicy_STALE_POLICY_WHILE_REVALIDATE })
}

// MaxAge reads nothing older than this; with [Namespace.GetOrCompute], what is older is computed anew.
func MaxAge(age time.Duration) interface {
	ReadOption
	ComputeOption
} {
	return maxAge(age)
}

type maxAge time.Duration

func (m maxAge) applyRead(r *readOptions)       { d := time.Duration(m); r.maxAge = &d }
func (m maxAge) applyCompute(c *computeOptions) { d := time.Duration(m); c.maxAge = &d }

// Peek looks without touching recency, idle time or statistics.
func Peek() ReadOption { return readOption(func(r *readOptions) { r.peek = true }) }

// SlowestTier looks no further than in this tier of the server: with [TierMemory] no answer waits for a disk or a network.
func SlowestTier(tier Tier) ReadOption {
	return readOption(func(r *readOptions) { r.slowest = pb.Tier(tier) })
}

// PastNearCache reads from the server, and keeps nothing in this process.
func PastNearCache() ReadOption { return readOption(func(r *readOptions) { r.around = true }) }

type writeOptions struct {
	lifetime     *Lifetime
	staleFor     *time.Duration
	idle         *time.Duration
	jitter       *float64
	refreshAhead *pb.RefreshAhead
	kind         string
	tags         []string
	dependsOn    []string
	labels       map[string]string
	cost         *time.Duration
	condition    *pb.Precondition
	sha256       bool
}

type writeOption func(*writeOptions)

func (o writeOption) applyWrite(w *writeOptions)     { o(w) }
func (o writeOption) applyCompute(c *computeOptions) { o(&c.write) }

func writing(options []WriteOption) *writeOptions {
	w := &writeOptions{}
	for _, o := range options {
		o.applyWrite(w)
	}
	return w
}

// TTL keeps it fresh for exactly so long, at least 1 ms.
func TTL(d time.Duration) WriteOption { return TTLOf(For(d)) }

// TTLClass keeps it fresh for as long as the server says of this class.
func TTLClass(class Class) WriteOption { return TTLOf(OfClass(class)) }

// TTLOf keeps it fresh for this lifetime.
func TTLOf(lifetime Lifetime) WriteOption {
	return writeOption(func(w *writeOptions) { w.lifetime = &lifetime })
}

// StaleFor is for how long after that it may still be served as stale.
func StaleFor(d time.Duration) WriteOption {
	return writeOption(func(w *writeOptions) { w.staleFor = &d })
}

// Idle ends it when it was not read for this long.
func Idle(d time.Duration) WriteOption { return writeOption(func(w *writeOptions) { w.idle = &d }) }

// Jitter is the share of the TTL, 0 to 0.5, by which the end moves earlier at random.
func Jitter(share float64) WriteOption {
	return writeOption(func(w *writeOptions) { w.jitter = &share })
}

// RefreshAhead makes it due to be renewed in this last share of its TTL, 0 to 0.9: then one reader at a time who asks for a
// lease gets it with the value. Zero: never, whatever the namespace says.
func RefreshAhead(share float64) WriteOption {
	return writeOption(func(w *writeOptions) {
		w.refreshAhead = &pb.RefreshAhead{When: &pb.RefreshAhead_Fraction{Fraction: share}}
	})
}

// RefreshAheadXFetch makes it due to be renewed by XFetch: at random, the more likely the nearer its end and the more it
// cost to compute. 1 is the rule; a larger factor renews earlier. Above 0, at most 100.
func RefreshAheadXFetch(beta float64) WriteOption {
	return writeOption(func(w *writeOptions) {
		w.refreshAhead = &pb.RefreshAhead{When: &pb.RefreshAhead_XfetchBeta{XfetchBeta: beta}}
	})
}

// OfKind is the operation or model type that made it, at most 128 bytes; it picks the TTL where none is given.
func OfKind(kind string) WriteOption { return writeOption(func(w *writeOptions) { w.kind = kind }) }

// Tags are groups it belongs to: at most 64 in all, of at most 128 bytes each.
func Tags(tags ...string) WriteOption {
	return writeOption(func(w *writeOptions) { w.tags = append(slices.Clip(w.tags), tags...) })
}

// DependsOn is what it was made from: keys, and tags as tag:NAME. When one of them is invalidated, so is this.
func DependsOn(names ...string) WriteOption {
	return writeOption(func(w *writeOptions) { w.dependsOn = append(slices.Clip(w.dependsOn), names...) })
}

// Label is a free-form fact: at most 64 of them, 16 KiB in all.
func Label(name, value string) WriteOption {
	return writeOption(func(w *writeOptions) {
		if w.labels = maps.Clone(w.labels); w.labels == nil {
			w.labels = map[string]string{}
		}
		w.labels[name] = value
	})
}

// Cost is what computing it cost. [Namespace.GetOrCompute] measures it by itself.
func Cost(cost time.Duration) WriteOption {
	return writeOption(func(w *writeOptions) { w.cost = &cost })
}

// IfAbsent stores only where there is none.
func IfAbsent() WriteOption {
	return onCondition(&pb.Precondition{Condition: &pb.Precondition_Absent{Absent: true}})
}

// IfPresent stores only where there is one.
func IfPresent() WriteOption {
	return onCondition(&pb.Precondition{Condition: &pb.Precondition_Present{Present: true}})
}

// IfEtag stores only in place of the entry with this etag.
func IfEtag(etag string) WriteOption {
	return onCondition(&pb.Precondition{Condition: &pb.Precondition_Etag{Etag: etag}})
}

// SHA256 works out the SHA-256 of the value, has the server check it, and keeps it as the entry's digest. The bytes are checked
// by CRC-32C in any case when they go as a stream.
func SHA256() WriteOption { return writeOption(func(w *writeOptions) { w.sha256 = true }) }

func onCondition(condition *pb.Precondition) WriteOption {
	return writeOption(func(w *writeOptions) { w.condition = condition })
}

// request is everything but key and payload, as the contract carries it.
//
// Errors: [ErrInvalidArgument] for a text that is not UTF-8.
func (w *writeOptions) request() (*pb.PutRequest, error) {
	faults := []*Error{textFault("kind", w.kind), textFault("tags", w.tags...), textFault("depends_on", w.dependsOn...)}
	for name, value := range w.labels {
		faults = append(faults, textFault("labels", name, value))
	}
	if is, conditional := w.condition.GetCondition().(*pb.Precondition_Etag); conditional {
		faults = append(faults, textFault("precondition", is.Etag))
	}
	return &pb.PutRequest{
		Expiration:   w.expiration(),
		Kind:         w.kind,
		Tags:         w.tags,
		DependsOn:    w.dependsOn,
		Labels:       w.labels,
		Precondition: w.condition,
		ComputeCost:  optional(w.cost),
	}, firstFault(faults...)
}

func (w *writeOptions) expiration() *pb.Expiration {
	if w.lifetime == nil && w.staleFor == nil && w.idle == nil && w.jitter == nil && w.refreshAhead == nil {
		return nil
	}
	e := &pb.Expiration{
		StaleFor: optional(w.staleFor), IdleTtl: optional(w.idle), Jitter: w.jitter, RefreshAhead: w.refreshAhead,
	}
	if w.lifetime != nil {
		w.lifetime.put(e)
	}
	return e
}

// describeFailure describes a failure as the value would have been described: what drops that drops the failure.
func (w *writeOptions) describeFailure(request *pb.ReleaseLeaseRequest) {
	request.Kind, request.Tags, request.DependsOn = w.kind, w.tags, w.dependsOn
}

// exactly is a lifetime as the contract carries it.
func exactly(lifetime Lifetime) *pb.Expiration {
	e := &pb.Expiration{}
	lifetime.put(e)
	return e
}

func (r *readOptions) get(namespace, key string) *pb.GetRequest {
	request := &pb.GetRequest{
		Namespace: namespace, Key: key, StalePolicy: r.stale, Peek: r.peek, SlowestTier: r.slowest,
	}
	if r.maxAge != nil {
		request.MaxAge = durationpb.New(*r.maxAge)
	}
	return request
}
