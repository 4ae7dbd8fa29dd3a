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
	for versions := 0; ; versions++ {
		if err != nil {
			return nil, err
		}
		entry := response.GetEntry()
		if _, large := entry.GetPayload().(*pb.Entry_Large); !large {
			return response, nil
		}
		if versions == versionsMax {
			return nil, failure(KindUnavailable, "the value was replaced each time it was read").withReason("VERSION_GONE")
		}
		value, found, failed := c.allOf(ctx, &pb.ReadValueRequest{
			Namespace: request.GetNamespace(), Key: request.GetKey(), Version: entry.GetMetadata().GetEtag(),
			StalePolicy: request.GetStalePolicy(),
		})
		switch {
		case failed == nil && found:
			entry.Payload = &pb.Entry_Value{Value: value}
			return response, nil
		case failed != nil && !hasReason(failed, "VERSION_GONE"):
			return nil, failed
		}
		response, err = c.Get(ctx, &pb.GetRequest{
			Namespace: request.GetNamespace(), Key: request.GetKey(), StalePolicy: request.GetStalePolicy(),
		})
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

func withoutPayload(request *pb.PutRequest) *pb.PutRequest {
	payload := request.Payload
	request.Payload = nil
	plain, _ := proto.Clone(request).(*pb.PutRequest)
	request.Payload = payload
	return plain
}
