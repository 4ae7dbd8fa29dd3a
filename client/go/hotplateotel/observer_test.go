package hotplateotel_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplateotel"
	"example.invalid/hotplate/client/go/hotplatetest"
)

// recorder notes the names of spans and what they end with.
type recorder struct {
	trace.TracerProvider

	mu    sync.Mutex
	spans []string
}

type tracer struct {
	trace.Tracer

	to *recorder
}

type span struct {
	trace.Span

	to   *recorder
	name string
}

func (r *recorder) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return tracer{r.TracerProvider.Tracer(name, options...), r}
}

func (t tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, plain := t.Tracer.Start(ctx, name, options...)
	return ctx, &span{plain, t.to, name}
}

func (s *span) SetAttributes(all ...attribute.KeyValue) {
	for _, a := range all {
		if a.Key == "hotplate.result" {
			s.name += " " + a.Value.AsString()
		}
	}
}

func (s *span) End(...trace.SpanEndOption) {
	s.to.mu.Lock()
	defer s.to.mu.Unlock()
	s.to.spans = append(s.to.spans, s.name)
}

func TestEveryOperationIsASpan(t *testing.T) {
	spans := &recorder{TracerProvider: tracenoop.NewTracerProvider()}
	observer, err := hotplateotel.New(spans, noop.NewMeterProvider())
	if err != nil {
		t.Fatal(err)
	}
	space := hotplate.NS(hotplatetest.Fake(t, hotplate.WithObserver(observer)).Client, "", hotplate.String())
	key := hotplate.Text("k")
	_, _ = space.Get(t.Context(), key)
	_, _ = space.GetOrCompute(t.Context(), key, func(context.Context) (string, error) { return "v", nil })
	_, _ = space.Get(t.Context(), key)
	_, _ = space.Remove(t.Context(), key)
	_, _ = space.Get(t.Context(), hotplate.Text(""))
	spans.mu.Lock()
	defer spans.mu.Unlock()
	expected := []string{
		"hotplate get miss", "hotplate compute ok", "hotplate get_or_compute ok", "hotplate get hit", "hotplate invalidate ok",
		"hotplate get error",
	}
	if !slices.Equal(spans.spans, expected) {
		t.Errorf("%q", spans.spans)
	}
}
