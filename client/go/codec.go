package hotplate

// How values become bytes and back, and what content type says so. Which codec a namespace uses is its caller's choice. JSON lives in
// codec_json.go.

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
)

// Codec is a way to write values of one type. Reading checks the content type first: bytes of another kind are an error,
// never a guess. A codec must not run code that it reads, nor keep or change the bytes it is given.
type Codec[T any] interface {
	// ContentType is the media type of what it writes.
	ContentType() string
	// Reads tells whether it reads values of this media type.
	Reads(contentType string) bool
	// Encode is the value as bytes. They are not copied: do not change them afterwards.
	Encode(value T) ([]byte, error)
	// Decode is the value that the bytes hold. Its error must not quote them.
	Decode(content []byte) (T, error)
}

// Essence is a media type without its parameters, in lower case.
func Essence(contentType string) string {
	essence, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(essence))
}

// Decode reads a stored value that came by itself, such as by a [Namespace.Watch]: it checks what the value says of itself first.
//
// Errors: [ErrCodec].
func Decode[T any](codec Codec[T], contentType, encoding string, content []byte) (T, error) {
	return decodeChecked(codec, contentType, encoding, content)
}

// decodeChecked checks what a stored value says of itself, then reads it.
func decodeChecked[T any](codec Codec[T], contentType, encoding string, content []byte) (T, error) {
	var none T
	if !codec.Reads(contentType) {
		named := contentType
		if named == "" {
			named = "no content type"
		}
		return none, failure(KindCodec, "the stored value has %s, not %s", named, codec.ContentType())
	}
	if encoding != "" {
		return none, failure(KindCodec, "the stored value is encoded with `%s`, which is not read here", encoding)
	}
	value, err := codec.Decode(content)
	if err != nil {
		return none, codecError(err)
	}
	return value, nil
}

func codecError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindCodec, Message: err.Error(), cause: err}
}

// Bytes reads values of every content type as they are, and writes application/octet-stream.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) ContentType() string                   { return "application/octet-stream" }
func (bytesCodec) Reads(string) bool                     { return true }
func (bytesCodec) Encode(value []byte) ([]byte, error)   { return value, nil }
func (bytesCodec) Decode(content []byte) ([]byte, error) { return bytes.Clone(content), nil }

// String writes text as text/plain in UTF-8, and reads every kind of text/ and application/octet-stream that is UTF-8.
func String() Codec[string] { return stringCodec{} }

type stringCodec struct{}

func (stringCodec) ContentType() string { return "text/plain; charset=utf-8" }

func (stringCodec) Reads(contentType string) bool {
	essence := Essence(contentType)
	return strings.HasPrefix(essence, "text/") || essence == "application/octet-stream"
}

func (stringCodec) Encode(value string) ([]byte, error) { return []byte(value), nil }

func (stringCodec) Decode(content []byte) (string, error) {
	if !utf8.Valid(content) {
		return "", failure(KindCodec, "the stored value is not UTF-8")
	}
	return string(content), nil
}

// Proto reads and writes application/x-protobuf of one message type, whose name is the parameter `type`. The argument
// makes an empty message: func() *pb.Thing { return &pb.Thing{} }.
func Proto[M proto.Message](empty func() M) Codec[M] {
	name := string(empty().ProtoReflect().Descriptor().FullName())
	return protoCodec[M]{empty: empty, contentType: "application/x-protobuf;type=" + name}
}

type protoCodec[M proto.Message] struct {
	empty       func() M
	contentType string
}

func (c protoCodec[M]) ContentType() string { return c.contentType }

func (c protoCodec[M]) Reads(contentType string) bool {
	return strings.ReplaceAll(contentType, " ", "") == c.contentType
}

func (c protoCodec[M]) Encode(value M) ([]byte, error) {
	// Deterministic, so that equal messages have equal etags.
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(value)
	if err != nil {
		return nil, failure(KindCodec, "the message cannot be written: a required field is missing or text is not UTF-8")
	}
	return content, nil
}

func (c protoCodec[M]) Decode(content []byte) (M, error) {
	message := c.empty()
	if err := proto.Unmarshal(content, message); err != nil {
		var none M
		return none, failure(KindCodec, "the stored message is damaged")
	}
	return message, nil
}
