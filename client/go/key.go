package hotplate

// How keys are made: readable segments where possible, canonical hashes where not, the same in every language. The rules
// are in tests/conformance/README.md, with vectors.

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.invalid/hotplate/client/go/internal/canonical"
)

const (
	// KeyBytesMax is the longest key, in bytes of UTF-8.
	KeyBytesMax = 1024
	// TextInlineMax is the longest text, in characters, that [KeyPath.Text] writes out.
	TextInlineMax = 1000

	hashMark = "~sha256:"
)

// AsKey is what names an entry: a [KeyPath], or a [Text] that is taken as the whole key.
type AsKey interface {
	// KeyText is the key's text, or what is wrong with it.
	KeyText() (string, error)
}

// Text is a whole key, as it is: 1 to 1,024 bytes of UTF-8.
type Text string

// KeyText is the text itself.
//
// Errors: [ErrInvalidArgument] for what is not UTF-8.
func (t Text) KeyText() (string, error) {
	return string(t), firstFault(textFault("key", string(t)))
}

// KeyPath is a key under construction: segments joined by a colon. Each method gives a new one, so that a beginning can
// be kept and used again. A fault, such as an empty segment, is kept and reported when the key is used.
//
// Characters that mean something in keys, globs and URLs (: * ? [ ] % /, a leading ~), white space and control characters
// are percent-encoded; text is in normal form C.
type KeyPath struct {
	segments []string
	fault    *Error
}

// Key begins a key with these segments, such as Key("model", "metrics").
func Key(segments ...string) KeyPath {
	key := KeyPath{}
	for _, segment := range segments {
		key = key.segment(segment)
	}
	return key
}

// Join adds the segments of another key.
func Join(first KeyPath, more ...KeyPath) KeyPath {
	for _, next := range more {
		for _, segment := range next.segments {
			first = first.push(segment)
		}
		if next.fault != nil {
			first = first.failed(next.fault)
		}
	}
	return first
}

// ID adds one segment: a text, a number or a boolean, or what has a method String, as fmt prints it. Anything else is no id: an address
// in memory, for instance, would be another one in each process.
func (k KeyPath) ID(id any) KeyPath {
	v := reflect.ValueOf(id)
	_, says := id.(fmt.Stringer)
	switch {
	case !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil():
		return k.failed(invalid("key", "an id in a key is nil"))
	case says || v.CanInt() || v.CanUint() || v.CanFloat() || v.Kind() == reflect.String || v.Kind() == reflect.Bool:
		return k.segment(fmt.Sprint(id))
	default:
		return k.failed(invalid("key", "a %s is no id: use Param or Params, or give it a method String", v.Type()))
	}
}

// Param adds name_value: text, numbers, booleans and nil as they are, slices, maps and structs as a hash of their canonical
// JSON. An underscore in the name is percent-encoded, so that the first one always ends it. What is not UTF-8 is refused, and a struct
// of which JSON leaves something out, as values that differ would share a key.
func (k KeyPath) Param(name string, value any) KeyPath {
	text, err := paramText(value)
	switch {
	case err != nil:
		return k.failed(err)
	case name == "" || !utf8.ValidString(name):
		return k.failed(invalid("key", "a key parameter has an empty name, or one that is not UTF-8"))
	}
	name = strings.ReplaceAll(encode(canonical.NFC(name)), "_", "%5F")
	return k.push(name + "_" + encodeInner(text))
}

// Params adds a hash of the canonical JSON of many parameters at once: a map or a struct, which refuses what [KeyPath.Param] does.
func (k KeyPath) Params(values any) KeyPath {
	return k.hash(toJSON(values))
}

// hash adds a hash of canonical JSON, unless there is none.
func (k KeyPath) hash(value any, fault *Error) KeyPath {
	if fault != nil {
		return k.failed(fault)
	}
	text, cause := canonical.JSON(value)
	if cause != nil {
		return k.failed(invalid("key", "%v", cause))
	}
	return k.push(hashed([]byte(text)))
}

// Unordered adds a hash of ids whose order does not matter. Duplicates count.
func (k KeyPath) Unordered(ids ...string) KeyPath {
	sorted := make([]string, 0, len(ids))
	for _, id := range ids {
		if !utf8.ValidString(id) {
			return k.failed(invalid("key", "an id in a key is not UTF-8: use Content for bytes"))
		}
		sorted = append(sorted, canonical.NFC(id))
	}
	slices.Sort(sorted)
	return k.Params(sorted)
}

// Text adds free text, such as a prompt: written out up to 1,000 characters, hashed beyond.
func (k KeyPath) Text(text string) KeyPath {
	if !utf8.ValidString(text) {
		return k.failed(invalid("key", "a text in a key is not UTF-8: use Content for bytes"))
	}
	text = canonical.NFC(text)
	if utf8.RuneCountInString(text) <= TextInlineMax {
		return k.segment(text)
	}
	return k.push(hashMark + hashed([]byte(text)))
}

// Content adds a hash of bytes: the content that a result was computed from.
func (k KeyPath) Content(content []byte) KeyPath { return k.push(hashMark + hashed(content)) }

// KeyText is the key's text. Beyond 1,024 bytes, as many leading segments as fit are kept and a hash of the whole follows.
//
// Errors: [ErrInvalidArgument] for an empty key or segment, and for a parameter that has no canonical JSON.
func (k KeyPath) KeyText() (string, error) {
	if k.fault != nil {
		return "", k.fault
	}
	if len(k.segments) == 0 {
		return "", invalid("key", "a key has at least one segment")
	}
	whole := strings.Join(k.segments, ":")
	if len(whole) <= KeyBytesMax {
		return whole, nil
	}
	suffix := hashMark + hashed([]byte(whole))
	var short strings.Builder
	for _, segment := range k.segments {
		if short.Len()+len(segment)+1+len(suffix) > KeyBytesMax {
			break
		}
		short.WriteString(segment)
		short.WriteByte(':')
	}
	short.WriteString(suffix)
	return short.String(), nil
}

// String identifies the key without telling it: keys may name people or hold parts of prompts. KeyText tells it.
func (k KeyPath) String() string {
	return "Key(#" + hashed([]byte(strings.Join(k.segments, ":")))[:16] + ")"
}

// LogValue keeps the key out of logs, as String does.
func (k KeyPath) LogValue() slog.Value { return slog.StringValue(k.String()) }

func (k KeyPath) segment(text string) KeyPath {
	if text == "" {
		return k.failed(invalid("key", "a key segment is empty"))
	}
	if !utf8.ValidString(text) {
		return k.failed(invalid("key", "a key segment is not UTF-8: use Content for bytes"))
	}
	return k.push(encode(canonical.NFC(text)))
}

func (k KeyPath) push(segment string) KeyPath {
	// A copy: two keys may go on from the same beginning.
	k.segments = append(slices.Clip(k.segments), segment)
	return k
}

func (k KeyPath) failed(fault *Error) KeyPath {
	if k.fault == nil {
		k.fault = fault
	}
	return k
}

func paramText(value any) (string, *Error) {
	parsed, fault := toJSON(value)
	if fault != nil {
		return "", fault
	}
	if text, ok := parsed.(string); ok {
		if text == "" {
			return "", invalid("key", "a key parameter's value is empty")
		}
		return canonical.NFC(text), nil
	}
	text, err := canonical.JSON(parsed)
	if err != nil {
		return "", invalid("key", "%v", err)
	}
	switch parsed.(type) {
	case []any, canonical.Object:
		return hashed([]byte(text)), nil
	}
	return text, nil
}

// hashed is the first half of the SHA-256, in lower-case hexadecimal: 128 bits are enough for names.
func hashed(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// encode percent-encodes a whole segment.
func encode(text string) string {
	if rest, marked := strings.CutPrefix(text, "~"); marked {
		return "%7E" + encodeInner(rest)
	}
	return encodeInner(text)
}

func encodeInner(text string) string {
	var out strings.Builder
	for _, r := range text {
		if strings.ContainsRune(":*?[]%/", r) || unicode.IsSpace(r) || unicode.IsControl(r) {
			for _, b := range utf8.AppendRune(nil, r) {
				fmt.Fprintf(&out, "%%%02X", b)
			}
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}
