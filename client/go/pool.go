package hotplate

// The connections of a client and which one a call takes. Every one is opened when first needed and again when lost.

import (
	_ "embed" // for the service config
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // asks servers with several addresses which of them are well
	"google.golang.org/grpc/keepalive"
)

// serviceConfig is a copy of client/service_config.json, which every client shares; a test compares them.
//
//go:embed service_config.json
var serviceConfig string

const (
	// connectionsMaxDefault is where more stop helping.
	connectionsMaxDefault = 4
	callsPerConnection    = 32

	// messageBytesMax is above every server's own limit, so that the server's clear answer wins.
	messageBytesMax = 16 << 20
	// A 1 MiB value never waits for an update of the window.
	streamWindow     = 4 << 20
	connectionWindow = 16 << 20

	keepaliveInterval = 20 * time.Second
	keepaliveTimeout  = 5 * time.Second
	// reconnectMax is the longest wait before a lost connection is tried again: the breaker asks once a second.
	reconnectMax = 400 * time.Millisecond
)

// pool has connections for calls, and others for streams that are read slowly: a Watch that waits for its reader must not
// hold up calls that share its connection's window.
type pool struct {
	servers   [][]*line
	transfers [][]*line
	streams   []*line
	next      atomic.Uint64
}

// line is a connection and how many calls are under way on it.
type line struct {
	conn  *grpc.ClientConn
	calls atomic.Int64
}

func newPool(addresses []address, s *settings) (*pool, *Error) {
	each := max(s.connectionsMax/len(addresses), 1)
	p := &pool{}
	for i := range addresses {
		dial := s.dialOptions(&addresses[i])
		lines := make([]*line, 0, 2*each+1)
		for range cap(lines) {
			conn, err := grpc.NewClient(addresses[i].target, dial...)
			if err != nil {
				p.streams = append(p.streams, lines...)
				// The program never used them: nothing can go wrong that it would want to know.
				_ = p.close()
				return nil, configuration("the address cannot be used: %v", err)
			}
			lines = append(lines, &line{conn: conn})
		}
		p.servers = append(p.servers, lines[:each])
		p.transfers = append(p.transfers, lines[each:2*each])
		p.streams = append(p.streams, lines[2*each])
	}
	return p, nil
}

func (s *settings) dialOptions(a *address) []grpc.DialOption {
	var creds credentials.TransportCredentials = insecure.NewCredentials()
	if a.tls {
		creds = credentials.NewTLS(s.tls.config())
	}
	return append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// Tries are made here, with a budget and what the server asks for.
		grpc.WithDisableRetry(),
		grpc.WithUserAgent("hotplate-go/" + Version),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveInterval, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: grpcbackoff.Config{
				BaseDelay: backoffFirst, Multiplier: backoffMultiplier, Jitter: 0.2, MaxDelay: reconnectMax,
			},
			MinConnectTimeout: s.profile.Connect,
		}),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(messageBytesMax),
			grpc.MaxCallSendMsgSize(messageBytesMax),
		),
	}, s.dial...)
}

// turn is whose turn it is. To be asked once for each call, as it goes round: who is tried again takes the next.
func (p *pool) turn() uint64 { return p.next.Add(1) - 1 }

// forCall is a connection for a call to the server whose turn this is: the first that has few under way, else the one with
// the fewest. Call done on it when the call has ended.
func (p *pool) forCall(turn uint64) *line { return place(ofTurn(p.servers, turn), callsPerConnection) }

// forTransfer is a connection for a large value: one that no small call waits behind, and of its own as long as there are.
func (p *pool) forTransfer(turn uint64) *line { return place(ofTurn(p.transfers, turn), 1) }

// forStream is a connection for a long-lived stream.
func (p *pool) forStream(turn uint64) *line { return place([]*line{ofTurn(p.streams, turn)}, 1) }

func ofTurn[L any](all []L, turn uint64) L { return all[turn%uint64(len(all))] }

func place(lines []*line, few int64) *line {
	chosen := slices.MinFunc(lines, func(a, b *line) int { return int(a.calls.Load() - b.calls.Load()) })
	if free := slices.IndexFunc(lines, func(l *line) bool { return l.calls.Load() < few }); free >= 0 {
		chosen = lines[free]
	}
	chosen.calls.Add(1)
	return chosen
}

func (l *line) done() { l.calls.Add(-1) }

func (p *pool) close() error {
	var failed []error
	for _, lines := range slices.Concat(p.servers, p.transfers, [][]*line{p.streams}) {
		for _, l := range lines {
			failed = append(failed, l.conn.Close())
		}
	}
	return errors.Join(failed...)
}
