package main

// How values are written in requests and answers, and the codecs over them: JSON as it is, bytes in three forms.

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplatemsgpack"
)

// answeredMax bytes are answered as they are; of longer ones, their hash is.
const answeredMax = 4_096

// special is a value that stands for bytes.
type special struct {
	Bytes *string `json:"$bytes"`
	Fill  *struct {
		Bytes int64
		Seed  int64
	} `json:"$fill"`
}

// bytesOf are the bytes that a value stands for; nil for plain JSON.
func bytesOf(value json.RawMessage) ([]byte, error) {
	var s special
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return nil, errors.New("the value is not bytes")
	}
	switch {
	case s.Bytes != nil:
		return base64.StdEncoding.DecodeString(*s.Bytes)
	case s.Fill != nil:
		filled := make([]byte, s.Fill.Bytes)
		for i := range filled {
			n := int64(i)
			filled[i] = byte((n*31 + n/251*7 + s.Fill.Seed) & 255)
		}
		return filled, nil
	}
	return nil, errors.New("the value is not bytes")
}

// ofBytes is how bytes are answered.
func ofBytes(content []byte) map[string]any {
	if len(content) <= answeredMax {
		return map[string]any{"$bytes": base64.StdEncoding.EncodeToString(content)}
	}
	sum := sha256.Sum256(content)
	return map[string]any{"$sha256": hex.EncodeToString(sum[:]), "bytes": len(content)}
}

// codecNamed is a codec of the client, over values as requests write them.
func codecNamed(name string) (hotplate.Codec[json.RawMessage], error) {
	switch name {
	case "", "json":
		return hotplate.JSON[json.RawMessage](), nil
	case "raw":
		return adapted[[]byte]{hotplate.Bytes(), bytesOf, func(content []byte) (json.RawMessage, error) {
			return json.Marshal(ofBytes(content))
		}}, nil
	case "msgpack":
		return adapted[any]{hotplatemsgpack.Codec[any](), plainValue, func(value any) (json.RawMessage, error) {
			return json.Marshal(value)
		}}, nil
	}
	return nil, unsupported("there is no codec `" + name + "`")
}

// adapted is a codec of the client whose values are of another type than those of requests.
type adapted[T any] struct {
	hotplate.Codec[T]
	in  func(json.RawMessage) (T, error)
	out func(T) (json.RawMessage, error)
}

func (a adapted[T]) Encode(value json.RawMessage) ([]byte, error) {
	inner, err := a.in(value)
	if err != nil {
		return nil, err
	}
	return a.Codec.Encode(inner)
}

func (a adapted[T]) Decode(content []byte) (json.RawMessage, error) {
	inner, err := a.Codec.Decode(content)
	if err != nil {
		return nil, err
	}
	return a.out(inner)
}

// plainValue reads JSON with whole numbers as such.
func plainValue(text json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("the value is no JSON: %w", err)
	}
	return withNumbers(value)
}

func withNumbers(value any) (any, error) {
	var err error
	switch v := value.(type) {
	case json.Number:
		if whole, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return whole, nil
		}
		if whole, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return whole, nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			if v[i], err = withNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = withNumbers(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}
