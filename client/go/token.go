package hotplate

// The bearer token: kept out of logs, whatever it is printed with.

import (
	"fmt"
	"log/slog"
	"strings"
)

type token struct{ secret string }

// newToken takes a secret. Surrounding white space, as files tend to end with, is no part of it.
func newToken(secret string) token { return token{secret: strings.TrimSpace(secret)} }

func (t token) isSet() bool { return t.secret != "" }

// header is the value of `authorization`.
func (t token) header() string { return "Bearer " + t.secret }

func (t token) check() *Error {
	for _, b := range []byte(t.secret) {
		if b < ' ' || b > '~' {
			return configuration("the token holds characters that a header cannot carry")
		}
	}
	return nil
}

// Format keeps every verb of fmt from printing the secret.
func (t token) Format(f fmt.State, _ rune) {
	// Who prints learns of a failure to print by itself.
	_, _ = f.Write([]byte("Token(redacted)"))
}

// LogValue keeps slog from printing it.
func (t token) LogValue() slog.Value { return slog.StringValue("Token(redacted)") }
