package hotplate

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// invalidations makes a client of a server that makes this of each invalidation, and gives what it was asked.
func invalidations(t *testing.T, answer func(*pb.InvalidateRequest) error) (*Client, *[]*pb.InvalidateRequest) {
	t.Helper()
	asked := &[]*pb.InvalidateRequest{}
	intercept := func(
		_ context.Context, _ string, request, _ any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption,
	) error {
		invalidate, _ := request.(*pb.InvalidateRequest)
		*asked = append(*asked, invalidate)
		return answer(invalidate)
	}
	c, err := New("hotplate://127.0.0.1:1/t", WithDialOptions(grpc.WithUnaryInterceptor(intercept)),
		WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, asked
}

func TestAnInvalidationThatTheServerFailsWithDoesNotHoldTheOthers(t *testing.T) {
	t.Parallel()
	isPoison := func(s *pb.Selector) bool { return s.GetTag() == "poison" }
	done := map[string]int{}
	c, asked := invalidations(t, func(request *pb.InvalidateRequest) error {
		for _, s := range request.GetSelectors() {
			if isPoison(s) {
				return status.Error(codes.Internal, "a fault")
			}
		}
		for _, s := range request.GetSelectors() {
			done[s.String()]++
		}
		return nil
	})
	j := &c.gate.journal
	selectors := []*pb.Selector{ByTag("before").wire, ByTag("poison").wire, ByTag("after").wire}
	if err := j.remember("n", selectors); err != nil {
		t.Fatal(err)
	}
	if err := j.remember("other", []*pb.Selector{ByTag("other").wire}); err != nil {
		t.Fatal(err)
	}
	for round := 1; j.pending() > 0; round++ {
		batches, _ := j.batches()
		c.gate.replayBatches(t.Context(), c.calls, batches)
		if round == 1 && j.pending() != 1 {
			t.Fatal(j.pending())
		}
		if round > internalsMax+1 {
			t.Fatal("one invalidation holds the client")
		}
	}
	last := (*asked)[len(*asked)-1]
	if len(done) != 4 || !last.GetSelectors()[0].GetEverything() || last.GetNamespace() != "n" {
		t.Error(done, last)
	}
}

func TestWhatTheServerRefusesIsDropped(t *testing.T) {
	t.Parallel()
	c, asked := invalidations(t, func(request *pb.InvalidateRequest) error {
		return status.Error(codes.PermissionDenied, "no")
	})
	j := &c.gate.journal
	if err := j.remember("n", []*pb.Selector{ByTag("a").wire, ByTag("b").wire}); err != nil {
		t.Fatal(err)
	}
	batches, _ := j.batches()
	if !c.gate.replayBatches(t.Context(), c.calls, batches) || j.pending() != 0 || len(*asked) != 3 {
		t.Error(j.pending(), len(*asked))
	}
}

func TestAnUploadThatWasTakenOverGoesOn(t *testing.T) {
	t.Parallel()
	for reason, goesOn := range map[string]bool{"UPLOAD_TAKEN_OVER": true, "": false} {
		if isInterruption(failure(KindFailedPrecondition, "no").withReason(reason)) != goesOn {
			t.Error(reason)
		}
	}
}

func TestANearCacheTooManyIsToldOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	c, err := New("", WithNearCache(NearOptions{}), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	for i := range nearNamespacesMax + 10 {
		NS(c, "n"+string(rune('A'+i)), String())
	}
	if err := c.Close(); err != nil || strings.Count(log.String(), "near caches") != 1 {
		t.Error(err, log.String())
	}
}
