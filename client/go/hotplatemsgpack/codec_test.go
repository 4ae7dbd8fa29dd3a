package hotplatemsgpack_test

import (
	"errors"
	"strings"
	"testing"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplatemsgpack"
	"example.invalid/hotplate/client/go/hotplatetest"
)

type metrics struct {
	Accuracy float64 `json:"accuracy"`
	Name     string  `json:"name"`
}

func TestWhatIsPackedIsReadByThatCodecAlone(t *testing.T) {
	client := hotplatetest.New(t).Client()
	key, value := hotplate.Text("k"), metrics{0.5, "n"}
	packed := hotplate.NS(client, "", hotplatemsgpack.Codec[metrics]())
	if written, err := packed.Put(t.Context(), key, value); err != nil || !written.IsStored() {
		t.Fatal(written, err)
	}
	if read, err := packed.Value(t.Context(), key); err != nil || read != value {
		t.Error(read, err)
	}
	plain := hotplate.NS(client, "", hotplate.JSON[metrics]())
	if _, err := plain.Get(t.Context(), key); !errors.Is(err, hotplate.ErrCodec) || strings.Contains(err.Error(), "0.5") {
		t.Error(err)
	}
}
