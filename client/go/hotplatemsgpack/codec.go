// Package hotplatemsgpack reads and writes values as MessagePack: compact, with field names, readable by many languages.
package hotplatemsgpack

import (
	"bytes"
	"errors"
	"io"

	"github.com/vmihailenco/msgpack/v5"

	hotplate "example.invalid/hotplate/client/go"
)

// contentType is what every client writes MessagePack as.
const contentType = "application/msgpack"

// Codec reads and writes application/msgpack. Fields are named by their `json` tags, so that one struct has the same names in
// both. Integers, texts, lists and maps have their shortest form and floats are 64-bit ones, as in every language; the names of
// a map are sorted.
func Codec[T any]() hotplate.Codec[T] { return codec[T]{} }

type codec[T any] struct{}

func (codec[T]) ContentType() string { return contentType }

func (codec[T]) Reads(named string) bool { return hotplate.Essence(named) == contentType }

func (codec[T]) Encode(value T) ([]byte, error) {
	var content bytes.Buffer
	encoder := msgpack.NewEncoder(&content)
	encoder.SetCustomStructTag("json")
	encoder.UseCompactInts(true)
	encoder.SetSortMapKeys(true)
	if err := encoder.Encode(value); err != nil {
		return nil, errors.New("the value has no MessagePack form")
	}
	return content.Bytes(), nil
}

func (codec[T]) Decode(content []byte) (T, error) {
	var value, none T
	read := bytes.NewReader(content)
	decoder := msgpack.NewDecoder(read)
	decoder.SetCustomStructTag("json")
	decoder.UseLooseInterfaceDecoding(true)
	// The cause's own text may quote the value.
	if err := decoder.Decode(&value); err != nil {
		return none, errors.New("the stored MessagePack has another shape")
	}
	// Bytes left over mean that these were never written as this type.
	if _, err := decoder.Buffered().Read(make([]byte, 1)); !errors.Is(err, io.EOF) || read.Len() > 0 {
		return none, errors.New("the stored MessagePack has another shape")
	}
	return value, nil
}
