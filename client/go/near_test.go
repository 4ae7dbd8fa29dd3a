package hotplate_test

import (
	"testing"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplatetest"
)

// BenchmarkNearHit reads a value that this process keeps.
func BenchmarkNearHit(b *testing.B) {
	client := hotplatetest.New(b).Client(hotplate.WithNearCache(hotplate.NearOptions{}))
	space := hotplate.NS(client, "", hotplate.JSON[metrics]())
	var key hotplate.AsKey = hotplate.Text("model:metrics:abc")
	if _, err := space.Put(b.Context(), key, metrics{0.9, "n"}); err != nil {
		b.Fatal(err)
	}
	for {
		found, err := space.GetShared(b.Context(), key)
		if err != nil {
			b.Fatal(err)
		}
		if found.Near {
			break
		}
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := space.GetShared(ctx, key); err != nil {
			b.Fatal(err)
		}
	}
}
