package hotplateotel_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
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

	mu       sync.Mutex
	spans    []string
	measures []string
}

// meters notes what is counted and measured, with the labels.
type meters struct {
	noop.MeterProvider

	to *recorder
}

type meter struct {
	noop.Meter

	to *recorder
}

func (m meters) Meter(string, ...metric.MeterOption) metric.Meter { return meter{to: m.to} }

func (m meter) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return counter{name: name, to: m.to}, nil
}

func (m meter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return histogram{name: name, to: m.to}, nil
}

type counter struct {
	noop.Int64Counter

	name string
	to   *recorder
}

func (c counter) Add(_ context.Context, _ int64, options ...metric.AddOption) {
	labels := metric.NewAddConfig(options).Attributes()
	c.to.measured(c.name, labels)
}

type histogram struct {
	noop.Float64Histogram

	name string
	to   *recorder
}

func (h histogram) Record(_ context.Context, _ float64, options ...metric.RecordOption) {
	labels := metric.NewRecordConfig(options).Attributes()
	h.to.measured(h.name, labels)
}

func (r *recorder) measured(name string, labels attribute.Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measures = append(r.measures, name+" "+labels.Encoded(attribute.DefaultEncoder()))
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
	config := trace.NewSpanStartConfig(options...)
	return ctx, &span{plain, t.to, config.SpanKind().String() + " " + name}
}

func (s *span) SetAttributes(all ...attribute.KeyValue) {
	for _, a := range all {
		switch a.Key {
		case "hotplate.result":
			s.name += " " + a.Value.AsString()
		case "cache.hit":
			s.name += " cache.hit"
		}
	}
}

func (s *span) SetStatus(_ codes.Code, text string) { s.name += ": " + text }

func (s *span) End(...trace.SpanEndOption) {
	s.to.mu.Lock()
	defer s.to.mu.Unlock()
	s.to.spans = append(s.to.spans, s.name)
}

func TestEveryOperationIsASpan(t *testing.T) {
	spans := &recorder{TracerProvider: tracenoop.NewTracerProvider()}
	observer, err := hotplateotel.New(spans, meters{to: spans})
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
	_, _ = space.GetOrCompute(t.Context(), hotplate.Text("fails"), func(context.Context) (string, error) {
		return "", errors.New("postgres://user:hunter2@db")
	})
	spans.mu.Lock()
	defer spans.mu.Unlock()
	expected := []string{
		"client hotplate get miss cache.hit", "internal hotplate compute ok", "client hotplate get_or_compute ok",
		"client hotplate get hit cache.hit", "client hotplate invalidate ok", "client hotplate get error: INVALID_ARGUMENT (BAD_KEY)",
		"internal hotplate compute error: ERROR", "client hotplate get_or_compute error: COMPUTE",
	}
	if !slices.Equal(spans.spans, expected) {
		t.Errorf("%q", spans.spans)
	}
	measured := []string{
		"hotplate.client.requests hotplate.namespace=test,op=get,result=miss",
		"hotplate.client.duration hotplate.namespace=test,op=get,result=miss",
	}
	if len(spans.measures) != 2*len(expected) || !slices.Equal(spans.measures[:2], measured) {
		t.Errorf("%q", spans.measures)
	}
}
