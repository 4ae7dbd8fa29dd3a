package hotplategrpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestACallOutlivesItsCallerByAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served, gone := context.WithCancel(t.Context())
		running, cancel := lingering(t.Context(), served)
		defer cancel()
		time.Sleep(time.Hour)
		if running.Err() != nil {
			t.Fatal("it ends while its caller waits")
		}
		gone()
		time.Sleep(sharedFor - time.Second)
		if running.Err() != nil {
			t.Fatal("it ends too early")
		}
		time.Sleep(2 * time.Second)
		if !errors.Is(context.Cause(running), errLingered) {
			t.Error(context.Cause(running))
		}
		begunAfter, end := lingering(t.Context(), served)
		defer end()
		time.Sleep(sharedFor + time.Second)
		if begunAfter.Err() == nil {
			t.Error("what begins when its caller is gone goes on for ever")
		}
	})
}
