package hotplate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/hotplatetest"
)

type metrics struct {
	Accuracy float64 `json:"accuracy"`
	Name     string  `json:"name"`
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// until asks again until it holds, for as long as slow machines need.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for ends := time.Now().Add(60 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(ends) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

func TestWhatIsPutIsReadWithWhatIsKnownOfIt(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.JSON[metrics]())
	key := hotplate.Key("model", "metrics").ID("abc")
	value := metrics{0.91, "<é & ü>"}
	stored := must[hotplate.Written](t)(space.Put(t.Context(), key, value, hotplate.TTL(time.Hour), hotplate.Tags("a", "b")))
	found := must[hotplate.Lookup[metrics]](t)(space.Get(t.Context(), key))
	if stored.Outcome != hotplate.Stored || found.Outcome != hotplate.Hit || found.Value != value || found.Etag != stored.Etag ||
		found.Tier != hotplate.TierMemory || found.FreshFor < 50*time.Minute || found.Near || found.ContentType != "application/json" {
		t.Fatalf("%+v, %+v", stored, found)
	}
	again := must[hotplate.Written](t)(space.Put(t.Context(), key, value, hotplate.TTL(time.Hour), hotplate.Tags("b", "a")))
	if again.Outcome != hotplate.Refreshed || again.Etag != stored.Etag {
		t.Errorf("the same content: %+v", again)
	}
	missed := must[hotplate.Lookup[metrics]](t)(space.Get(t.Context(), hotplate.Text("never")))
	if err := missed.Err(); !errors.Is(err, hotplate.ErrMiss) || errors.Is(err, hotplate.ErrNotFound) {
		t.Errorf("a miss: %v", err)
	}
	if missed.Outcome != hotplate.Miss || missed.Reason != hotplate.NeverStored {
		t.Errorf("%+v", missed)
	}
	if _, err := space.Value(t.Context(), hotplate.Text("never")); !errors.Is(err, hotplate.ErrMiss) {
		t.Error(err)
	}
}

func TestConditionsAreJudgedByTheServer(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	key := hotplate.Text("k")
	put := func(value string, options ...hotplate.WriteOption) hotplate.Written {
		return must[hotplate.Written](t)(space.Put(t.Context(), key, value, options...))
	}
	if w := put("1", hotplate.IfPresent()); w.Outcome != hotplate.PreconditionFailed || w.Etag != "" {
		t.Errorf("%+v", w)
	}
	first := put("1", hotplate.IfAbsent())
	if w := put("2", hotplate.IfAbsent()); w.Outcome != hotplate.PreconditionFailed || w.Etag != first.Etag {
		t.Errorf("%+v", w)
	}
	if w := put("2", hotplate.IfEtag(first.Etag)); !w.IsStored() {
		t.Errorf("%+v", w)
	}
}

func TestLifetimesCanBeSeenAndChanged(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	key := hotplate.Text("k")
	must[hotplate.Written](t)(space.Put(t.Context(), key, "v", hotplate.TTLClass(hotplate.VeryShort), hotplate.Jitter(0)))
	left, exists, err := space.TTL(t.Context(), key)
	if err != nil || !exists || left > 300*time.Second || left < 200*time.Second {
		t.Fatal(left, exists, err)
	}
	if !must[bool](t)(space.Touch(t.Context(), key, hotplate.OfClass(hotplate.Day))) {
		t.Error("it was not touched")
	}
	if left, _, _ = space.TTL(t.Context(), key); left < 20*time.Hour {
		t.Error(left)
	}
	must[hotplate.InvalidateResult](t)(space.Remove(t.Context(), key))
	if must[bool](t)(space.Exists(t.Context(), key)) || must[bool](t)(space.Touch(t.Context(), key, hotplate.For(time.Hour))) {
		t.Error("it is still there")
	}
	_, err = space.Put(t.Context(), key, "v", hotplate.TTL(0))
	var failed *hotplate.Error
	if !errors.As(err, &failed) || failed.Kind != hotplate.KindInvalidArgument || failed.Reason != "TTL_OUT_OF_BOUNDS" || failed.Field == "" {
		t.Errorf("%#v", failed)
	}
}

func TestARememberedAbsenceIsToldAsSuch(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	must[hotplate.Written](t)(space.PutNegative(t.Context(), hotplate.Text("k"), "NOT_FOUND", "no such model", hotplate.TTL(time.Hour)))
	found := must[hotplate.Lookup[string]](t)(space.Get(t.Context(), hotplate.Text("k")))
	if found.Outcome != hotplate.Negative || found.NegativeReason != "NOT_FOUND" || found.NegativeMessage != "no such model" {
		t.Errorf("%+v", found)
	}
	if _, err := space.Value(t.Context(), hotplate.Text("k")); !errors.Is(err, hotplate.ErrNegative) {
		t.Error(err)
	}
}

func TestEveryCodecReadsWhatItWroteAndNothingElse(t *testing.T) {
	t.Parallel()
	client := hotplatetest.New(t).Client()
	key := hotplate.Text("k")
	text := hotplate.NS(client, "", hotplate.String())
	must[hotplate.Written](t)(text.Put(t.Context(), key, "0.5"))
	if read, err := text.Value(t.Context(), key); err != nil || read != "0.5" {
		t.Error(read, err)
	}
	plain := hotplate.NS(client, "", hotplate.JSON[metrics]())
	if _, err := plain.Get(t.Context(), key); !errors.Is(err, hotplate.ErrCodec) || strings.Contains(err.Error(), "0.5") {
		t.Error(err)
	}
	messages := hotplate.NS(client, "", hotplate.Proto(func() *pb.Lease { return &pb.Lease{} }))
	must[hotplate.Written](t)(messages.Put(t.Context(), key, &pb.Lease{Token: "t"}))
	if read, err := messages.Value(t.Context(), key); err != nil || read.GetToken() != "t" {
		t.Error(read, err)
	}
	other := hotplate.NS(client, "", hotplate.Proto(func() *pb.Pending { return &pb.Pending{} }))
	if _, err := other.Get(t.Context(), key); !errors.Is(err, hotplate.ErrCodec) {
		t.Error(err)
	}
	if _, err := hotplate.NS(client, "", hotplate.JSON[func()]()).Put(t.Context(), key, func() {}); !errors.Is(err, hotplate.ErrCodec) {
		t.Error(err)
	}
	// What holds another shape is refused without quoting it.
	must[hotplate.Written](t)(hotplate.NS(client, "", hotplate.JSON[any]()).Put(t.Context(), key, map[string]string{"accuracy": "hunter2"}))
	if _, err := plain.Get(t.Context(), key); !errors.Is(err, hotplate.ErrCodec) || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestManyAreReadAndWrittenInOrderEachOnItsOwn(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.Bytes())
	var items []hotplate.Item[[]byte]
	var keys []hotplate.AsKey
	for i := range 250 {
		key := hotplate.Text(fmt.Sprintf("k:%d", i))
		keys = append(keys, key)
		items = append(items, hotplate.Item[[]byte]{Key: key, Value: bytes.Repeat([]byte{byte(i)}, 100+i)})
	}
	// One that no answer holds, and one that cannot be.
	items[100].Value = bytes.Repeat([]byte("large"), 600_000)
	items[101].Key = hotplate.Text("")
	written := must[[]hotplate.WrittenItem](t)(space.PutMany(t.Context(), items, hotplate.TTL(time.Hour)))
	for i, w := range written {
		if (i == 101) != errors.Is(w.Fault, hotplate.ErrInvalidArgument) || (i != 101 && !w.IsStored()) {
			t.Fatalf("%d: %+v", i, w)
		}
	}
	found := must[[]hotplate.Found[[]byte]](t)(space.GetMany(t.Context(), keys))
	for i, f := range found {
		if i != 101 && (f.Fault != nil || !bytes.Equal(f.Value, items[i].Value)) {
			t.Fatalf("%d: %v of %d bytes, %v", i, f.Outcome, len(f.Value), f.Fault)
		}
	}
	if found[101].Outcome != hotplate.Miss {
		t.Errorf("%+v", found[101])
	}
}

func TestTheEndOfTheCallersContextIsAnErrorAndNoMiss(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	space := hotplate.NS(server.Client(), "", hotplate.String())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := space.Get(gone, hotplate.Text("k")); !errors.Is(err, context.Canceled) || !errors.Is(err, hotplate.ErrCancelled) {
		t.Error(err)
	}
	server.Pause()
	defer server.Resume()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := space.Get(short, hotplate.Text("k")); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestAClosedClientSaysSo(t *testing.T) {
	t.Parallel()
	client, err := hotplate.New(hotplatetest.New(t).URL("t"))
	if err != nil {
		t.Fatal(err)
	}
	space := hotplate.NS(client, "", hotplate.String())
	must[hotplate.Written](t)(space.Put(t.Context(), hotplate.Text("k"), "v"))
	if err := errors.Join(client.Close(), client.Close()); err != nil {
		t.Error(err)
	}
	_, err = space.Get(t.Context(), hotplate.Text("k"))
	_, err2 := space.Put(t.Context(), hotplate.Text("k"), "v")
	_, err3 := space.GetOrCompute(t.Context(), hotplate.Text("k"), func(context.Context) (string, error) { return "", nil })
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, hotplate.ErrClosed) {
			t.Error(err)
		}
	}
	if client.Available() {
		t.Error("it is available")
	}
}

func TestTheServerExplainsAndCounts(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.JSON[json.RawMessage]())
	must[hotplate.Written](t)(space.Put(t.Context(), hotplate.Text("a:k"), json.RawMessage("1")))
	must[hotplate.Lookup[json.RawMessage]](t)(space.Get(t.Context(), hotplate.Text("a:k")))
	if stats := must[*pb.StatsResponse](t)(space.Stats(t.Context())); stats.GetTotal().GetHits() != 1 {
		t.Error(stats)
	}
	if explained := must[*pb.ExplainKeyResponse](t)(space.Explain(t.Context(), hotplate.Text("a:k"))); explained.GetOutcome() != pb.GetOutcome_GET_OUTCOME_HIT {
		t.Error(explained)
	}
	entries, next, err := space.Entries(t.Context(), 10, "", hotplate.ByPrefix("a:"))
	if err != nil || len(entries) != 1 || next != "" {
		t.Error(entries, next, err)
	}
	if info := must[*pb.GetServerInfoResponse](t)(space.Client().ServerInfo(t.Context())); info.GetVersion() == "" {
		t.Error(info)
	}
}
