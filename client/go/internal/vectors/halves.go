package vectors

import (
	"bytes"
	"reflect"
	"strings"
)

// half is how requests and vectors spell a text that is none: a half of a surrogate pair. encoding/json makes replaced of it.
const (
	half     = `\ud800`
	replaced = "\ufffd"
)

// WithHalves puts what is no text in Go, a byte that is not UTF-8, wherever raw spells a half of a surrogate pair: into the texts of
// what was decoded from it, a pointer. JSON that is kept as it is keeps its half.
func WithHalves(raw []byte, decoded any) {
	if bytes.Contains(raw, []byte(half)) {
		spoil(reflect.ValueOf(decoded))
	}
}

func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		spoilMap(v)
	case reflect.String:
		if v.CanSet() {
			v.SetString(spoiled(v.String()))
		}
	}
}

// spoilMap is for texts by text, which is all that requests have.
func spoilMap(v reflect.Value) {
	texts, is := v.Interface().(map[string]string)
	if !is {
		return
	}
	for name, text := range texts {
		delete(texts, name)
		texts[spoiled(name)] = spoiled(text)
	}
}

func spoiled(text string) string { return strings.ReplaceAll(text, replaced, "\xff") }
