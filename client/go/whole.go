package hotplate

// Which way a whole value takes: with the call where it is small enough, as a stream where it is not.

import (
	"context"
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

const (
	// sureBytes of a value every server takes with a call, unless it says otherwise.
	sureBytes = 1 << 20
	// versionsMax is how often a value that is replaced while it is read is read anew.
	versionsMax = 4
	// reservedMax bytes are set aside for a value before any of them came.
	reservedMax = 64 << 20
)

// getWhole is a Get whose answer has the value, however large it is.
func (c *Calls) getWhole(ctx context.Context, request *pb.GetRequest) (*pb.GetResponse, error) {
	response, err := c.Get(ctx, request)
	if err != nil {
		return nil, err
	}
	return c.withLarge(ctx, request, response)
}

// withLarge is the answer with its value, which is read as a stream where it is large. Of one that was replaced meanwhile, the same is
// asked again, but for a lease: what came with the first answer is its taker's.
func (c *Calls) withLarge(
	ctx context.Context, request *pb.GetRequest, response *pb.GetResponse,
) (*pb.GetResponse, error) {
	again, _ := proto.Clone(request).(*pb.GetRequest)
	again.MissPolicy, again.WaitTimeout = pb.MissPolicy_MISS_POLICY_UNSPECIFIED, nil
	for versions := 0; ; versions++ {
		entry := response.GetEntry()
		if _, large := entry.GetPayload().(*pb.Entry_Large); !large {
			return response, nil
		}
		if versions == versionsMax {
			return nil, failure(KindUnavailable, "the value was replaced each time it was read").withReason("VERSION_GONE")
		}
		value, found, err := c.allOf(ctx, &pb.ReadValueRequest{
			Namespace: request.GetNamespace(), Key: request.GetKey(), Version: entry.GetMetadata().GetEtag(),
			StalePolicy: request.GetStalePolicy(), MaxAge: request.GetMaxAge(), SlowestTier: request.GetSlowestTier(),
		})
		switch {
		case err == nil && found:
			entry.Payload = &pb.Entry_Value{Value: value}
			return response, nil
		case err != nil && !hasReason(err, "VERSION_GONE"):
			return nil, err
		}
		if response, err = c.Get(ctx, again); err != nil {
			return nil, err
		}
	}
}

// allOf is all bytes of a value; false when there is none.
func (c *Calls) allOf(ctx context.Context, request *pb.ReadValueRequest) ([]byte, bool, error) {
	reader, err := c.readValue(ctx, request)
	if err != nil || reader.header.GetVersion() == "" {
		return nil, false, err
	}
	defer reader.close()
	value := make([]byte, 0, min(reader.header.GetSizeBytes(), reservedMax))
	for {
		piece, err := reader.next()
		switch {
		case errors.Is(err, io.EOF):
			return value, true, nil
		case err != nil:
			return nil, false, err
		}
		value = append(value, piece...)
	}
}

// isLarge tells whether a value is larger than what the server takes with a call: what every server takes, until it said so.
func (c *Calls) isLarge(value []byte) bool {
	most := uint64(sureBytes)
	if limits := c.wire.limits.Load(); limits != nil && limits.GetChunkBytesMax() > 0 {
		most = limits.GetUnaryValueBytesMax()
	}
	return uint64(len(value)) > most
}

// putWhole is a Put of a value of any size.
func (c *Calls) putWhole(ctx context.Context, request *pb.PutRequest) (*pb.PutResponse, error) {
	value := request.GetValue()
	if _, is := request.GetPayload().(*pb.PutRequest_Value); !is {
		return c.Put(ctx, request)
	}
	if len(value) <= sureBytes && c.wire.limits.Load() == nil {
		response, err := c.Put(ctx, request)
		if !hasReason(err, "VALUE_TOO_LARGE") {
			return response, err
		}
		// A server that takes less says so; then its limits are known.
		limits, failed := c.Limits(ctx)
		if failed != nil || limits.GetChunkBytesMax() == 0 || uint64(len(value)) <= limits.GetUnaryValueBytesMax() {
			return nil, err
		}
		return c.writeValue(ctx, withoutPayload(request), value)
	}
	limits, err := c.Limits(ctx)
	if err != nil {
		return nil, err
	}
	// A server without streams says itself what is too large.
	if limits.GetChunkBytesMax() == 0 || uint64(len(value)) <= limits.GetUnaryValueBytesMax() {
		return c.Put(ctx, request)
	}
	return c.writeValue(ctx, withoutPayload(request), value)
}

// withoutPayload is a copy without the value. What was given is not touched: it is the caller's.
func withoutPayload(request *pb.PutRequest) *pb.PutRequest {
	plain := shallow(request)
	plain.Payload = nil
	return plain
}
