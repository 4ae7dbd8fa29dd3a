package hotplategrpc_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	// letGo is waited for by who asks for `held`.
	letGo chan struct{}
}

func (b *backend) Get(ctx context.Context, request *pb.GetRequest) (*pb.GetResponse, error) {
	b.calls.Add(1)
	switch request.GetKey() {
	case "fails":
		return nil, status.Error(codes.DataLoss, "it is gone")
	case "held":
		select {
		case <-b.letGo:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	told, _ := metadata.FromIncomingContext(ctx)
	whose := append(told.Get("authorization"), told.Get("session-bin")...)
	return &pb.GetResponse{Entry: &pb.Entry{
		Key: request.GetKey(), Payload: &pb.Entry_Value{Value: []byte(strings.Join(whose, " "))},
	}}, nil
}

func (b *backend) Touch(context.Context, *pb.TouchRequest) (*pb.TouchResponse, error) {
	b.calls.Add(1)
	return &pb.TouchResponse{}, nil
}

func (b *backend) client(
	t *testing.T, cache *hotplate.Client, dial []grpc.DialOption, options ...hotplategrpc.Option,
) pb.CacheServiceClient {
	t.Helper()
	interceptor, err := hotplategrpc.Unary(cache, "", options...)
	if err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	pb.RegisterCacheServiceServer(server, b)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///backend", append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(interceptor),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
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

// bearer are credentials that gRPC adds below the interceptor.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func TestCallsThatChangeNothingAreMadeOnce(t *testing.T) {
	b := &backend{}
	cache := hotplatetest.Fake(t)
	client := b.client(t, cache.Client, nil, hotplategrpc.Vary("authorization", "session-bin"))
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

func TestNobodyGetsWhatIsAnothers(t *testing.T) {
	cache := hotplatetest.Fake(t)
	if _, err := hotplategrpc.Unary(cache.Client, ""); err == nil {
		t.Error("it shares answers with nobody having said who does")
	}
	b := &backend{}
	whose := func(client pb.CacheServiceClient, ctx context.Context, options ...grpc.CallOption) string {
		t.Helper()
		response, err := client.Get(ctx, &pb.GetRequest{Key: "secret"}, options...)
		if err != nil {
			t.Fatal(err)
		}
		return string(response.GetEntry().GetValue())
	}
	shared := b.client(t, cache.Client, nil, hotplategrpc.Vary("session-bin"))
	for _, name := range []string{"alice", "bob"} {
		if got := whose(shared, t.Context(), grpc.PerRPCCredentials(bearer(name))); got != name {
			t.Errorf("%s gets what is %s's", name, got)
		}
	}
	for _, session := range []string{"\xff\x01", "\xfe\x01"} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "session-bin", session)
		if got := whose(shared, ctx); got != session {
			t.Errorf("%q gets what is %q's", session, got)
		}
	}
	for _, name := range []string{"carol", "dave"} {
		client := b.client(t, cache.Client, []grpc.DialOption{grpc.WithPerRPCCredentials(bearer(name))},
			hotplategrpc.KeyBy(func(context.Context) (string, error) { return name, nil }))
		if got := whose(client, t.Context()); got != name {
			t.Errorf("%s gets what is %s's", name, got)
		}
	}
	failing := b.client(t, cache.Client, nil, hotplategrpc.KeyBy(func(context.Context) (string, error) { return "", errors.New("who?") }))
	before := b.calls.Load()
	whose(failing, t.Context())
	whose(failing, t.Context())
	if b.calls.Load() != before+2 {
		t.Error("it is cached for nobody knows whom")
	}
}

func TestACallFailsAsItWouldWithoutTheCache(t *testing.T) {
	cache := hotplatetest.Fake(t)
	b := &backend{letGo: make(chan struct{})}
	client := b.client(t, cache.Client, nil, hotplategrpc.SharedByAll(), hotplategrpc.Methods("/hotplate.v1.CacheService/Get"),
		hotplategrpc.With(hotplate.RememberFailure(hotplate.For(time.Hour))))
	for range 2 {
		// The second time from what is remembered.
		if _, err := client.Get(t.Context(), &pb.GetRequest{Key: "fails"}); status.Code(err) != codes.DataLoss || status.Convert(err).Message() != "it is gone" {
			t.Error(err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	first, second := make(chan error, 1), make(chan error, 1)
	// What is written for a caller may not be written when it is gone.
	var header metadata.MD
	go func() {
		_, err := client.Get(short, &pb.GetRequest{Key: "held"}, grpc.Header(&header))
		first <- err
	}()
	go func() {
		_, err := client.Get(t.Context(), &pb.GetRequest{Key: "held"})
		second <- err
	}()
	if err := <-first; status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
	header = nil
	close(b.letGo)
	if err := <-second; err != nil {
		t.Errorf("who has time left: %v", err)
	}
	if err := cache.Client.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), &pb.GetRequest{Key: "other"}); err != nil {
		t.Error(err)
	}
}

func TestWhatTheCacheRefusesFailsNobodysCall(t *testing.T) {
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument} {
		refuses := func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
			return status.Error(code, "the cache refuses")
		}
		cache, err := hotplate.New("hotplate://127.0.0.1:1/t", hotplate.WithDialOptions(grpc.WithUnaryInterceptor(refuses)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cache.Close() })
		b := &backend{}
		client := b.client(t, cache, nil, hotplategrpc.SharedByAll())
		if response, err := client.Get(t.Context(), &pb.GetRequest{Key: "a"}); err != nil || response.GetEntry().GetKey() != "a" {
			t.Error(code, response, err)
		}
		if _, err := client.Get(t.Context(), &pb.GetRequest{Key: "fails"}); status.Code(err) != codes.DataLoss {
			t.Error(code, err)
		}
	}
}

func TestWhatIsNoMessageIsAskedForAnew(t *testing.T) {
	cache := hotplatetest.Fake(t)
	b := &backend{}
	client := b.client(t, cache.Client, nil, hotplategrpc.SharedByAll())
	ask := func() {
		t.Helper()
		if response, err := client.Get(t.Context(), &pb.GetRequest{Key: "a"}); err != nil || response.GetEntry().GetKey() != "a" {
			t.Error(response, err)
		}
	}
	ask()
	raw := hotplate.NS(cache.Client, "", hotplate.Bytes())
	entries, _, err := raw.Entries(t.Context(), 1, "")
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	if _, err := raw.Put(t.Context(), hotplate.Text(entries[0].GetKey()), []byte("\xff")); err != nil {
		t.Fatal(err)
	}
	ask()
	ask()
	if b.calls.Load() != 2 {
		t.Error(b.calls.Load())
	}
}
