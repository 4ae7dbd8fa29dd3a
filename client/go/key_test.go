package hotplate_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/internal/canonical"
	"example.invalid/hotplate/client/go/internal/vectors"
)

func TestEveryKeyVectorHolds(t *testing.T) {
	content, err := os.ReadFile("../../tests/conformance/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Keys []struct {
			Name    string
			Calls   []vectors.Call
			Key     string
			Refused bool
		}
		Floats []struct{ Bits, Text string }
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Keys) < 150 || len(file.Floats) < 100 {
		t.Fatalf("only %d keys and %d floats", len(file.Keys), len(file.Floats))
	}
	for _, vector := range file.Keys {
		key, err := vectors.Key(vector.Calls)
		if err != nil {
			t.Fatalf("%s: %v", vector.Name, err)
		}
		text, err := key.KeyText()
		if vector.Refused != (err != nil) || text != vector.Key {
			t.Errorf("%s: %q, %v", vector.Name, text, err)
		}
		if err != nil && !errors.Is(err, hotplate.ErrInvalidArgument) {
			t.Errorf("%s: %v is not ErrInvalidArgument", vector.Name, err)
		}
	}
	for _, vector := range file.Floats {
		bits, err := strconv.ParseUint(vector.Bits, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := canonical.Float(math.Float64frombits(bits)); err != nil || text != vector.Text {
			t.Errorf("%s: %q, %v; not %q", vector.Bits, text, err, vector.Text)
		}
	}
}

func TestValuesOfGoMakeTheKeysOfTheVectors(t *testing.T) {
	type params struct {
		V float64 `json:"v"`
	}
	pairs := [][2]hotplate.KeyPath{
		{hotplate.Key("k").Param("p", 1e20), hotplate.Key("k").Param("p", json.RawMessage("1e20"))},
		{hotplate.Key("k").Params(map[string]any{"v": 1e20}), hotplate.Key("k").Params(json.RawMessage(`{"v":1e20}`))},
		{hotplate.Key("k").Params(params{10}), hotplate.Key("k").Params(json.RawMessage(`{"v":10}`))},
		{hotplate.Key("k").Params([]float64{0.1, 10}), hotplate.Key("k").Params(json.RawMessage(`[0.1,10.0]`))},
		{hotplate.Key("k").Params("<&>"), hotplate.Key("k").Params(json.RawMessage(`"<&>"`))},
		{hotplate.Key("k").ID(7), hotplate.Key("k").ID("7")},
	}
	for i, pair := range pairs {
		left, err := pair[0].KeyText()
		right, err2 := pair[1].KeyText()
		if left != right || err != nil || err2 != nil {
			t.Errorf("pair %d: %q and %q (%v, %v)", i, left, right, err, err2)
		}
	}
	refused := []hotplate.KeyPath{
		hotplate.Key("k").Param("p", math.NaN()),
		hotplate.Key("k").Param("p", func() {}),
		hotplate.Key("k").Param("p", int64(1)<<53),
		hotplate.Key("k", ""),
		hotplate.Key("k").ID("\xff"),
		hotplate.Key(),
	}
	for i, key := range refused {
		if _, err := key.KeyText(); !errors.Is(err, hotplate.ErrInvalidArgument) {
			t.Errorf("key %d: %v", i, err)
		}
	}
}

func TestABeginningOfAKeyCanBeUsedAgain(t *testing.T) {
	base := hotplate.Key("model").ID("x")
	one, _ := base.ID("1").KeyText()
	two, _ := base.ID("2").KeyText()
	if one != "model:x:1" || two != "model:x:2" {
		t.Errorf("%q and %q", one, two)
	}
	if printed := base.String(); strings.Contains(printed, "model") {
		t.Errorf("%q tells the key", printed)
	}
}
