package hotplate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/hotplatetest"
)

// noText is what a Go string may hold and no text of the contract may.
const noText = "secret\xff"

func TestWhatIsNoTextIsRefusedBeforeItIsSentAndTurnsNothingOff(t *testing.T) {
	t.Parallel()
	client := hotplatetest.Fake(t).Client
	space := hotplate.NS(client, "", hotplate.String())
	named := hotplate.NS(client, noText, hotplate.String())
	ctx, key := t.Context(), hotplate.Text("k")
	compute := func(context.Context) (string, error) { return "v", nil }
	for field, call := range map[string]func() error{
		"key":                   func() error { _, err := space.Get(ctx, hotplate.Text(noText)); return err },
		"key of a put":          func() error { _, err := space.Put(ctx, hotplate.Text(noText), "v"); return err },
		"tags":                  func() error { _, err := space.Put(ctx, key, "v", hotplate.Tags(noText)); return err },
		"kind":                  func() error { _, err := space.Put(ctx, key, "v", hotplate.OfKind(noText)); return err },
		"labels":                func() error { _, err := space.Put(ctx, key, "v", hotplate.Label(noText, "v")); return err },
		"depends_on":            func() error { _, err := space.Put(ctx, key, "v", hotplate.DependsOn(noText)); return err },
		"negative":              func() error { _, err := space.PutNegative(ctx, key, noText, ""); return err },
		"negative of a message": func() error { _, err := space.PutNegative(ctx, key, "R", noText); return err },
		"tags of a computation": func() error {
			_, err := space.GetOrCompute(ctx, key, compute, hotplate.Tags(noText))
			return err
		},
		"selectors":               func() error { _, err := space.Invalidate(ctx, hotplate.ByTag(noText)); return err },
		"selectors of a prefix":   func() error { _, err := space.Invalidate(ctx, hotplate.ByPrefix(noText)); return err },
		"selectors of all tags":   func() error { _, err := space.Invalidate(ctx, hotplate.ByAllTags("a", noText)); return err },
		"namespace":               func() error { _, err := named.Get(ctx, key); return err },
		"namespace of a selector": func() error { _, err := named.Invalidate(ctx, hotplate.Everything()); return err },
		"namespace of a listing":  func() error { _, err := named.Stats(ctx); return err },
	} {
		var e *hotplate.Error
		if err := call(); !errors.As(err, &e) || e.Kind != hotplate.KindInvalidArgument || e.Field != strings.Split(field, " ")[0] ||
			strings.Contains(e.Error(), "secret") {
			t.Errorf("%s: %v", field, err)
		}
	}
	items := []hotplate.Item[string]{{Key: hotplate.Text(noText), Value: "v"}, {Key: key, Value: "v"}}
	written := must[[]hotplate.WrittenItem](t)(space.PutMany(ctx, items))
	if !errors.Is(written[0].Fault, hotplate.ErrInvalidArgument) || !written[1].IsStored() {
		t.Errorf("%+v", written)
	}
	found := must[[]hotplate.Found[string]](t)(space.GetMany(ctx, []hotplate.AsKey{hotplate.Text(noText), key}))
	if !errors.Is(found[0].Fault, hotplate.ErrInvalidArgument) || found[1].Value != "v" {
		t.Errorf("%+v", found)
	}
	// The calls as they are have no such checks: gRPC cannot send it, which is no outage either.
	_, err := client.Calls().Invalidate(ctx, &pb.InvalidateRequest{Namespace: noText})
	if !errors.Is(err, hotplate.ErrInvalidArgument) {
		t.Error(err)
	}
	if client.InvalidationsWaiting() != 0 || !client.Available() {
		t.Error(client.InvalidationsWaiting(), client.Available())
	}
}

func TestWhatTheCallersClockEndsIsNoEvidenceAgainstTheServer(t *testing.T) {
	t.Parallel()
	late := func(ctx context.Context, _ proto.Message) (proto.Message, error) {
		// The server keeps the caller's time as well, and says so first.
		return nil, status.Error(codes.DeadlineExceeded, "too late")
	}
	s := script(t, answers{"Get": late})
	space := hotplate.NS(s.client, "", hotplate.String())
	over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	short, cancelShort := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancelShort()
	for range 10 {
		if _, err := space.Get(over, hotplate.Text("k")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if found, err := space.Get(short, hotplate.Text("k")); err == nil && found.Reason != hotplate.Timeout {
			t.Fatal(found, err)
		}
	}
	if !s.client.Available() {
		t.Fatal("callers with deadlines of their own turned the cache off")
	}
	// With the profile's time it is evidence.
	for range 5 {
		must[hotplate.Lookup[string]](t)(space.Get(t.Context(), hotplate.Text("k")))
	}
	if s.client.Available() {
		t.Error("a server that is too late five times in a row is there")
	}
}

func TestWhatATierStillOwesIsDone(t *testing.T) {
	t.Parallel()
	pending := answers{
		"Invalidate": always(nil, refusal(codes.Unavailable, "TIER_PENDING")),
		"Get":        always(&pb.GetResponse{MissReason: pb.MissReason_MISS_REASON_NEVER_STORED}, nil),
	}
	s := script(t, pending)
	space := hotplate.NS(s.client, "", hotplate.String())
	for range 6 {
		result := must[hotplate.InvalidateResult](t)(space.Remove(t.Context(), hotplate.Text("k")))
		if result.Outcome != hotplate.Done {
			t.Fatalf("%+v", result)
		}
	}
	found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), hotplate.Text("other")))
	if found.Reason != hotplate.NeverStored || s.client.InvalidationsWaiting() != 0 || !s.client.Available() || len(s.seen("Invalidate")) != 6 {
		t.Error(found, s.client.InvalidationsWaiting(), len(s.seen("Invalidate")))
	}
	if logged := s.logged(); !strings.Contains(logged, "pending=SHARED") || strings.Contains(logged, "level=ERROR") {
		t.Error(logged)
	}
	raising := script(t, pending, hotplate.WithOnError(hotplate.OnErrorRaise))
	_, err := hotplate.NS(raising.client, "", hotplate.String()).Remove(t.Context(), hotplate.Text("k"))
	var e *hotplate.Error
	if !errors.As(err, &e) || e.Reason != "TIER_PENDING" {
		t.Error(err)
	}
}

func TestManyValuesOfAnySizeAreStoredAndWhatFailsIsEachItsOwn(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.Bytes())
	items := []hotplate.Item[[]byte]{
		{Key: hotplate.Text("small"), Value: []byte("v")},
		{Key: hotplate.Text("large"), Value: bytes.Repeat([]byte("x"), 3<<20/2)},
		{Key: hotplate.Text("after"), Value: []byte("w")},
	}
	for i, w := range must[[]hotplate.WrittenItem](t)(space.PutMany(t.Context(), items)) {
		if !w.IsStored() || w.Fault != nil {
			t.Errorf("%d: %+v", i, w)
		}
	}
	for _, item := range items {
		if value, err := space.Value(t.Context(), item.Key); err != nil || !bytes.Equal(value, item.Value) {
			t.Error(len(value), err)
		}
	}
}

func TestWhatOneMessageFailsWithIsItsItemsFailureAndTheOthersStay(t *testing.T) {
	t.Parallel()
	calls := 0
	s := script(t, answers{"BatchPut": func(_ context.Context, request proto.Message) (proto.Message, error) {
		if calls++; calls == 2 {
			return nil, refusal(codes.PermissionDenied, "NO")
		}
		batch, _ := request.(*pb.BatchPutRequest)
		response := &pb.BatchPutResponse{}
		for range batch.GetItems() {
			response.Results = append(response.Results, &pb.BatchPutResult{Result: &pb.BatchPutResult_Response{
				Response: &pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED},
			}})
		}
		return response, nil
	}})
	space := hotplate.NS(s.client, "", hotplate.String())
	var items []hotplate.Item[string]
	for i := range 250 {
		items = append(items, hotplate.Item[string]{Key: hotplate.Text(fmt.Sprintf("k%d", i)), Value: "v"})
	}
	for i, w := range must[[]hotplate.WrittenItem](t)(space.PutMany(t.Context(), items)) {
		if fails := i >= 100 && i < 200; errors.Is(w.Fault, hotplate.ErrPermissionDenied) != fails || w.IsStored() == fails {
			t.Fatalf("%d: %+v", i, w)
		}
	}
}

func TestAMessageHasAsManyItemsAsServersTakeAndOneThatIsTooLargeFailsItsItems(t *testing.T) {
	t.Parallel()
	messages := 0
	s := script(t, answers{"BatchPut": func(_ context.Context, request proto.Message) (proto.Message, error) {
		if most := 3_670_016 + 100; proto.Size(request) > most {
			t.Errorf("a message of %d bytes", proto.Size(request))
		}
		if messages++; messages == 2 {
			return nil, refusal(codes.ResourceExhausted, "MESSAGE_TOO_LARGE")
		}
		batch, _ := request.(*pb.BatchPutRequest)
		response := &pb.BatchPutResponse{}
		for range batch.GetItems() {
			response.Results = append(response.Results, &pb.BatchPutResult{Result: &pb.BatchPutResult_Response{
				Response: &pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_STORED},
			}})
		}
		return response, nil
	}})
	space := hotplate.NS(s.client, "", hotplate.Bytes())
	var items []hotplate.Item[[]byte]
	for i := range 6 {
		items = append(items, hotplate.Item[[]byte]{Key: hotplate.Text(fmt.Sprintf("k%d", i)), Value: make([]byte, 960<<10)})
	}
	for i, w := range must[[]hotplate.WrittenItem](t)(space.PutMany(t.Context(), items)) {
		var e *hotplate.Error
		tooLarge := errors.As(w.Fault, &e) && e.Reason == "MESSAGE_TOO_LARGE"
		if w.IsStored() != (i < 3) || tooLarge != (i >= 3) {
			t.Errorf("%d: %+v", i, w)
		}
	}
	if !s.client.Available() || s.client.Degradation().WritesDropped != 0 || messages != 2 {
		t.Error(s.client.Available(), s.client.Degradation(), messages)
	}
}

func TestWhatSomethingOnTheWayCancelledIsNoEvidenceAtAll(t *testing.T) {
	t.Parallel()
	calls := 0
	s := script(t, answers{"Get": func(context.Context, proto.Message) (proto.Message, error) {
		if calls++; calls == 5 {
			return nil, status.Error(codes.Canceled, "cut off")
		}
		return nil, status.Error(codes.DeadlineExceeded, "too late")
	}})
	space := hotplate.NS(s.client, "", hotplate.String())
	for range 6 {
		must[hotplate.Lookup[string]](t)(space.Get(t.Context(), hotplate.Text("k")))
	}
	if s.client.Available() {
		t.Error("a cancelled call between five failures counts as an answer")
	}
}

func TestARequestIsTheCallersAndIsNotWrittenInto(t *testing.T) {
	t.Parallel()
	calls := hotplatetest.Fake(t).Client.Calls()
	flush := &pb.InvalidateRequest{Namespace: "n", Selectors: []*pb.Selector{{Selector: &pb.Selector_Everything{Everything: true}}}}
	put := &pb.PutRequest{
		Namespace: "n", Key: "k", Payload: &pb.PutRequest_Value{Value: []byte("v")},
		Precondition: &pb.Precondition{Condition: &pb.Precondition_Absent{Absent: true}},
	}
	for range 2 {
		stored := must[*pb.PutResponse](t)(calls.Put(t.Context(), put))
		if stored.GetOutcome() != pb.PutOutcome_PUT_OUTCOME_STORED {
			t.Fatal(stored)
		}
		many := must[*pb.BatchPutResponse](t)(calls.BatchPut(t.Context(), &pb.BatchPutRequest{Namespace: "n", Items: []*pb.PutRequest{put}}))
		if many.GetResults()[0].GetResponse().GetOutcome() != pb.PutOutcome_PUT_OUTCOME_PRECONDITION_FAILED {
			t.Fatal(many)
		}
		dropped := must[*pb.InvalidateResponse](t)(calls.Invalidate(t.Context(), flush))
		if dropped.GetMatchedCount() != 1 || put.GetRequestId() != "" || flush.GetRequestId() != "" {
			t.Fatal(dropped, put.GetRequestId(), flush.GetRequestId())
		}
	}
}

func TestACacheThatIsTurnedOffIsAskedForNothing(t *testing.T) {
	t.Parallel()
	s := script(t, answers{}, hotplate.WithDisabled(true))
	space := hotplate.NS(s.client, "", hotplate.String())
	ctx, key := t.Context(), hotplate.Text("k")
	in := must[*hotplate.ReadStream](t)(space.ReadStream(ctx, key))
	if piece, err := in.Next(); len(piece) > 0 || !errors.Is(err, io.EOF) || in.Found.Reason != hotplate.Disabled || in.Close() != nil {
		t.Error(piece, err, in.Found)
	}
	out := must[*hotplate.WriteStream](t)(space.WriteStream(ctx, key))
	must[int](t)(out.Write([]byte("v")))
	if w := must[hotplate.Written](t)(out.Finish()); w.Outcome != hotplate.Dropped || w.Reason != "disabled" {
		t.Error(w)
	}
	must[hotplate.Lookup[string]](t)(space.Get(ctx, key))
	must[hotplate.Written](t)(space.Put(ctx, key, "v"))
	must[hotplate.InvalidateResult](t)(space.Remove(ctx, key))
	_, failed := space.Stats(ctx)
	_, explained := space.Explain(ctx, key)
	_, _, listed := space.Entries(ctx, 1, "")
	_, asked := s.client.ServerInfo(ctx)
	faults := []error{failed, explained, listed, asked}
	for _, err := range space.Watch(ctx) {
		faults = append(faults, err)
	}
	for _, err := range space.Preload(ctx, nil) {
		faults = append(faults, err)
	}
	for i, err := range faults {
		if !errors.Is(err, hotplate.ErrFailedPrecondition) || !strings.Contains(err.Error(), "HOTPLATE_DISABLE") {
			t.Error(i, err)
		}
	}
	if len(faults) != 6 || len(s.calls) != 0 {
		t.Error(len(faults), s.calls)
	}
}

func TestAClosedClientAnswersEachCallWithThat(t *testing.T) {
	t.Parallel()
	client := must[*hotplate.Client](t)(hotplate.New("hotplate://127.0.0.1:1/t"))
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	off := must[*hotplate.Client](t)(hotplate.New("hotplate://127.0.0.1:1/t", hotplate.WithDisabled(true)))
	if err := off.Close(); err != nil {
		t.Fatal(err)
	}
	for _, client := range []*hotplate.Client{client, off} {
		space := hotplate.NS(client, "", hotplate.String())
		ctx, key := t.Context(), hotplate.Text("k")
		compute := func(context.Context) (string, error) { return "v", nil }
		for name, call := range map[string]func() error{
			"get":        func() error { _, err := space.Get(ctx, key); return err },
			"get_many":   func() error { _, err := space.GetMany(ctx, []hotplate.AsKey{key}); return err },
			"put":        func() error { _, err := space.Put(ctx, key, "v"); return err },
			"invalidate": func() error { _, err := space.Remove(ctx, key); return err },
			"compute":    func() error { _, err := space.GetOrCompute(ctx, key, compute); return err },
			"bypass": func() error {
				_, err := space.GetOrCompute(ctx, key, compute, hotplate.InMode(hotplate.CacheBypass))
				return err
			},
			"read_stream":  func() error { _, err := space.ReadStream(ctx, key); return err },
			"write_stream": func() error { _, err := space.WriteStream(ctx, key); return err },
			"stats":        func() error { _, err := space.Stats(ctx); return err },
			"calls":        func() error { _, err := client.Calls().GetServerInfo(ctx); return err },
			"watch": func() error {
				for _, err := range space.Watch(ctx) {
					return err
				}
				return nil
			},
		} {
			if err := call(); !errors.Is(err, hotplate.ErrClosed) || !errors.Is(err, hotplate.ErrCancelled) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestACallThatIsUnderWayWhenItsClientIsClosedEndsWithThat(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client := must[*hotplate.Client](t)(hotplate.New("hotplate://" + listener.Addr().String() + "/t"))
	ended := make(chan error, 1)
	go func() {
		_, err := client.Calls().WithTimeout(time.Hour).Get(t.Context(), &pb.GetRequest{Key: "k"})
		ended <- err
	}()
	// Who is called says nothing.
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, hotplate.ErrClosed) {
		t.Error(err)
	}
}

func TestInvalidationsThatWaitAreTriedOnceMoreWhenTheClientIsClosed(t *testing.T) {
	t.Parallel()
	for lost := range 2 {
		var away atomic.Bool
		away.Store(true)
		s := script(t, answers{"Invalidate": func(context.Context, proto.Message) (proto.Message, error) {
			if away.Load() {
				return nil, status.Error(codes.Unavailable, "away")
			}
			return &pb.InvalidateResponse{}, nil
		}})
		space := hotplate.NS(s.client, "", hotplate.String())
		if r := must[hotplate.InvalidateResult](t)(space.Invalidate(t.Context(), hotplate.ByTag("a"), hotplate.ByTag("b"))); r.Outcome != hotplate.Queued {
			t.Fatal(r)
		}
		s.mu.Lock()
		tried := len(s.calls["Invalidate"])
		s.mu.Unlock()
		away.Store(lost == 1)
		if err := s.client.Close(); err != nil {
			t.Error(err)
		}
		if len(s.seen("Invalidate")) <= tried {
			t.Error("they are not tried again")
		}
		if logged := s.logged(); strings.Contains(logged, "are lost") != (lost == 1) || strings.Contains(logged, "count=2") != (lost == 1) {
			t.Error(lost, logged)
		}
	}
}
