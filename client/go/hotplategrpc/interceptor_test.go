package hotplategrpc_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplategrpc"
	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/hotplatetest"
)

// backend is some service with a method that changes nothing and one that does; the cache's own are at hand.
type backend struct {
	pb.UnimplementedCacheServiceServer

	calls atomic.Int64
}

func (b *backend) Get(_ context.Context, request *pb.GetRequest) (*pb.GetResponse, error) {
	b.calls.Add(1)
	if request.GetKey() == "fails" {
		return nil, status.Error(codes.DataLoss, "it is gone")
	}
	return &pb.GetResponse{Entry: &pb.Entry{Key: request.GetKey()}}, nil
}

func (b *backend) Touch(context.Context, *pb.TouchRequest) (*pb.TouchResponse, error) {
	b.calls.Add(1)
	return &pb.TouchResponse{}, nil
}

func (b *backend) client(t *testing.T, interceptor grpc.UnaryClientInterceptor) pb.CacheServiceClient {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	pb.RegisterCacheServiceServer(server, b)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///backend", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(interceptor),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return pb.NewCacheServiceClient(conn)
}

func TestCallsThatChangeNothingAreMadeOnce(t *testing.T) {
	b := &backend{}
	cache := hotplatetest.Fake(t)
	client := b.client(t, hotplategrpc.Unary(cache.Client, ""))
	get := func(ctx context.Context, key string) {
		t.Helper()
		response, err := client.Get(ctx, &pb.GetRequest{Key: key})
		if err != nil || response.GetEntry().GetKey() != key {
			t.Error(response, err)
		}
	}
	as := func(name string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", name)
	}
	steps := []struct {
		what  string
		do    func()
		calls int64
	}{
		{"the first", func() { get(t.Context(), "a") }, 1},
		{"the same", func() { get(t.Context(), "a") }, 1},
		{"another request", func() { get(t.Context(), "b") }, 2},
		{"another caller", func() { get(as("x"), "a") }, 3},
		{"the same caller", func() { get(as("x"), "a") }, 3},
		{"a method that changes something", func() {
			_, err := client.Touch(t.Context(), &pb.TouchRequest{})
			_, err2 := client.Touch(t.Context(), &pb.TouchRequest{})
			if err != nil || err2 != nil {
				t.Error(err, err2)
			}
		}, 5},
		{"a failure", func() {
			for range 2 {
				if _, err := client.Get(t.Context(), &pb.GetRequest{Key: "fails"}); status.Code(err) != codes.DataLoss {
					t.Error(err)
				}
			}
		}, 7},
		{"after an invalidation", func() {
			space := hotplate.NS(cache.Client, "", hotplate.Bytes())
			dropped, err := space.Invalidate(t.Context(), hotplate.ByPrefix("grpc:hotplate.v1.CacheService%2FGet:"))
			if err != nil || dropped.Matched != 3 {
				t.Error(dropped, err)
			}
			get(t.Context(), "a")
		}, 8},
	}
	for _, step := range steps {
		if step.do(); b.calls.Load() != step.calls {
			t.Fatalf("%s: %d calls, not %d", step.what, b.calls.Load(), step.calls)
		}
	}
}
