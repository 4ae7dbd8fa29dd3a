package hotplate

// Where a server is: how an address is written, and what gRPC target it becomes. Choosing among several lives in pool.go.

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const defaultPort = "7070"

// address is one address, taken apart, with the settings that its query gave.
type address struct {
	// target is what gRPC connects to.
	target string
	// host is for TLS and for telling whether it is this machine.
	host      string
	tls       bool
	namespace string
	timeout   time.Duration
	profile   *Profile
}

// parseAddress reads hotplate://host:7070/namespace?timeout=250ms, http://…, https://…, dns:///host:port, or plain
// host:port. The address itself is not repeated in errors: it may hold a secret.
func parseAddress(text string) (address, *Error) {
	text = strings.TrimSpace(text)
	if target, isTarget := strings.CutPrefix(text, "dns:///"); isTarget {
		text = "hotplate://" + target
	}
	if !strings.Contains(text, "://") {
		text = "hotplate://" + text
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return address{}, configuration("the address is not a URL: write hotplate://host:7070/namespace")
	}
	port := map[string]string{"hotplate": defaultPort, "http": "80", "https": "443"}[parsed.Scheme]
	switch {
	case port == "":
		return address{}, configuration("unknown scheme `%s`: use hotplate://, http:// or https://", parsed.Scheme)
	case parsed.User != nil:
		return address{}, configuration("an address carries no credentials: use the token setting")
	case parsed.Hostname() == "":
		return address{}, configuration("the address names no host")
	}
	if parsed.Port() != "" {
		port = parsed.Port()
	}
	a := address{
		target:    "dns:///" + net.JoinHostPort(parsed.Hostname(), port),
		host:      parsed.Hostname(),
		tls:       parsed.Scheme == "https",
		namespace: strings.Trim(parsed.Path, "/"),
	}
	for name, values := range parsed.Query() {
		for _, value := range values {
			if fault := a.apply(name, value); fault != nil {
				return address{}, fault
			}
		}
	}
	return a, nil
}

func (a *address) apply(name, value string) *Error {
	switch name {
	case "timeout":
		timeout, err := ParseDuration(value)
		if err != nil {
			return configuration("`timeout` in the address: %s", asError(err).Message)
		}
		a.timeout = timeout
	case "profile":
		profile, err := ProfileNamed(value)
		if err != nil {
			return asError(err)
		}
		a.profile = &profile
	case "tls":
		switch value {
		case "true":
			a.tls = true
		case "false":
			if a.tls {
				return configuration("an https:// address has TLS, and `tls=false` in it says that it has not")
			}
		default:
			return configuration("`tls` in the address is `true` or `false`")
		}
	default:
		return configuration("unknown setting `%s` in the address: `timeout`, `profile` and `tls` are known", name)
	}
	return nil
}

// isLoopback tells whether the host is this machine, where nobody else can listen in.
func (a *address) isLoopback() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || (err == nil && ip.IsLoopback())
}
