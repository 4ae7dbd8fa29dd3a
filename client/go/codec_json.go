package hotplate

// Values as JSON: as encoding/json writes and reads them, where that keeps what they are.

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"unicode/utf8"
)

// JSON reads and writes application/json: readable by people and every language. Numbers in an `any` become float64, as
// with encoding/json; use a struct, or [json.RawMessage], where that matters. Text that is not UTF-8 is refused: it would be another
// one when it is read. A stored null is read where T has one: as a pointer, map, slice or interface that is nil, or by T's own
// UnmarshalJSON.
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) ContentType() string { return "application/json" }

func (jsonCodec[T]) Reads(contentType string) bool {
	essence := Essence(contentType)
	return essence == "application/json" || strings.HasSuffix(essence, "+json")
}

func (jsonCodec[T]) Encode(value T) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		// The cause's own text may quote the value.
		return nil, failure(KindCodec, "the value has no JSON form: %T", err)
	}
	content := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	// Bytes that are no text are written so, U+FFFD itself is not.
	isSuspect := bytes.Contains(content, []byte(`\ufffd`)) && !isText(reflect.ValueOf(&value).Elem(), 0)
	if isSuspect || !utf8.Valid(content) {
		return nil, failure(KindCodec, "a text in the value is not UTF-8, and JSON has no other: use Bytes")
	}
	return withLineSeparators(content), nil
}

func (jsonCodec[T]) Decode(content []byte) (T, error) {
	var value, none T
	if !utf8.Valid(content) {
		return none, failure(KindCodec, "the stored JSON is not UTF-8")
	}
	if string(bytes.TrimSpace(content)) == "null" && !hasNull[T]() {
		return none, failure(KindCodec, "the stored JSON is null")
	}
	err := json.Unmarshal(content, &value)
	if err == nil {
		return value, nil
	}
	// The cause's own text may quote the value.
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return none, failure(KindCodec, "the stored JSON is damaged (at byte %d)", syntax.Offset)
	case errors.As(err, &shape):
		return none, failure(KindCodec, "the stored JSON has another shape (at byte %d)", shape.Offset)
	}
	return none, failure(KindCodec, "the stored JSON has another shape")
}

// hasNull tells whether null is one of the values of a type.
func hasNull[T any]() bool {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	default:
		return reflect.TypeFor[*T]().Implements(reflect.TypeFor[json.Unmarshaler]())
	}
}

// textDepthMax is deeper than encoding/json writes.
const textDepthMax = 2_000

// isText tells whether all texts in a value are UTF-8. It is asked rarely.
func isText(v reflect.Value, depth int) bool {
	if depth > textDepthMax {
		return true
	}
	all := func(length int, of func(int) reflect.Value) bool {
		for i := range length {
			if !isText(of(i), depth+1) {
				return false
			}
		}
		return true
	}
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || isText(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return v.Type().Elem().Kind() == reflect.Uint8 || all(v.Len(), v.Index)
	case reflect.Struct:
		return all(v.NumField(), v.Field)
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			if !isText(each.Key(), depth+1) || !isText(each.Value(), depth+1) {
				return false
			}
		}
	}
	return true
}

// withLineSeparators writes out U+2028 and U+2029, which encoding/json escapes and no other language does: the same value has the
// same bytes, and the same etag, in all of them.
func withLineSeparators(content []byte) []byte {
	if !bytes.Contains(content, []byte(`\u202`)) {
		return content
	}
	plain := make([]byte, 0, len(content))
	for at := 0; at < len(content); at++ {
		if content[at] != '\\' || at+1 == len(content) {
			plain = append(plain, content[at])
			continue
		}
		switch rest := content[at:]; {
		case bytes.HasPrefix(rest, []byte(`\u2028`)):
			plain = append(plain, "\u2028"...)
			at += 5
		case bytes.HasPrefix(rest, []byte(`\u2029`)):
			plain = append(plain, "\u2029"...)
			at += 5
		default:
			// With what it escapes, which may be a backslash.
			plain = append(plain, content[at], content[at+1])
			at++
		}
	}
	return plain
}
