package hotplate

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestOnlyWhatWasAwayAndMayBeRepeatedIsTriedAgain(t *testing.T) {
	away := failure(KindUnavailable, "away")
	if wait, again := waitBefore(2, attemptsMax, true, away); !again || wait < 16*time.Millisecond || wait > 24*time.Millisecond {
		t.Errorf("%v, %v", wait, again)
	}
	asked := failure(KindUnavailable, "away")
	asked.RetryAfter = 7 * time.Second
	if wait, again := waitBefore(2, attemptsMax, true, asked); !again || wait != 7*time.Second {
		t.Errorf("what the server asks for: %v, %v", wait, again)
	}
	refused := map[string]bool{}
	_, refused["not repeatable"] = waitBefore(2, attemptsMax, false, away)
	_, refused["the fourth try"] = waitBefore(4, attemptsMax, true, away)
	_, refused["pending"] = waitBefore(2, attemptsMax, true, failure(KindUnavailable, "").withReason("TIER_PENDING"))
	for _, kind := range []Kind{KindInternal, KindDeadlineExceeded, KindResourceExhausted} {
		_, refused[kind.String()] = waitBefore(2, attemptsMax, true, failure(kind, ""))
	}
	for what, again := range refused {
		if again {
			t.Errorf("%s is tried again", what)
		}
	}
}

func TestWaitsGrowAndStayWithinTheirBounds(t *testing.T) {
	var waits []int64
	for _, retry := range []int{1, 2, 3, 4, 5, 60} {
		waits = append(waits, backoff(retry, backoffFirst, backoffMax).Milliseconds())
	}
	if !slices.Equal(waits, []int64{20, 40, 80, 160, 200, 200}) {
		t.Error(waits)
	}
}

func TestTheBudgetStopsRetriesAtHalfAndRefillsSlowly(t *testing.T) {
	b := &budget{}
	allowed := 0
	for range 200 {
		if b.failed() {
			allowed++
		}
	}
	for range 500 {
		b.succeeded()
	}
	if half := b.failed(); allowed != 49 || half {
		t.Errorf("%d were allowed, and after 500 successes: %v", allowed, half)
	}
	for range 30 {
		b.succeeded()
	}
	if !b.failed() {
		t.Error("nothing is allowed after more than half was given back")
	}
}

func TestTheSharedServiceConfigSaysTheSame(t *testing.T) {
	shared, err := os.ReadFile("../service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(shared) != serviceConfig {
		t.Error("service_config.json is another one than client/service_config.json: copy it")
	}
	var config struct {
		RetryThrottling struct{ MaxTokens, TokenRatio float64 }
		MethodConfig    []struct {
			RetryPolicy struct {
				MaxAttempts                int
				InitialBackoff, MaxBackoff string
				BackoffMultiplier          float64
				RetryableStatusCodes       []string
			}
		}
	}
	if err := json.Unmarshal(shared, &config); err != nil {
		t.Fatal(err)
	}
	policy := config.MethodConfig[0].RetryPolicy
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s" }
	same := policy.MaxAttempts == attemptsMax && policy.InitialBackoff == seconds(backoffFirst) &&
		policy.MaxBackoff == seconds(backoffMax) && policy.BackoffMultiplier == backoffMultiplier &&
		slices.Equal(policy.RetryableStatusCodes, []string{"UNAVAILABLE"}) &&
		config.RetryThrottling.MaxTokens == budgetTokens && config.RetryThrottling.TokenRatio == budgetRatio
	if !same {
		t.Errorf("%+v", config)
	}
}
