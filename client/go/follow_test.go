package hotplate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/hotplatetest"
)

func TestAWatchGoesOnAfterTheServerWasRestarted(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	space := hotplate.NS(server.Client(), "", hotplate.String())
	other := hotplate.NS(server.Client(), "", hotplate.String())
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	seen := map[string]bool{}
	restarted := false
	for item, err := range space.Watch(ctx, hotplate.ExcludeOwn(), hotplate.Following(hotplate.ByPrefix("k"))) {
		if err != nil {
			t.Fatal(err)
		}
		if item.Created != nil {
			must[hotplate.Written](t)(space.Put(ctx, hotplate.Text("k:own"), "v"))
			must[hotplate.Written](t)(other.Put(ctx, hotplate.Text("other"), "v"))
			until(t, "it is stored", func() bool {
				return must[hotplate.Written](t)(other.Put(ctx, hotplate.Text("k:other"), time.Now().String())).IsStored()
			})
		}
		seen["lost"] = seen["lost"] || item.Lost != nil
		seen["discontinuity"] = seen["discontinuity"] || item.Discontinuity.GetReason() == pb.DiscontinuityReason_DISCONTINUITY_REASON_NEW_EPOCH
		if len(item.Events) == 0 {
			continue
		}
		if key := item.Events[0].GetKey(); key != "k:other" {
			t.Errorf("%s is told", key)
		}
		if restarted && seen["discontinuity"] {
			break
		}
		if !restarted {
			server.Restart()
			restarted = true
		}
	}
	if !seen["lost"] || !seen["discontinuity"] {
		t.Error(seen)
	}
}

func TestEachLoopOverAWatchIsOneOfItsOwn(t *testing.T) {
	t.Parallel()
	space := hotplate.NS(hotplatetest.New(t).Client(), "", hotplate.String())
	must[hotplate.Written](t)(space.Put(t.Context(), hotplate.Text("k"), "v"))
	watch := space.Watch(t.Context(), hotplate.IncludePresent())
	var loops sync.WaitGroup
	for range 3 {
		loops.Go(func() {
			present := 0
			for item, err := range watch {
				if err != nil {
					t.Error(err)
					return
				}
				present += len(item.Present)
				if item.Synced != nil {
					break
				}
			}
			if present != 1 {
				t.Errorf("%d entries are told", present)
			}
		})
	}
	loops.Wait()
}

func TestAWatchEndsWithItsContextAndWithItsClient(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	client, err := hotplate.New(server.URL("t"))
	if err != nil {
		t.Fatal(err)
	}
	space := hotplate.NS(client, "", hotplate.String())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for item, err := range space.Watch(ctx) {
		if item.Created != nil {
			cancel()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	closing := make(chan error, 1)
	for item, err := range space.Watch(t.Context()) {
		if item.Created != nil {
			go func() { closing <- client.Close() }()
		}
		if err != nil && !errors.Is(err, hotplate.ErrClosed) {
			t.Error(err)
		}
	}
	if err := <-closing; err != nil {
		t.Error(err)
	}
}

func TestANearCacheServesWhatHoldsAndNothingElse(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	client := server.Client(hotplate.WithNearCache(hotplate.NearOptions{}))
	space := hotplate.NS(client, "", hotplate.JSON[metrics]())
	other := hotplate.NS(server.Client(), "", hotplate.JSON[metrics]())
	key := hotplate.Text("k")
	near := func(name string) {
		t.Helper()
		until(t, "it is read near: "+name, func() bool {
			found := must[hotplate.Lookup[metrics]](t)(space.GetShared(t.Context(), key))
			if found.Outcome == hotplate.Hit && found.Value.Name != name {
				t.Fatalf("%+v, not %s", found, name)
			}
			return found.Near
		})
	}
	must[hotplate.Written](t)(space.Put(t.Context(), key, metrics{Name: "1"}))
	near("1")
	if found := must[hotplate.Lookup[metrics]](t)(space.Get(t.Context(), key, hotplate.PastNearCache())); found.Near {
		t.Error("it was read near")
	}
	// What this client writes is read at once.
	must[hotplate.Written](t)(space.Put(t.Context(), key, metrics{Name: "2"}))
	near("2")
	// What others write is read within the time of an event.
	must[hotplate.Written](t)(other.Put(t.Context(), key, metrics{Name: "3"}))
	until(t, "what another wrote is read", func() bool {
		return must[hotplate.Lookup[metrics]](t)(space.Get(t.Context(), key)).Value.Name == "3"
	})
	near("3")
	must[hotplate.InvalidateResult](t)(space.Invalidate(t.Context(), hotplate.Everything()))
	if found := must[hotplate.Lookup[metrics]](t)(space.Get(t.Context(), key)); found.Outcome != hotplate.Miss {
		t.Errorf("%+v", found)
	}
	must[hotplate.Written](t)(other.Put(t.Context(), key, metrics{Name: "4"}))
	near("4")
	// Another history: nothing of the old one is served.
	server.Restart()
	until(t, "the old one is gone", func() bool {
		return must[hotplate.Lookup[metrics]](t)(space.Get(t.Context(), key)).Outcome == hotplate.Miss
	})
	stats, is := space.NearStats()
	if !is || stats.Hits == 0 || stats.Losses == 0 || stats.Admitted == 0 {
		t.Errorf("%+v", stats)
	}
	if _, is := other.NearStats(); is {
		t.Error("the other has a near cache")
	}
}

func TestANearCacheOfKeptKeysFollowsThem(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	client := server.Client(hotplate.WithNearCache(hotplate.NearOptions{Follow: hotplate.FollowKeptKeys, EntriesMax: 10}))
	space := hotplate.NS(client, "", hotplate.String())
	other := hotplate.NS(server.Client(), "", hotplate.String())
	key := hotplate.Text("k")
	must[hotplate.Written](t)(other.Put(t.Context(), key, "1"))
	until(t, "it is read near", func() bool {
		return must[hotplate.Lookup[string]](t)(space.Get(t.Context(), key)).Near
	})
	must[hotplate.InvalidateResult](t)(other.Remove(t.Context(), key))
	until(t, "it is gone", func() bool {
		return must[hotplate.Lookup[string]](t)(space.Get(t.Context(), key)).Outcome == hotplate.Miss
	})
}

func TestALargeValueGoesAndComesAsAStream(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	space := hotplate.NS(server.Client(), "", hotplate.Bytes())
	key := hotplate.Text("large")
	value := make([]byte, 5<<20+123)
	for i := range value {
		value[i] = byte(i * 31)
	}
	if w := must[hotplate.Written](t)(space.Put(t.Context(), key, value, hotplate.SHA256())); !w.IsStored() {
		t.Fatalf("%+v", w)
	}
	if read, err := space.Value(t.Context(), key); err != nil || !bytes.Equal(read, value) {
		t.Error(len(read), err)
	}
	stream := must[*hotplate.ReadStream](t)(space.ReadStream(t.Context(), key))
	if whole, err := io.ReadAll(stream); err != nil || !bytes.Equal(whole, value) || stream.Found.Value != uint64(len(value)) {
		t.Error(len(whole), err, stream.Found)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if none := must[*hotplate.ReadStream](t)(space.ReadStream(t.Context(), hotplate.Text("none"))); none.Found.Outcome != hotplate.Miss {
		t.Errorf("%+v", none.Found)
	}
}

func TestWhatIsWrittenInPiecesIsFollowedAsItComes(t *testing.T) {
	t.Parallel()
	server := hotplatetest.New(t)
	space := hotplate.NS(server.Client(), "", hotplate.String())
	key := hotplate.Text("tokens")
	out := must[*hotplate.WriteStream](t)(space.WriteStream(t.Context(), key, hotplate.TTL(time.Hour), hotplate.SHA256()))
	must[int](t)(out.Write([]byte("one ")))
	in := must[*hotplate.ReadStream](t)(space.Follow(t.Context(), key))
	var pieces []string
	for piece, err := range in.Pieces() {
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, string(piece))
		switch len(pieces) {
		case 1:
			must[int](t)(out.Write([]byte("two")))
		case 2:
			if w := must[hotplate.Written](t)(out.Finish()); w.Outcome != hotplate.Stored {
				t.Errorf("%+v", w)
			}
		}
	}
	if len(pieces) != 2 || pieces[0] != "one " || pieces[1] != "two" {
		t.Errorf("%q", pieces)
	}
	if value, err := space.Value(t.Context(), key); err != nil || value != "one two" {
		t.Error(value, err)
	}
	entries, _, err := space.Entries(t.Context(), 1, "")
	sum := sha256.Sum256([]byte("one two"))
	if err != nil || !bytes.Equal(entries[0].GetMetadata().GetDigest(), sum[:]) {
		t.Error(entries, err)
	}
	abandoned := must[*hotplate.WriteStream](t)(space.WriteStream(t.Context(), hotplate.Text("abandoned")))
	must[int](t)(abandoned.Write([]byte("x")))
	if err := abandoned.Close(); err != nil {
		t.Error(err)
	}
	if must[bool](t)(space.Exists(t.Context(), hotplate.Text("abandoned"))) {
		t.Error("what was not finished is there")
	}
}
