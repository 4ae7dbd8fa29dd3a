package hotplate

import (
	"testing"
	"testing/synctest"
	"time"
)

func openedBreaker() *breaker {
	b := newBreaker()
	for range failuresMax {
		b.failed()
	}
	return b
}

func TestTheBreakerOpensAtTheFifthFailureInARowNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker()
		for range 10 {
			for range failuresMax - 1 {
				b.failed()
			}
			if !b.admits() || !b.available() {
				t.Fatal("four failures opened it")
			}
			b.succeeded()
		}
		if b = openedBreaker(); b.available() || b.admits() || b.outages() != 1 {
			t.Fatal("five failures did not open it")
		}
	})
}

func TestOneCallAnIntervalIsLetThroughUntilOneSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openedBreaker()
		time.Sleep(790 * time.Millisecond)
		if b.admits() {
			t.Fatal("a probe before the shortest interval")
		}
		time.Sleep(420 * time.Millisecond)
		if !b.admits() {
			t.Fatal("no probe after the longest interval")
		}
		if b.admits() {
			t.Fatal("two probes")
		}
		time.Sleep(1_210 * time.Millisecond)
		if !b.admits() {
			t.Fatal("a probe that never reports back blocks the next")
		}
		b.failed()
		if b.admits() {
			t.Fatal("a call right after a failed probe")
		}
		time.Sleep(1_210 * time.Millisecond)
		if !b.admits() {
			t.Fatal("no probe after a failed one")
		}
		b.succeeded()
		if !b.available() || !b.admits() || !b.admits() || b.outages() != 1 {
			t.Fatal("it did not close")
		}
	})
}
