package hotplate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAddressesAreReadInEveryForm(t *testing.T) {
	type read struct {
		target    string
		tls       bool
		namespace string
	}
	cases := map[string]read{
		"hotplate://cache":                  {"dns:///cache:7070", false, ""},
		"cache:81":                          {"dns:///cache:81", false, ""},
		"127.0.0.1":                         {"dns:///127.0.0.1:7070", false, ""},
		"dns:///cache:7071":                 {"dns:///cache:7071", false, ""},
		"hotplate://[::1]:9/ml/":            {"dns:///[::1]:9", false, "ml"},
		"http://cache":                      {"dns:///cache:80", false, ""},
		"https://cache":                     {"dns:///cache:443", true, ""},
		"hotplate://cache/team/ml?tls=true": {"dns:///cache:7070", true, "team/ml"},
	}
	for text, expected := range cases {
		a, fault := parseAddress(text)
		if fault != nil || (read{a.target, a.tls, a.namespace}) != expected {
			t.Errorf("%s: %+v, %v", text, a, fault)
		}
	}
	if a, fault := parseAddress("cache:1?timeout=250ms"); fault != nil || a.timeout != 250*time.Millisecond {
		t.Errorf("%+v, %v", a, fault)
	}
}

func TestWhatIsNoAddressIsRefusedWithoutRepeatingIt(t *testing.T) {
	for _, text := range []string{
		"ftp://secret", "hotplate://user:secret@cache", "hotplate://", "cache?secret=1", "cache?profile=secret", "cache?timeout=0",
		"://secret", "cache?tls=1", "cache?tls=True", "cache?tls=", "https://cache?tls=false",
	} {
		_, err := New(text)
		if !errors.Is(err, ErrConfiguration) {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "user:secret") {
			t.Errorf("%v tells the address", err)
		}
	}
}

func TestTheSwitchThatTurnsTheCacheOffIsReadWithoutGuessing(t *testing.T) {
	for text, expected := range map[string]string{"": "on", "0": "on", "false": "on", "1": "off", "true": "off", "no": "error", "False": "error"} {
		t.Setenv("HOTPLATE_DISABLE", text)
		got := "error"
		c, err := New("")
		if err == nil {
			got = map[bool]string{true: "on", false: "off"}[c.Available()]
			err = c.Close()
		}
		if got != expected || (got == "error") != errors.Is(err, ErrConfiguration) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestATokenGoesToNobodyWhoListensIn(t *testing.T) {
	for text, refused := range map[string]bool{
		"hotplate://cache": true, "https://cache": false, "localhost": false, "127.9.9.9": false, "hotplate://[::1]": false,
		"localhost.example": true, "10.0.0.1": true, "hotplate://[::2]": true, "127.0.0.1,10.0.0.1": true,
	} {
		c, err := New(text, WithToken("the-secret"))
		if errors.Is(err, ErrConfiguration) != refused || (err != nil && strings.Contains(err.Error(), "the-secret")) {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if printed := fmt.Sprintf(verb, newToken("the-secret")); strings.Contains(printed, "secret") {
			t.Errorf("%s prints %s", verb, printed)
		}
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for name, option := range map[string]Option{
		"journal": WithJournalMax(0), "computations": WithComputationsMax(0), "connections": WithConnectionsMax(65),
		"client id": WithClientID(strings.Repeat("x", 129)), "timeout": WithTimeout(0), "ca": WithCA([]byte("no PEM")),
		"identity": WithIdentity([]byte("x"), []byte("secret")), "logger": WithLogger(nil),
		"token": WithToken("a\nb"), "near": WithNearCache(NearOptions{BytesMax: 1}),
		"prefixes": WithNearCache(NearOptions{Follow: FollowPrefixes}),
	} {
		if _, err := New("127.0.0.1", option); !errors.Is(err, ErrConfiguration) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheEnvironmentSetsAClientUpAndCodeWins(t *testing.T) {
	t.Setenv("HOTPLATE_URL", "127.0.0.1:1/env?timeout=3s, 127.0.0.1:2")
	t.Setenv("HOTPLATE_NAMESPACE", "named")
	t.Setenv("HOTPLATE_CLIENT_PROFILE", "batch")
	t.Setenv("HOTPLATE_TIMEOUT", "2s")
	t.Setenv("HOTPLATE_TOKEN", "secret")
	c, err := FromEnv(WithNamespace("code"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	same := c.namespace == "code" && c.wire.profile.Connect == Batch().Connect && c.wire.profile.Call == 2*time.Second &&
		len(c.wire.pool.servers) == 2 && c.wire.token.isSet()
	if !same {
		t.Errorf("%s, %+v", c.namespace, c.wire.profile)
	}
	t.Setenv("HOTPLATE_TIMEOUT", "soon")
	if _, err := FromEnv(); !errors.Is(err, ErrConfiguration) {
		t.Error(err)
	}
}
