package hotplatetest

// A cache in memory, behind the real client: what is tried is the client that programs use, its codecs, keys and errors. What the
// cache holds lives in fake_store.go, what it answers in fake_service.go.

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// wireBytes wait between the client and the cache.
const wireBytes = 1 << 20

// FakeCache is a cache in memory, without a process. It knows values, conditions, lifetimes on a clock of its own, tags and
// every other selector, dependents, leases with those who wait, and statistics. It has no room to run out of, and neither
// watches, near caches, preload jobs nor streams of large values: those need [New].
type FakeCache struct {
	// Client is a client of it, whose default namespace is `test`. It is closed when the test ends.
	Client *hotplate.Client

	store *store
}

// Fake is a new and empty one. It ends with the test.
func Fake(t testing.TB, options ...hotplate.Option) *FakeCache {
	t.Helper()
	f := &FakeCache{store: newStore()}
	listener := bufconn.Listen(wireBytes)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(1<<30), grpc.MaxSendMsgSize(1<<30))
	// The client asks for it, and tells of a server that has none.
	well := health.NewServer()
	well.SetServingStatus(pb.CacheService_ServiceDesc.ServiceName, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, well)
	pb.RegisterCacheServiceServer(server, &service{store: f.store})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	dial := hotplate.WithDialOptions(
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	client, err := hotplate.New("hotplate://127.0.0.1/test", append([]hotplate.Option{dial}, options...)...)
	if err != nil {
		t.Fatalf("hotplatetest: %v", err)
	}
	f.Client = client
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("hotplatetest: %v", err)
		}
		server.Stop()
		if err := <-ended; err != nil {
			t.Errorf("hotplatetest: %v", err)
		}
	})
	return f
}

// Advance moves the clock of the cache: lifetimes of entries and leases go by. Otherwise they do so as time does.
func (f *FakeCache) Advance(by time.Duration) { f.store.advance(by) }
