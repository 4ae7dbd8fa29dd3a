package hotplate_test

import (
	"errors"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
)

func TestDurationsAreReadAsPeopleWriteThem(t *testing.T) {
	good := map[string]int64{
		"1d2h3m50s": 93_830_000, "250ms": 250, "1ms": 1, "90": 90_000, "1.5": 1_500, "0.001": 1, "1w": 604_800_000,
		" 2h30m ": 9_000_000, "36500d": 3_153_600_000_000,
	}
	for text, millis := range good {
		if d, err := hotplate.ParseDuration(text); err != nil || d != time.Duration(millis)*time.Millisecond {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
	bad := []string{
		"", "0", "0s", "-1s", "1x", "1s1s", "1s1h", "h", "1h 5m", "1.5h", ".5", "1.", "1.2345", "1.2.3", "36501d",
		"99999999999999999999s", "18446744073709551615w", "infinite", "1m5", "\u0661s", "18446744073709551", "9e9",
	}
	for _, text := range bad {
		if d, err := hotplate.ParseDuration(text); !errors.Is(err, hotplate.ErrInvalidArgument) {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
}

func TestAWrittenDurationReadsAsTheSame(t *testing.T) {
	for _, millis := range []int64{1, 999, 1_000, 61_001, 93_830_000, 604_800_000, 1_234_567_890} {
		d := time.Duration(millis) * time.Millisecond
		if again, err := hotplate.ParseDuration(hotplate.FormatDuration(d)); err != nil || again != d {
			t.Errorf("%v: %v, %v", d, again, err)
		}
	}
	if text := hotplate.FormatDuration(time.Microsecond); text != "0ms" {
		t.Error(text)
	}
}

func TestALifetimeIsAClassANameOrADuration(t *testing.T) {
	for text, class := range map[string]hotplate.Class{"VERY_LONG": hotplate.VeryLong, "nightly": "nightly"} {
		if l, err := hotplate.ParseLifetime(text); err != nil || l.Class() != class {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
	if l, err := hotplate.ParseLifetime("2h"); err != nil || l.Duration() != 2*time.Hour || l.String() != "2h" {
		t.Errorf("%v, %v", l, err)
	}
}
