package hotplate_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	hotplate "example.invalid/hotplate/client/go"
)

type shy struct{ secret string }

func (s shy) MarshalJSON() ([]byte, error) { return nil, errors.New("cannot write " + s.secret) }

func TestJSONKeepsWhatItIsGivenOrRefusesIt(t *testing.T) {
	type note struct {
		Text  string            `json:"text"`
		Other map[string]string `json:"other,omitempty"`
	}
	codec := hotplate.JSON[note]()
	for _, spoiled := range []note{{Text: "a\xffb"}, {Other: map[string]string{"k": "\xff\ufffd"}}, {Other: map[string]string{"\xff": ""}}} {
		if content, err := codec.Encode(spoiled); !errors.Is(err, hotplate.ErrCodec) {
			t.Errorf("%q, %v", content, err)
		}
	}
	for text, expected := range map[string]string{
		"<\ufffd>": "{\"text\":\"<\ufffd>\"}", "a\u2028b\u2029": "{\"text\":\"a\u2028b\u2029\"}",
		`\u2028`: `{"text":"\\u2028"}`, "\\\u2028": "{\"text\":\"\\\\\u2028\"}",
	} {
		content, err := codec.Encode(note{Text: text})
		if err != nil || string(content) != expected {
			t.Errorf("%q, not %q: %v", content, expected, err)
		}
		if read, err := codec.Decode(content); err != nil || read.Text != text {
			t.Errorf("%q: %q, %v", text, read.Text, err)
		}
	}
	if content, err := hotplate.JSON[json.RawMessage]().Encode(json.RawMessage(`"\ufffd"`)); err != nil || string(content) != `"\ufffd"` {
		t.Error(string(content), err)
	}
	if _, err := hotplate.JSON[shy]().Encode(shy{"hunter2"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestNullIsNoValueOfWhatHasNone(t *testing.T) {
	_, number := hotplate.JSON[int]().Decode([]byte(" null"))
	_, record := hotplate.JSON[metrics]().Decode([]byte("null"))
	pointer, err := hotplate.JSON[*metrics]().Decode([]byte("null"))
	raw, err2 := hotplate.JSON[json.RawMessage]().Decode([]byte("null"))
	if !errors.Is(number, hotplate.ErrCodec) || !errors.Is(record, hotplate.ErrCodec) || pointer != nil || string(raw) != "null" ||
		err != nil || err2 != nil {
		t.Error(number, record, pointer, raw, err, err2)
	}
}
