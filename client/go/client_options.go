package hotplate

// How a client is set up. Every setting is checked by New, which opens no connection.

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
)

const (
	defaultURL             = "hotplate://127.0.0.1:7070"
	journalMaxDefault      = 10_000
	computationsMaxDefault = 1_024
	clientIDBytesMax       = 128
)

// OnError is what typed reads and writes do when the cache is away.
type OnError uint8

const (
	// OnErrorMiss makes a read a miss with its reason, drops and counts a write, and remembers an invalidation. The default:
	// a cache is never load-bearing.
	OnErrorMiss OnError = iota
	// OnErrorRaise returns the failure.
	OnErrorRaise
)

// Option is a setting of a [Client].
type Option func(*settings)

type settings struct {
	namespace          string
	token              token
	allowInsecureToken bool
	tls                tlsSettings
	profile            Profile
	profileGiven       bool
	timeout            time.Duration
	timeoutGiven       bool
	connectionsMax     int
	onError            OnError
	disabled           bool
	journalMax         int
	computationsMax    int
	clientID           string
	clientIDIsOwn      bool
	near               nearSetup
	log                *slog.Logger
	observer           Observer
	onChange           func(available bool)
	dial               []grpc.DialOption
}

func defaultSettings() *settings {
	return &settings{
		connectionsMax:  connectionsMaxDefault,
		journalMax:      journalMaxDefault,
		computationsMax: computationsMaxDefault,
		clientID:        randomID(8),
		clientIDIsOwn:   true,
		log:             slog.Default(),
	}
}

// WithNamespace names the namespace that a [Namespace] without a name is. Without it, the address's path, then `default`.
func WithNamespace(name string) Option { return func(s *settings) { s.namespace = name } }

// WithToken sends this bearer token with every call. It is never printed. An empty one is none.
func WithToken(secret string) Option { return func(s *settings) { s.token = newToken(secret) } }

// WithInsecureTokenAllowed sends the token even without TLS to a host that is not this machine. Whoever listens in then has
// it.
func WithInsecureTokenAllowed() Option { return func(s *settings) { s.allowInsecureToken = true } }

// WithTLS uses TLS with the system's certificate authorities, also for hotplate://.
func WithTLS() Option { return func(s *settings) { s.tls.wanted = true } }

// WithCA uses TLS and trusts these certificate authorities (PEM) instead of the system's.
func WithCA(pem []byte) Option {
	return func(s *settings) { s.tls.wanted, s.tls.ca = true, pem }
}

// WithIdentity uses TLS and shows this certificate with its private key (both PEM) to the server.
func WithIdentity(certificatePEM, keyPEM []byte) Option {
	return func(s *settings) { s.tls.wanted, s.tls.certificate, s.tls.key = true, certificatePEM, keyPEM }
}

// WithServerName is the name that the server's certificate must have, when it is not the address's host.
func WithServerName(name string) Option { return func(s *settings) { s.tls.serverName = name } }

// WithProfile sets the timeouts. Without it, [Local].
func WithProfile(profile Profile) Option {
	return func(s *settings) { s.profile, s.profileGiven = profile, true }
}

// WithTimeout is the deadline of every call, retries included, instead of the profile's. At least 1 ms.
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout, s.timeoutGiven = timeout, true }
}

// WithConnectionsMax bounds the connections for calls, to all servers together, but at least one to each; 1 to 64. The next
// is opened when those before it are busy. Default: 4.
func WithConnectionsMax(connections int) Option {
	return func(s *settings) { s.connectionsMax = connections }
}

// WithOnError is what typed reads and writes do when the cache is away. Default: [OnErrorMiss].
func WithOnError(onError OnError) Option { return func(s *settings) { s.onError = onError } }

// WithDisabled turns the typed layer off: every read is a miss, every write is dropped. The environment variable
// HOTPLATE_DISABLE=1 does the same for every client of a process.
func WithDisabled(disabled bool) Option { return func(s *settings) { s.disabled = disabled } }

// WithJournalMax bounds the invalidations (selectors) that are remembered while the server is away, 1 or more; past that, an
// invalidation fails with reason JOURNAL_FULL, because dropping one would mean serving what it dropped. Default: 10,000.
func WithJournalMax(selectors int) Option { return func(s *settings) { s.journalMax = selectors } }

// WithComputationsMax bounds the computations of [Namespace.GetOrCompute] that run at once, 1 or more; others wait for their
// turn. Default: 1,024.
func WithComputationsMax(computations int) Option {
	return func(s *settings) { s.computationsMax = computations }
}

// WithClientID is the name this client writes under, so that watches can leave out what it did. At most 128 bytes. Default:
// random.
func WithClientID(id string) Option {
	return func(s *settings) { s.clientID, s.clientIDIsOwn = id, false }
}

// WithNearCache keeps values in this process, for as long as the server vouches for them, in every namespace that is not
// named by [WithNearCacheOf]. Without it, nothing is kept.
func WithNearCache(options NearOptions) Option {
	return func(s *settings) { s.near.all = &options }
}

// WithNearCacheOf is the same for one namespace; nil for one that does without.
func WithNearCacheOf(namespace string, options *NearOptions) Option {
	return func(s *settings) {
		if s.near.named == nil {
			s.near.named = map[string]*NearOptions{}
		}
		s.near.named[orDefault(namespace)] = options
	}
}

// WithLogger is where this client reports what nobody else learns of: neither keys nor values nor the token. Default:
// [slog.Default].
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// WithObserver tells of every operation, for traces and metrics; package hotplateotel has one for OpenTelemetry.
func WithObserver(observer Observer) Option { return func(s *settings) { s.observer = observer } }

// WithStateChange calls this function when the cache is found to be away, and when it is back. It runs in a goroutine of
// the client, one call at a time; changes that come while it runs are told as one. Do not close the client in it.
func WithStateChange(changed func(available bool)) Option {
	return func(s *settings) { s.onChange = changed }
}

// WithDialOptions adds options of gRPC, such as interceptors or a dialer.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

func (s *settings) check() *Error {
	switch {
	case s.journalMax < 1 || s.computationsMax < 1:
		return configuration("WithJournalMax and WithComputationsMax are at least 1")
	case s.connectionsMax < 1 || s.connectionsMax > 64:
		return configuration("WithConnectionsMax is 1 to 64")
	case len(s.clientID) > clientIDBytesMax || !utf8.ValidString(s.clientID):
		return configuration("WithClientID has at most 128 bytes, in UTF-8")
	case !utf8.ValidString(s.namespace):
		return configuration("the namespace is not UTF-8")
	case s.log == nil:
		return configuration("WithLogger needs a logger: slog.New(slog.DiscardHandler) is one that says nothing")
	}
	if fault := s.token.check(); fault != nil {
		return fault
	}
	if fault := s.tls.check(); fault != nil {
		return fault
	}
	return s.near.check()
}

// tlsSettings are what TLS uses, as PEM.
type tlsSettings struct {
	wanted               bool
	ca, certificate, key []byte
	serverName           string

	roots    *x509.CertPool
	identity []tls.Certificate
}

// check reads what was given: PEM that holds nothing would only show at the first call, as a server that is not trusted.
func (t *tlsSettings) check() *Error {
	if t.ca != nil {
		t.roots = x509.NewCertPool()
		if !t.roots.AppendCertsFromPEM(t.ca) {
			return configuration("TLS: the certificate authority is no PEM certificate")
		}
	}
	if t.certificate == nil && t.key == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(t.certificate, t.key)
	if err != nil {
		// The cause may tell about the key.
		return configuration("TLS: the client certificate and its key are no PEM pair")
	}
	t.identity = []tls.Certificate{pair}
	return nil
}

func (t *tlsSettings) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: t.roots, Certificates: t.identity, ServerName: t.serverName,
	}
}
