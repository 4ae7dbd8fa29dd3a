package hotplate_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// slowLease answers a Get with a lease when it is let go.
func slowLease(asked chan<- struct{}, letGo <-chan struct{}) answers {
	return answers{
		"Get": func(ctx context.Context, _ proto.Message) (proto.Message, error) {
			asked <- struct{}{}
			select {
			case <-letGo:
				return leaseOf("token"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		"ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil),
		"Put":          always(&pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED}, nil),
	}
}

func TestAnAskGoesToItsEndAndItsLeaseIsGivenBackWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	asked, letGo := make(chan struct{}, 10), make(chan struct{})
	s := script(t, slowLease(asked, letGo))
	space := hotplate.NS(s.client, "", hotplate.String())
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, err := space.GetOrCompute(ctx, hotplate.Text("k"), func(context.Context) (string, error) {
				t.Error("it is computed for nobody")
				return "", nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		if len(s.seen("Get")) == 0 {
			<-asked
		}
		cancel()
		within(t, "who gives up is let go", gone)
	}
	close(letGo)
	until(t, "the lease is given back", func() bool { return len(s.seen("ReleaseLease")) == 1 })
	if asks := len(s.seen("Get")); asks != 1 {
		t.Errorf("%d calls for callers that gave up on one key", asks)
	}
}

func TestWhoComesAfterTheOthersGaveUpTakesOverTheirAsk(t *testing.T) {
	t.Parallel()
	asked, letGo := make(chan struct{}, 10), make(chan struct{})
	s := script(t, slowLease(asked, letGo))
	space := hotplate.NS(s.client, "", hotplate.String())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	compute := func(context.Context) (string, error) { return "v", nil }
	if _, err := space.GetOrCompute(ctx, hotplate.Text("k"), compute); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), compute)
		if value != "v" || err != nil {
			t.Error(value, err)
		}
	}()
	// Whether it came before the answer or after it: no lease is lost, so that nobody has to wait for it to lapse.
	close(letGo)
	within(t, "the second has its value", done)
	until(t, "every lease is used or given back", func() bool {
		return len(s.seen("Put"))+len(s.seen("ReleaseLease")) == len(s.seen("Get"))
	})
}

func TestClosingAClientGivesBackTheLeaseThatComesWithinAMoment(t *testing.T) {
	t.Parallel()
	asked, letGo := make(chan struct{}, 10), make(chan struct{})
	s := script(t, slowLease(asked, letGo))
	space := hotplate.NS(s.client, "", hotplate.String())
	failed, closed := make(chan error, 1), make(chan struct{})
	go func() {
		_, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil })
		failed <- err
	}()
	<-asked
	go func() {
		defer close(closed)
		if err := s.client.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := <-failed; !errors.Is(err, hotplate.ErrClosed) {
		t.Error(err)
	}
	close(letGo)
	within(t, "it is closed", closed)
	// On a machine that is slow beyond all bounds the answer may be cut off: then there was no lease to give back.
	if released := len(s.seen("ReleaseLease")); released > 1 {
		t.Error(released)
	}
}

func TestALeaseThatComesWithALargeValueThatCannotBeReadIsKeptForWhatIsComputed(t *testing.T) {
	t.Parallel()
	large := leaseOf("token")
	large.Outcome = pb.GetOutcome_GET_OUTCOME_STALE
	large.Entry = &pb.Entry{
		Payload: &pb.Entry_Large{Large: &pb.LargeValue{SizeBytes: 8 << 20}}, Metadata: &pb.EntryMetadata{Etag: "e"},
	}
	to := answers{
		"Get": always(large, nil), "ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil),
		"Put": always(&pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED}, nil),
	}
	// Nobody listens there: the stream that reads it is given up before it would wait for longer than this.
	soon := hotplate.WithTimeout(100 * time.Millisecond)
	s := script(t, to, soon)
	compute := func(context.Context) ([]byte, error) { return []byte("v"), nil }
	value, err := hotplate.NS(s.client, "", hotplate.Bytes()).GetOrCompute(
		t.Context(), hotplate.Text("k"), compute, hotplate.StaleWhileRevalidate())
	if string(value) != "v" || err != nil {
		t.Fatal(value, err)
	}
	if puts := s.seen("Put"); len(puts) != 1 || puts[0].(*pb.PutRequest).GetLeaseToken() != "token" || len(s.seen("ReleaseLease")) != 0 {
		t.Error(puts, s.seen("ReleaseLease"))
	}
	raising := script(t, to, soon, hotplate.WithOnError(hotplate.OnErrorRaise))
	_, err = hotplate.NS(raising.client, "", hotplate.Bytes()).GetOrCompute(t.Context(), hotplate.Text("k"), compute)
	if !errors.Is(err, hotplate.ErrUnavailable) && !errors.Is(err, hotplate.ErrDeadlineExceeded) {
		t.Error(err)
	}
	until(t, "the lease is given back", func() bool { return len(raising.seen("ReleaseLease")) == 1 })
}

func TestAMissWithoutTheLeaseThatWasAskedForGivesNoRightToStore(t *testing.T) {
	t.Parallel()
	bare := &pb.GetResponse{Outcome: pb.GetOutcome_GET_OUTCOME_MISS}
	for _, c := range []struct {
		what      string
		answers   []*pb.GetResponse
		options   []hotplate.ComputeOption
		gets      int
		stored    bool
		withLease string
	}{
		{"the lease comes with the second", []*pb.GetResponse{bare, leaseOf("token")}, nil, 2, true, "token"},
		{"it never comes", []*pb.GetResponse{bare, bare}, nil, 2, false, ""},
		{"none was asked for", []*pb.GetResponse{bare}, []hotplate.ComputeOption{hotplate.PerProcess()}, 1, true, ""},
	} {
		var gets atomic.Int64
		s := script(t, answers{
			"Get": func(context.Context, proto.Message) (proto.Message, error) { return c.answers[gets.Add(1)-1], nil },
			"Put": always(&pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED}, nil),
		})
		space := hotplate.NS(s.client, "", hotplate.String())
		value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil }, c.options...)
		puts := s.seen("Put")
		if value != "v" || err != nil || len(s.seen("Get")) != c.gets || (len(puts) == 1) != c.stored {
			t.Error(c.what, value, err, s.seen("Get"), puts)
			continue
		}
		if c.stored && puts[0].(*pb.PutRequest).GetLeaseToken() != c.withLease {
			t.Error(c.what, puts)
		}
	}
}

// heldPuts answers each Put when it is let go, and tells which begin, and which end before that.
func heldPuts(storing, ended chan<- string, letGo <-chan struct{}) func(context.Context, proto.Message) (proto.Message, error) {
	return func(ctx context.Context, request proto.Message) (proto.Message, error) {
		put, _ := request.(*pb.PutRequest)
		storing <- put.GetKey()
		select {
		case <-letGo:
			return &pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED}, nil
		case <-ctx.Done():
			ended <- put.GetKey()
			return nil, ctx.Err()
		}
	}
}

func TestNoMoreValuesAreStoredAtOnceThanMayBe(t *testing.T) {
	t.Parallel()
	storing, ended, letGo := make(chan string, 10), make(chan string, 10), make(chan struct{})
	s := script(t, answers{
		"Get": always(leaseOf("token"), nil), "Put": heldPuts(storing, ended, letGo),
		"ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil),
		"ExtendLease": always(&pb.ExtendLeaseResponse{
			Outcome: pb.LeaseOutcome_LEASE_OUTCOME_HELD, Lease: &pb.Lease{Token: "token", Duration: durationpb.New(time.Hour)},
		}, nil),
	}, hotplate.WithTimeout(time.Hour), hotplate.WithComputationsMax(1))
	space := hotplate.NS(s.client, "", hotplate.String())
	compute := func(context.Context) (string, error) { return "v", nil }
	for _, key := range []string{"one", "two"} {
		if value, err := space.GetOrCompute(t.Context(), hotplate.Text(key), compute); value != "v" || err != nil {
			t.Fatal(key, value, err)
		}
	}
	until(t, "the lease of what finds no place is given back", func() bool { return len(s.seen("ReleaseLease")) == 1 })
	released, _ := s.seen("ReleaseLease")[0].(*pb.ReleaseLeaseRequest)
	if puts := s.seen("Put"); len(puts) != 1 || <-storing != "one" || released.GetKey() != "two" || !strings.Contains(s.logged(), "is not stored") {
		t.Error(puts, released, s.logged())
	}
	close(letGo)
	until(t, "there is a place again", func() bool {
		_, err := space.GetOrCompute(t.Context(), hotplate.Text("three"), compute)
		return err == nil && len(s.seen("Put")) > 1
	})
}

func TestStoringWithoutALeaseEndsWithWhatOutdatesTheValue(t *testing.T) {
	t.Parallel()
	storing, ended := make(chan string, 10), make(chan string, 10)
	s := script(t, answers{
		"Get": always(&pb.GetResponse{Outcome: pb.GetOutcome_GET_OUTCOME_MISS}, nil), "Put": heldPuts(storing, ended, nil),
		"Invalidate": always(&pb.InvalidateResponse{}, nil),
	}, hotplate.WithTimeout(time.Hour))
	space := hotplate.NS(s.client, "", hotplate.String())
	// Its caller has its value, and nobody waits for the storing any more.
	value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil },
		hotplate.PerProcess())
	if value != "v" || err != nil || <-storing != "k" || len(ended) != 0 {
		t.Fatal(value, err, len(ended))
	}
	must[hotplate.InvalidateResult](t)(space.Invalidate(t.Context(), hotplate.ByTag("t")))
	select {
	case <-ended:
	case <-time.After(60 * time.Second):
		t.Error("it is stored although it is outdated")
	}
}

func TestCallersWaitAMomentForTheirValueToBeStoredAndNoLonger(t *testing.T) {
	t.Parallel()
	storing, letGo := make(chan struct{}, 1), make(chan struct{})
	s := script(t, answers{
		"Get": always(leaseOf("token"), nil),
		"Put": func(ctx context.Context, _ proto.Message) (proto.Message, error) {
			storing <- struct{}{}
			select {
			case <-letGo:
				return &pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}, hotplate.WithTimeout(time.Hour))
	space := hotplate.NS(s.client, "", hotplate.String())
	value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil })
	if value != "v" || err != nil || len(s.seen("Put")) != 1 || len(s.seen("ReleaseLease")) != 0 {
		t.Fatal(value, err, s.seen("Put"), s.seen("ReleaseLease"))
	}
	<-storing
	close(letGo)
	if err := s.client.Close(); err != nil || len(s.seen("Put")) != 1 {
		t.Error(err, s.seen("Put"))
	}
}

func TestWhoAcceptsSomethingElseAsksBeside(t *testing.T) {
	t.Parallel()
	var inFlight atomic.Int64
	letGo := make(chan struct{})
	s := script(t, answers{"Get": func(context.Context, proto.Message) (proto.Message, error) {
		inFlight.Add(1)
		<-letGo
		return hitOf("v"), nil
	}})
	space := hotplate.NS(s.client, "", hotplate.String())
	done := make(chan struct{})
	kinds := [][]hotplate.ComputeOption{
		nil, {hotplate.MaxAge(time.Second)}, {hotplate.MaxAge(time.Minute)}, {hotplate.StaleWhileRevalidate()}, {hotplate.PerProcess()},
	}
	for _, options := range append(kinds, []hotplate.ComputeOption{hotplate.StaleIfError()}) {
		go func() {
			defer func() { done <- struct{}{} }()
			value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "", nil }, options...)
			if value != "v" || err != nil {
				t.Error(value, err)
			}
		}()
	}
	until(t, "each kind of caller asks", func() bool { return inFlight.Load() == int64(len(kinds)) })
	close(letGo)
	for range len(kinds) + 1 {
		within(t, "each has its answer", done)
	}
	if asks := len(s.seen("Get")); asks < len(kinds) || asks > len(kinds)+1 {
		t.Error(asks)
	}
}

func TestAComputationThatAsksForItsKeyInAnotherWayIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	s := script(t, answers{"Get": always(leaseOf("token"), nil), "ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil)})
	space := hotplate.NS(s.client, "", hotplate.String())
	_, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(ctx context.Context) (string, error) {
		return space.GetOrCompute(ctx, hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil },
			hotplate.MaxAge(time.Second))
	})
	if !errors.Is(err, hotplate.ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestAComputationThatAsksForItsKeyIsAnErrorAlsoWhenNobodyMayJoinItAnyMore(t *testing.T) {
	t.Parallel()
	s := script(t, answers{
		"Get": always(leaseOf("token"), nil), "ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil),
		"Invalidate": always(&pb.InvalidateResponse{}, nil),
	})
	space := hotplate.NS(s.client, "", hotplate.String())
	runs := 0
	var compute func(ctx context.Context) (string, error)
	compute = func(ctx context.Context) (string, error) {
		if runs++; runs > 5 {
			return "for ever", nil
		}
		if _, err := space.Invalidate(ctx, hotplate.ByTag("t")); err != nil {
			return "", err
		}
		return space.GetOrCompute(ctx, hotplate.Text("k"), compute)
	}
	if value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), compute); !errors.Is(err, hotplate.ErrInvalidArgument) || runs != 1 {
		t.Error(value, err, runs)
	}
}

func TestAComputationMayAskForItsKeyInAWayThatWaitsForNobody(t *testing.T) {
	t.Parallel()
	s := script(t, answers{
		"Get": func(_ context.Context, request proto.Message) (proto.Message, error) {
			if get, _ := request.(*pb.GetRequest); get.GetMissPolicy() == pb.MissPolicy_MISS_POLICY_UNSPECIFIED {
				return &pb.GetResponse{Outcome: pb.GetOutcome_GET_OUTCOME_MISS}, nil
			}
			return leaseOf("token"), nil
		},
		"Put":          always(&pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED}, nil),
		"ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil),
	})
	space := hotplate.NS(s.client, "", hotplate.String())
	for _, option := range []hotplate.ComputeOption{hotplate.PerProcess(), hotplate.InMode(hotplate.CacheRefresh)} {
		value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(ctx context.Context) (string, error) {
			return space.GetOrCompute(ctx, hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil }, option)
		})
		if value != "v" || err != nil {
			t.Error(value, err)
		}
	}
}

func TestARenewalThatAsksForItsKeyIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	stale := hitOf("old")
	stale.Outcome, stale.Lease = pb.GetOutcome_GET_OUTCOME_STALE, &pb.Lease{Token: "token"}
	s := script(t, answers{"Get": always(stale, nil), "ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil)})
	space := hotplate.NS(s.client, "", hotplate.String())
	failed := make(chan error, 10)
	value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(ctx context.Context) (string, error) {
		_, err := space.GetOrCompute(ctx, hotplate.Text("k"), func(context.Context) (string, error) { return "v", nil })
		failed <- err
		return "", err
	}, hotplate.StaleWhileRevalidate())
	if value != "old" || err != nil {
		t.Fatal(value, err)
	}
	if err := <-failed; !errors.Is(err, hotplate.ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestWhoComesAfterAnInvalidationJoinsNothingFromBeforeItWhateverCameOfIt(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"queued": refusal(codes.Unavailable, ""), "refused": refusal(codes.PermissionDenied, "NO"),
		"pending": refusal(codes.Unavailable, "TIER_PENDING"),
	} {
		letGo, first := make(chan struct{}), make(chan struct{})
		var gets atomic.Int64
		var space *hotplate.Namespace[string]
		var begin sync.Once
		old := make(chan struct{})
		s := script(t, answers{
			"Get": func(context.Context, proto.Message) (proto.Message, error) {
				if gets.Add(1) == 1 {
					close(first)
					<-letGo
					return hitOf("old"), nil
				}
				return hitOf("new"), nil
			},
			"Invalidate": func(ctx context.Context, _ proto.Message) (proto.Message, error) {
				// Begun after the invalidation was, and before its answer.
				begin.Do(func() {
					go func() {
						defer close(old)
						_, _ = space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "", nil })
					}()
				})
				<-first
				return nil, failure
			},
		})
		space = hotplate.NS(s.client, "", hotplate.String())
		_, _ = space.Remove(t.Context(), hotplate.Text("k"))
		value, err := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "computed", nil })
		if value == "old" || err != nil {
			t.Error(name, value, err)
		}
		close(letGo)
		within(t, "the first has its answer", old)
	}
}

func TestAnAskThatNobodyWaitsForIsNotRepeatedAndItsTimeoutCounts(t *testing.T) {
	t.Parallel()
	asked, letGo := make(chan struct{}, 10), make(chan struct{})
	s := script(t, answers{"Get": func(ctx context.Context, request proto.Message) (proto.Message, error) {
		get, _ := request.(*pb.GetRequest)
		asked <- struct{}{}
		if get.GetKey() == "away" {
			<-letGo
			return nil, refusal(codes.Unavailable, "")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}}, hotplate.WithTimeout(100*time.Millisecond))
	space := hotplate.NS(s.client, "", hotplate.String())
	giveUp := func(key string) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-asked
			cancel()
		}()
		_, err := space.GetOrCompute(ctx, hotplate.Text(key), func(context.Context) (string, error) { return "", nil })
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	giveUp("away")
	close(letGo)
	// The fifth failure in a row is the last one's.
	for i := range 4 {
		giveUp(fmt.Sprintf("frozen %d", i))
	}
	until(t, "a server that is frozen is found out", func() bool { return !s.client.Available() })
	if asks := len(s.seen("Get")); asks != 5 {
		t.Errorf("%d calls", asks)
	}
}

func TestWhereAComputationPanickedIsLoggedAndNotWhatItSaid(t *testing.T) {
	t.Parallel()
	s := script(t, answers{"Get": always(leaseOf("token"), nil), "ReleaseLease": always(&pb.ReleaseLeaseResponse{}, nil)})
	space := hotplate.NS(s.client, "", hotplate.String())
	for _, mode := range []hotplate.CacheMode{hotplate.CacheUse, hotplate.CacheBypass} {
		_, err := space.GetOrCompute(t.Context(), hotplate.Text(fmt.Sprint("k", mode)), func(context.Context) (string, error) {
			panic("hunter3")
		}, hotplate.InMode(mode))
		if !errors.Is(err, hotplate.ErrCompute) || strings.Contains(err.Error(), "hunter3") {
			t.Error(err)
		}
	}
	logged := s.logged()
	if strings.Count(logged, "level=ERROR") != 2 || strings.Count(logged, "lease_test.go:") < 2 || strings.Contains(logged, "hunter3") {
		t.Error(logged)
	}
	_, err := space.GetOrCompute(t.Context(), hotplate.Text("goexit"), func(context.Context) (string, error) {
		runtime.Goexit()
		return "", nil
	})
	if !errors.Is(err, hotplate.ErrCompute) || strings.Contains(err.Error(), "panicked") {
		t.Error(err)
	}
}
