package hotplate

// The client: what all namespaces of one connection pool share.

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// Version of this client, as in semver.
const Version = "0.1.0"

// closeWithin bounds how long Close waits for computations that do not end when their context does.
const closeWithin = 10 * time.Second

// Client is a cache, wherever it runs. Make one for a process and share it; all its namespaces share connections, retry
// budget, breaker and computations. Close it at the end.
type Client struct {
	calls     *Calls
	wire      *wire
	namespace string
	clientID  string
	log       *slog.Logger
	observer  Observer
	gate      *gate
	flights   *flights
	nears     *nears
	tasks     *tasks
}

// New makes a client of the servers at these addresses, several with commas between: hotplate://host:7070/namespace,
// http://…, https://…, dns:///host:port or host:port. The path sets the default namespace; timeout, profile and tls=true may
// follow as a query. Calls take turns between all addresses, and between all that one name stands for. An empty text is
// hotplate://127.0.0.1:7070.
//
// Connections are opened when first used, so that this succeeds while the server is down.
//
// Errors: [ErrConfiguration], with what to change.
func New(urls string, options ...Option) (*Client, error) {
	s := defaultSettings()
	for _, option := range options {
		option(s)
	}
	addresses, fault := parseAddresses(urls, s)
	if fault != nil {
		return nil, fault
	}
	off, fault := disabledByEnvironment()
	if fault != nil {
		return nil, fault
	}
	s.disabled = s.disabled || off
	p, fault := newPool(addresses, s)
	if fault != nil {
		return nil, fault
	}
	return newClient(p, s), nil
}

// FromEnv makes a client that is set up by the environment: HOTPLATE_URL (several with commas), HOTPLATE_TOKEN or
// HOTPLATE_TOKEN_FILE, HOTPLATE_NAMESPACE, HOTPLATE_TIMEOUT, HOTPLATE_CLIENT_PROFILE, HOTPLATE_CA_FILE and
// HOTPLATE_DISABLE. Options that are given here win.
//
// Errors: [ErrConfiguration], with the variable and what to change.
func FromEnv(options ...Option) (*Client, error) {
	urls, own, err := fromEnvironment()
	if err != nil {
		return nil, err
	}
	return New(urls, append(own, options...)...)
}

func parseAddresses(urls string, s *settings) ([]address, *Error) {
	var addresses []address
	for url := range strings.SplitSeq(urls, ",") {
		if strings.TrimSpace(url) == "" {
			continue
		}
		a, fault := parseAddress(url)
		if fault != nil {
			return nil, fault
		}
		addresses = append(addresses, a)
	}
	if len(addresses) == 0 {
		a, fault := parseAddress(defaultURL)
		if fault != nil {
			return nil, fault
		}
		addresses = append(addresses, a)
	}
	for i := range addresses {
		a := &addresses[i]
		a.tls = a.tls || s.tls.wanted
		if s.token.isSet() && !s.allowInsecureToken && !a.tls && !a.isLoopback() {
			return nil, configuration(
				"the token would go to %s unencrypted: use https:// or WithTLS, or WithInsecureTokenAllowed", a.host)
		}
		s.takeFrom(a)
	}
	if fault := s.check(); fault != nil {
		return nil, fault
	}
	return addresses, s.settleProfile()
}

// takeFrom takes what an address says, where neither code nor an address before it did.
func (s *settings) takeFrom(a *address) {
	if s.namespace == "" {
		s.namespace = a.namespace
	}
	if a.profile != nil && !s.profileGiven {
		s.profile, s.profileGiven = *a.profile, true
	}
	if a.timeout > 0 && !s.timeoutGiven {
		s.timeout, s.timeoutGiven = a.timeout, true
	}
}

func (s *settings) settleProfile() *Error {
	if !s.profileGiven {
		s.profile = Local()
	}
	if s.timeoutGiven {
		s.profile.Call, s.profile.Bulk = s.timeout, s.timeout
	}
	return s.profile.check()
}

func newClient(p *pool, s *settings) *Client {
	running := newTasks()
	w := &wire{pool: p, profile: s.profile, token: s.token}
	c := &Client{
		calls:     &Calls{wire: w, attempts: attemptsMax},
		wire:      w,
		namespace: orDefault(s.namespace),
		clientID:  s.clientID,
		log:       s.log,
		observer:  s.observer,
		gate: &gate{
			breaker: newBreaker(), raise: s.onError == OnErrorRaise, disabled: s.disabled, clientID: s.clientID,
			log: s.log, tasks: running, journal: journal{max: s.journalMax},
		},
		flights: newFlights(s.computationsMax, running),
		tasks:   running,
	}
	c.nears = newNears(c, s)
	if s.onChange != nil {
		running.start(func(ctx context.Context) { c.tellChanges(ctx, s.onChange) })
	}
	return c
}

func (c *Client) tellChanges(ctx context.Context, tell func(bool)) {
	last := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.gate.breaker.changes:
			if now := c.gate.breaker.available(); now != last {
				last = now
				tell(now)
			}
		}
	}
}

// Calls gives the RPCs as they are, without codecs or degradation.
func (c *Client) Calls() *Calls { return c.calls }

// DefaultNamespace is the name of the namespace that one without a name is.
func (c *Client) DefaultNamespace() string { return c.namespace }

// ClientID is the name that this client writes under.
func (c *Client) ClientID() string { return c.clientID }

// Available tells whether the cache is worth asking: not turned off, not closed, and not found to be away.
func (c *Client) Available() bool {
	return !c.gate.disabled && !c.tasks.isOver() && c.gate.breaker.available()
}

// Degradation is how often this client went on without the cache.
func (c *Client) Degradation() DegradationCounts { return c.gate.counts() }

// InvalidationsWaiting are those that wait for the server to come back.
func (c *Client) InvalidationsWaiting() int { return c.gate.journal.pending() }

// Close ends everything of this client: computations are cancelled and their leases given back, streams end, invalidations
// that still wait are tried once more, and what is lost of them is logged. It waits for that, 10 s at most: a computation that does
// not end with its context is left behind, and is an error. Every call ends, and fails from then on, with [ErrClosed]. Do not call it
// from within a computation, nor from the function of [WithStateChange]: it would wait for itself.
func (c *Client) Close() error {
	idle := c.tasks.close()
	timer := time.NewTimer(closeWithin)
	defer timer.Stop()
	var left error
	select {
	case <-idle:
	case <-timer.C:
		left = failure(KindDeadlineExceeded, "a computation, or what WithStateChange calls, did not end, and is left behind")
	}
	if c.wire.closed.Swap(true) {
		// The connections were closed before.
		return left
	}
	if err := c.wire.pool.close(); err != nil {
		left = errors.Join(left, fromStatus(err))
	}
	return left
}

func orDefault(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}
