package hotplate

// What a Go value is in canonical JSON: as encoding/json has it, except that what has no faithful form there is refused, as two
// values that differ would share a key.

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.invalid/hotplate/client/go/internal/canonical"
)

// valueDepthMax is deeper than canonical JSON may be: what goes further goes in a circle.
const valueDepthMax = 100

// toJSON is a value as canonical JSON sees it. Numbers keep being what they are: a float that is whole is no integer.
func toJSON(value any) (any, *Error) { return (&keyWriter{}).valueJSON(reflect.ValueOf(value), 0) }

// keyWriter writes one value.
type keyWriter struct {
	// named: a value behind an interface is written with the name of its type.
	named bool
	// isNameless: a value behind an interface was written whose JSON does not tell its type.
	isNameless bool
}

func (w *keyWriter) valueJSON(v reflect.Value, depth int) (any, *Error) {
	if depth > valueDepthMax {
		return nil, invalid("key", "a key parameter is nested too deep, or holds itself")
	}
	if !v.IsValid() {
		return nil, nil
	}
	if isNil(v) {
		return nil, nil
	}
	if v.Kind() == reflect.Interface {
		return w.behind(v.Elem(), depth)
	}
	if own, has, fault := ownJSON(v); has || fault != nil {
		return own, fault
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return json.Number(strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return json.Number(strconv.FormatUint(v.Uint(), 10)), nil
	case reflect.Float32, reflect.Float64:
		return floatNumber(v.Float())
	case reflect.String:
		return textJSON(v.String())
	case reflect.Pointer:
		return w.valueJSON(v.Elem(), depth+1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return base64.StdEncoding.EncodeToString(v.Bytes()), nil
		}
		return w.listJSON(v, depth)
	case reflect.Array:
		return w.listJSON(v, depth)
	case reflect.Map:
		return w.mapJSON(v, depth)
	case reflect.Struct:
		return w.structJSON(v, depth)
	default:
		return nil, invalid("key", "a key parameter has no JSON form: it is a %s", v.Kind())
	}
}

// behind is a value whose type its holder does not tell: two types may have the same JSON.
func (w *keyWriter) behind(v reflect.Value, depth int) (any, *Error) {
	told, fault := w.valueJSON(v, depth+1)
	w.isNameless = w.isNameless || !isJSONType(v.Type())
	if fault != nil || !w.named {
		return told, fault
	}
	return []any{typeName(v.Type()), told}, nil
}

// isJSONType tells whether it is the type of all values that have its JSON.
func isJSONType(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[float64](),
		reflect.TypeFor[json.Number](), reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any]():
		return true
	default:
		return false
	}
}

// typeName is a type's name with the whole path of its package, where it has one.
func typeName(t reflect.Type) string {
	switch {
	case t.Name() != "":
		return t.PkgPath() + "." + t.Name()
	case t.Kind() == reflect.Pointer:
		return "*" + typeName(t.Elem())
	case t.Kind() == reflect.Slice:
		return "[]" + typeName(t.Elem())
	case t.Kind() == reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), typeName(t.Elem()))
	case t.Kind() == reflect.Map:
		return "map[" + typeName(t.Key()) + "]" + typeName(t.Elem())
	default:
		return t.String()
	}
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return v.IsNil()
	default:
		return false
	}
}

// ownJSON is what a type says of itself, if it does.
func ownJSON(v reflect.Value) (own any, has bool, fault *Error) {
	if !v.CanInterface() {
		return nil, false, nil
	}
	if v.Kind() != reflect.Pointer && v.CanAddr() {
		// A method of the pointer counts, as with encoding/json.
		v = v.Addr()
	}
	switch marshals := v.Interface().(type) {
	case json.Number:
		own, fault = parsedJSON([]byte(marshals))
	case *json.Number:
		own, fault = parsedJSON([]byte(*marshals))
	case json.Marshaler:
		text, err := json.Marshal(marshals)
		_, isRaw := reflect.Indirect(v).Interface().(json.RawMessage)
		// This is what encoding/json writes for bytes that are no text; U+FFFD itself it writes as it is.
		if err != nil || (!isRaw && bytes.Contains(text, []byte(`\ufffd`))) {
			return nil, true, invalid("key", "a key parameter has no JSON form")
		}
		own, fault = parsedJSON(text)
	case encoding.TextMarshaler:
		text, err := marshals.MarshalText()
		if err != nil {
			return nil, true, invalid("key", "a key parameter has no text form")
		}
		own, fault = textJSON(string(text))
	default:
		return nil, false, nil
	}
	return own, true, fault
}

func parsedJSON(text []byte) (any, *Error) {
	parsed, err := canonical.Parse(text)
	if err != nil {
		return nil, invalid("key", "%v", err)
	}
	return parsed, nil
}

func textJSON(text string) (any, *Error) {
	if !utf8.ValidString(text) {
		return nil, invalid("key", "a text in a key parameter is not UTF-8: use Content for bytes")
	}
	return text, nil
}

func floatNumber(value float64) (any, *Error) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, invalid("key", "a number in a key is not finite")
	}
	return json.Number(strconv.FormatFloat(value, 'e', -1, 64)), nil
}

func (w *keyWriter) listJSON(v reflect.Value, depth int) (any, *Error) {
	list := make([]any, 0, v.Len())
	for i := range v.Len() {
		item, fault := w.valueJSON(v.Index(i), depth+1)
		if fault != nil {
			return nil, fault
		}
		list = append(list, item)
	}
	return list, nil
}

func (w *keyWriter) mapJSON(v reflect.Value, depth int) (any, *Error) {
	object := make(canonical.Object, 0, v.Len())
	for each := v.MapRange(); each.Next(); {
		name, fault := nameJSON(each.Key())
		if fault != nil {
			return nil, fault
		}
		value, fault := w.valueJSON(each.Value(), depth+1)
		if fault != nil {
			return nil, fault
		}
		object = append(object, canonical.Member{Name: name, Value: value})
	}
	return object, nil
}

// nameJSON is the key of a map as a name: text, a number, or what a type says of itself as text.
func nameJSON(v reflect.Value) (string, *Error) {
	var text any
	var fault *Error
	switch marshals, says := v.Interface().(encoding.TextMarshaler); {
	case v.Kind() == reflect.String:
		text, fault = textJSON(v.String())
	case says:
		written, err := marshals.MarshalText()
		if err != nil {
			return "", invalid("key", "a name in a key parameter has no text form")
		}
		text, fault = textJSON(string(written))
	case v.CanInt() || v.CanUint():
		return fmt.Sprint(v), nil
	default:
		fault = invalid("key", "a map in a key parameter has names of %s: texts and integers can be written", v.Type())
	}
	name, _ := text.(string)
	return name, fault
}

func (w *keyWriter) structJSON(v reflect.Value, depth int) (any, *Error) {
	object := canonical.Object{}
	seen := map[string]bool{}
	fault := w.eachField(v, depth, func(name string, value any) *Error {
		if seen[name] {
			return invalid("key", "a key parameter is a %s, which has two fields of one name", v.Type())
		}
		seen[name] = true
		object = append(object, canonical.Member{Name: name, Value: value})
		return nil
	})
	return object, fault
}

// eachField tells the fields of a struct, with those of what is embedded in it. One that JSON leaves out would let different values
// share a key.
func (w *keyWriter) eachField(v reflect.Value, depth int, tell func(string, any) *Error) *Error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if inner := reflect.Indirect(value); field.Anonymous && name == "" && isPlainStruct(field.Type) {
			if inner.IsValid() {
				if fault := w.eachField(inner, depth, tell); fault != nil {
					return fault
				}
			}
			continue
		}
		if !field.IsExported() || tag == "-" {
			return invalid("key", "a key parameter is a %s, of which JSON leaves out the field %s: give the type a method MarshalJSON, "+
				"or pass what makes its values differ", v.Type(), field.Name)
		}
		if isLeftOut(value, options) {
			continue
		}
		if name == "" {
			name = field.Name
		}
		told, fault := w.fieldJSON(value, options, depth)
		if fault == nil {
			fault = tell(name, told)
		}
		if fault != nil {
			return fault
		}
	}
	return nil
}

// isPlainStruct tells whether it is a struct, or a pointer to one, that says nothing of itself.
func isPlainStruct(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	pointer := reflect.PointerTo(t)
	return t.Kind() == reflect.Struct && !pointer.Implements(reflect.TypeFor[json.Marshaler]()) &&
		!pointer.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// isLeftOut: all values that are left out are the same.
func isLeftOut(v reflect.Value, options string) bool {
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitzero":
			if v.IsZero() {
				return true
			}
		case "omitempty":
			switch v.Kind() {
			case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
				if v.Len() == 0 {
					return true
				}
			case reflect.Struct:
			default:
				if v.IsZero() {
					return true
				}
			}
		}
	}
	return false
}

// fieldJSON is the value of a field, as text where its tag says so.
func (w *keyWriter) fieldJSON(v reflect.Value, options string, depth int) (any, *Error) {
	told, fault := w.valueJSON(v, depth+1)
	if fault != nil || told == nil || !strings.Contains(","+options+",", ",string,") {
		return told, fault
	}
	if v.Kind() == reflect.Pointer && v.Type().Name() == "" {
		v = v.Elem()
	}
	if _, says, _ := ownJSON(v); says && v.Type() != reflect.TypeFor[json.Number]() {
		// What a type says of itself stays as it is.
		return told, nil
	}
	return quoted(v, told), nil
}

// quoted is the text that encoding/json writes for a value whose tag has `string`: for other kinds than these the tag means nothing.
func quoted(v reflect.Value, told any) any {
	var plain any
	switch number, is := told.(json.Number); {
	case v.Kind() == reflect.Float32:
		plain = float32(v.Float())
	case v.Kind() == reflect.Float64:
		plain = v.Float()
	case is && (v.CanInt() || v.CanUint() || v.Type() == reflect.TypeFor[json.Number]()):
		return number.String()
	case v.Kind() == reflect.Bool:
		plain = v.Bool()
	case v.Kind() == reflect.String:
		plain = v.String()
	default:
		return told
	}
	// It never fails: numbers that are not finite are refused before.
	text, _ := json.Marshal(plain)
	return string(text)
}
