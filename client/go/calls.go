package hotplate

// The RPCs as they are: one method each, messages in and out, with token, deadline and tries. No degradation, no codecs:
// those live in namespace.go.

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// Calls are the RPCs of hotplate.v1.CacheService, one method each.
//
// Every call carries the token, ends within its deadline and is tried again, at most twice, when the server was
// unavailable and repeating it is safe. Failures come as [*Error]; a miss is part of an answer, not a failure. The kill
// switch and the breaker of the typed layer do not apply here. A request is not changed, and must not be while its
// call is under way.
type Calls struct {
	wire     *wire
	timeout  time.Duration
	attempts int
}

// WithTimeout are the same calls with another deadline: for the whole call, retries included; for streams, to be opened.
func (c *Calls) WithTimeout(timeout time.Duration) *Calls {
	return &Calls{wire: c.wire, timeout: timeout, attempts: c.attempts}
}

// WithoutRetries are the same calls, each tried once only.
func (c *Calls) WithoutRetries() *Calls {
	return &Calls{wire: c.wire, timeout: c.timeout, attempts: 1}
}

// Get finds one entry.
func (c *Calls) Get(ctx context.Context, request *pb.GetRequest) (*pb.GetResponse, error) {
	return unary(ctx, c, c.small(true), request, pb.CacheServiceClient.Get)
}

// BatchGet finds several entries; failures of single items are in the answer.
func (c *Calls) BatchGet(ctx context.Context, request *pb.BatchGetRequest) (*pb.BatchGetResponse, error) {
	return unary(ctx, c, c.bulk(true), request, pb.CacheServiceClient.BatchGet)
}

// Put stores one entry. A Put with a condition or a lease and without RequestId gets one, so that a retry meets its own
// first answer.
func (c *Calls) Put(ctx context.Context, request *pb.PutRequest) (*pb.PutResponse, error) {
	return unary(ctx, c, c.small(true), identified(request), pb.CacheServiceClient.Put)
}

// BatchPut stores several entries; failures of single items are in the answer.
func (c *Calls) BatchPut(ctx context.Context, request *pb.BatchPutRequest) (*pb.BatchPutResponse, error) {
	own := &pb.BatchPutRequest{Namespace: request.GetNamespace(), Items: make([]*pb.PutRequest, 0, len(request.GetItems()))}
	for _, item := range request.GetItems() {
		own.Items = append(own.Items, identified(item))
	}
	return unary(ctx, c, c.bulk(true), own, pb.CacheServiceClient.BatchPut)
}

// Touch changes how long an entry lives. Never tried again: a lifetime counts from the moment of the call.
func (c *Calls) Touch(ctx context.Context, request *pb.TouchRequest) (*pb.TouchResponse, error) {
	return unary(ctx, c, c.small(false), request, pb.CacheServiceClient.Touch)
}

// Invalidate drops entries. Without RequestId it gets one, so that a retry reports what the first try dropped.
func (c *Calls) Invalidate(ctx context.Context, request *pb.InvalidateRequest) (*pb.InvalidateResponse, error) {
	if request.GetRequestId() == "" {
		request = shallow(request)
		request.RequestId = randomID(16)
	}
	return unary(ctx, c, c.bulk(true), request, pb.CacheServiceClient.Invalidate)
}

// Stats counts what happened and what is held.
func (c *Calls) Stats(ctx context.Context, request *pb.StatsRequest) (*pb.StatsResponse, error) {
	return unary(ctx, c, c.bulk(true), request, pb.CacheServiceClient.Stats)
}

// ListEntries lists metadata of entries, a page at a time.
func (c *Calls) ListEntries(ctx context.Context, request *pb.ListEntriesRequest) (*pb.ListEntriesResponse, error) {
	return unary(ctx, c, c.bulk(true), request, pb.CacheServiceClient.ListEntries)
}

// UpdateWatch changes which single keys an open watch follows.
func (c *Calls) UpdateWatch(ctx context.Context, request *pb.UpdateWatchRequest) (*pb.UpdateWatchResponse, error) {
	return unary(ctx, c, c.small(true), request, pb.CacheServiceClient.UpdateWatch)
}

// Revalidate tells which copies are still what is stored; failures of single items are in the answer.
func (c *Calls) Revalidate(ctx context.Context, request *pb.RevalidateRequest) (*pb.RevalidateResponse, error) {
	return unary(ctx, c, c.bulk(true), request, pb.CacheServiceClient.Revalidate)
}

// ExplainKey explains a key: what a Get would say and why, and what happened to it.
func (c *Calls) ExplainKey(ctx context.Context, request *pb.ExplainKeyRequest) (*pb.ExplainKeyResponse, error) {
	return unary(ctx, c, c.bulk(true), request, pb.CacheServiceClient.ExplainKey)
}

// ExtendLease keeps a lease for one more duration; one that is not held any more is an outcome.
func (c *Calls) ExtendLease(ctx context.Context, request *pb.ExtendLeaseRequest) (*pb.ExtendLeaseResponse, error) {
	return unary(ctx, c, c.small(true), request, pb.CacheServiceClient.ExtendLease)
}

// ReleaseLease gives a lease back without a value. A retry whose first try was carried out answers that the lease is lost.
func (c *Calls) ReleaseLease(ctx context.Context, request *pb.ReleaseLeaseRequest) (*pb.ReleaseLeaseResponse, error) {
	return unary(ctx, c, c.small(true), request, pb.CacheServiceClient.ReleaseLease)
}

// GetServerInfo tells version, limits and features.
func (c *Calls) GetServerInfo(ctx context.Context) (*pb.GetServerInfoResponse, error) {
	return unary(ctx, c, c.small(true), &pb.GetServerInfoRequest{}, pb.CacheServiceClient.GetServerInfo)
}

// Limits is what the server allows: known from the first answer on.
func (c *Calls) Limits(ctx context.Context) (*pb.ServerLimits, error) {
	if known := c.wire.limits.Load(); known != nil {
		return known, nil
	}
	info, err := c.GetServerInfo(ctx)
	if err != nil {
		return nil, err
	}
	limits := info.GetLimits()
	if limits == nil {
		limits = &pb.ServerLimits{}
	}
	c.wire.limits.Store(limits)
	return limits, nil
}

// batchItemsMax is taken where the server has not said what it accepts: what all do.
const batchItemsMax = 100

// batchItems are the items that the server is known, or else taken, to accept with one call.
func (c *Calls) batchItems() int {
	if allowed := int(c.wire.limits.Load().GetBatchItemsMax()); allowed > 0 {
		return min(allowed, batchItemsMax)
	}
	return batchItemsMax
}

// takesFewer tells, after an error, whether fewer items of a batch may be what the server takes, as it says by now.
func (c *Calls) takesFewer(ctx context.Context, items int, err error) bool {
	if !hasReason(err, "BATCH_TOO_LARGE") {
		return false
	}
	_, failed := c.Limits(ctx)
	return failed == nil && c.batchItems() < items
}

func watchOf(
	conn *grpc.ClientConn, ctx context.Context, request *pb.WatchRequest, options ...grpc.CallOption,
) (grpc.ServerStreamingClient[pb.WatchResponse], error) {
	return pb.NewCacheServiceClient(conn).Watch(ctx, request, options...)
}

func preloadOf(
	conn *grpc.ClientConn, ctx context.Context, request *pb.PreloadRequest, options ...grpc.CallOption,
) (grpc.ServerStreamingClient[pb.PreloadResponse], error) {
	return pb.NewCacheServiceClient(conn).Preload(ctx, request, options...)
}

// identified makes repeating safe: a condition, or a lease, is judged against what the first try may already have changed.
func identified(request *pb.PutRequest) *pb.PutRequest {
	if request.GetRequestId() != "" || (request.GetPrecondition() == nil && request.GetLeaseToken() == "") {
		return request
	}
	own := shallow(request)
	own.RequestId = randomID(16)
	return own
}

// shallow is a copy of a message that shares what is in it. What a caller gave is the caller's: an id in it would make the next call
// with it a repetition of this one.
func shallow[M proto.Message](message M) M {
	copied, _ := message.ProtoReflect().New().Interface().(M)
	message.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		copied.ProtoReflect().Set(field, value)
		return true
	})
	copied.ProtoReflect().SetUnknown(message.ProtoReflect().GetUnknown())
	return copied
}

// randomID is a name that nobody guesses, of so many random bytes.
func randomID(bytes int) string {
	id := make([]byte, bytes)
	// It never fails: a system without randomness ends the program.
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}
