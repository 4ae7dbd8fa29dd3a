package main

// Vectors: what needs no client.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/internal/vectors"
)

func keyVector(_ context.Context, _ *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Calls []vectors.Call
	}](line)
	if err != nil {
		return nil, err
	}
	made, err := vectors.Key(a.Calls)
	if err != nil {
		return nil, err
	}
	text, err := made.KeyText()
	return map[string]any{"key": text}, err
}

func floatVector(_ context.Context, _ *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Bits string
	}](line)
	if err != nil {
		return nil, err
	}
	bits, err := strconv.ParseUint(a.Bits, 16, 64)
	if err != nil {
		return nil, err
	}
	text, err := hotplate.Key("k").Param("p", math.Float64frombits(bits)).KeyText()
	return map[string]any{"text": strings.TrimPrefix(text, "k:p_")}, err
}

func ttlParse(_ context.Context, _ *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Text string
	}](line)
	if err != nil {
		return nil, err
	}
	lasting, err := hotplate.ParseLifetime(a.Text)
	if err != nil {
		return nil, err
	}
	if lasting.Class() != "" {
		return map[string]any{"class": string(lasting.Class())}, nil
	}
	return map[string]any{"ms": lasting.Duration().Milliseconds()}, nil
}

func ttlFormat(_ context.Context, _ *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		MS millis
	}](line)
	if err != nil {
		return nil, err
	}
	return map[string]any{"text": hotplate.FormatDuration(a.MS.duration())}, nil
}

func encode(_ context.Context, _ *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Value json.RawMessage
	}](line)
	if err != nil {
		return nil, err
	}
	codec, err := codecNamed(a.Codec)
	if err != nil {
		return nil, err
	}
	content, err := codec.Encode(a.Value)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"content_type": codec.ContentType(), "bytes": base64.StdEncoding.EncodeToString(content),
	}, nil
}

func decode(_ context.Context, _ *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		ContentType     string `json:"content_type"`
		ContentEncoding string `json:"content_encoding"`
		Bytes           string
	}](line)
	if err != nil {
		return nil, err
	}
	codec, err := codecNamed(a.Codec)
	if err != nil {
		return nil, err
	}
	content, err := base64.StdEncoding.DecodeString(a.Bytes)
	if err != nil {
		return nil, err
	}
	value, err := hotplate.Decode(codec, a.ContentType, a.ContentEncoding, content)
	return map[string]any{"value": value}, err
}

func nearCase(_ context.Context, _ *world, line []byte) (any, error) {
	a, err := read[struct {
		where
		Settings json.RawMessage
		Case     json.RawMessage
	}](line)
	if err != nil {
		return nil, err
	}
	var settings vectors.NearSettings
	var c vectors.NearCase
	if err := json.Unmarshal(a.Settings, &settings); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(a.Case, &c); err != nil {
		return nil, err
	}
	run := vectors.NewNearRun(settings, &c)
	steps := make([]any, 0, len(c.Steps))
	for i := range c.Steps {
		came, err := run.Step(&c.Steps[i])
		if err != nil {
			return nil, err
		}
		steps = append(steps, came)
	}
	return map[string]any{"steps": steps}, nil
}
