package hotplate_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
)

type (
	tag    string
	point  struct{ X, Y float64 }
	hidden struct {
		A int
		b int
	}
	skipped struct {
		A int
		B int `json:"-"`
	}
	embedded struct {
		point
		Name string `json:"name"`
	}
	loop struct{ Next *loop }
	// says tells of itself what its fields do not.
	says struct{ secret string }
)

func (s says) MarshalText() ([]byte, error) { return []byte(s.secret), nil }

func TestWhatHasNoFaithfulFormIsNoKey(t *testing.T) {
	round := &loop{}
	round.Next = round
	for name, value := range map[string]any{
		"bytes in a map": map[string]any{"s": "\xff"}, "a name": map[string]any{"\xff": 1}, "in a list": []string{"\xff"},
		"a type of text": tag("\xff"), "in a struct": struct{ S string }{"\xff"}, "of its own": says{"\xff"},
		"raw": json.RawMessage(`"\ud800"`), "raw, the other half": json.RawMessage(`["\udc00\ud800"]`), "raw bytes": json.RawMessage("\"\xff\""),
		"hidden": hidden{1, 2}, "skipped": skipped{1, 2}, "a pointer to such": &hidden{1, 2}, "within": []any{hidden{}}, "an error": errors.New("e"),
		"a function": func() {}, "not finite": []float64{math.NaN()}, "a circle": round, "names of any sort": map[point]int{{}: 1},
	} {
		key := hotplate.Key("k").Params(value)
		if _, err := key.KeyText(); !errors.Is(err, hotplate.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range map[string]hotplate.KeyPath{
		"unordered": hotplate.Key("k").Unordered("\xff"), "a name": hotplate.Key("k").Param("\xff", 1), "text": hotplate.Key("k").Text("\xff"),
		"an address": hotplate.Key("k").ID(new(string)), "nil": hotplate.Key("k").ID(nil), "a list": hotplate.Key("k").ID([]int{1}),
		"a struct": hotplate.Key("k").ID(point{}), "an id of bytes": hotplate.Key("k").ID("\xff"),
	} {
		if _, err := key.KeyText(); !errors.Is(err, hotplate.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGoValuesAreWhatTheirJSONIs(t *testing.T) {
	three := 3
	when := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for name, pair := range map[string][2]any{
		"a struct":          {point{1, 2.5}, map[string]any{"X": 1.0, "Y": 2.5}},
		"embedded":          {embedded{point{1, 2}, "n"}, map[string]any{"X": 1, "Y": 2, "name": "n"}},
		"a pointer":         {&three, json.Number("3")},
		"a time":            {when, "2026-01-02T03:04:05.000000006Z"},
		"a type of its own": {[]says{{"a"}}, []string{"a"}},
		"names of numbers":  {map[int]string{1: "a"}, map[string]string{"1": "a"}},
		"bytes":             {[]byte("v"), "dg=="},
		"an array":          {[2]bool{true, false}, []any{true, false}},
		"left out": {struct {
			A int    `json:"a,omitempty"`
			B string `json:"b,omitzero"`
			C int    `json:",string"`
		}{C: 3}, map[string]any{"C": "3"}},
		"as text": {struct {
			F float64 `json:",string"`
			G float32 `json:",string"`
			B bool    `json:",string"`
			S string  `json:",string"`
			P *int    `json:",string"`
		}{1, 0.1, true, "a<b", &three}, map[string]any{
			"F": "1", "G": "0.1", "B": "true", "S": `"a\u003cb"`, "P": "3",
		}},
		"a float is a float": {[]float32{0.1}, []any{float32(0.1)}},
		"a large float":      {struct{ F float64 }{1e20}, map[string]any{"F": 1e20}},
		"pairs":              {json.RawMessage(`"\ud83d\ude00\\ud800"`), "😀\\ud800"},
		"nothing":            {[]any{nil, (*int)(nil), map[string]int(nil)}, []any{nil, nil, nil}},
	} {
		one, err := hotplate.Key("k").Params(pair[0]).KeyText()
		other, err2 := hotplate.Key("k").Params(pair[1]).KeyText()
		if err != nil || err2 != nil || one != other {
			t.Errorf("%s: %s, %s, %v, %v", name, one, other, err, err2)
		}
	}
}
