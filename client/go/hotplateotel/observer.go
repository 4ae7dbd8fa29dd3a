// Package hotplateotel tells OpenTelemetry of what a client does: a span and a count for every operation, with neither keys nor
// values.
package hotplateotel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	hotplate "example.invalid/hotplate/client/go"
)

const scope = "example.invalid/hotplate/client/go/hotplateotel"

// Observer is for [hotplate.WithObserver].
type Observer struct {
	tracer   trace.Tracer
	requests metric.Int64Counter
	seconds  metric.Float64Histogram
}

// New makes one of a program's providers. Spans are called `hotplate get` and so on, with hotplate.namespace, and for reads cache.hit,
// cache.tier and cache.near; one that failed has the kind of the failure and its reason, not its text; the counter is hotplate.client.requests and the histogram hotplate.client.duration, in seconds, both
// by op and result.
//
// Errors: what the meter says of the instruments.
func New(traces trace.TracerProvider, metrics metric.MeterProvider) (*Observer, error) {
	meter := metrics.Meter(scope, metric.WithInstrumentationVersion(hotplate.Version))
	requests, err := meter.Int64Counter("hotplate.client.requests", metric.WithDescription("Operations, by what came of them."))
	if err != nil {
		return nil, err
	}
	seconds, err := meter.Float64Histogram("hotplate.client.duration", metric.WithUnit("s"),
		metric.WithDescription("How long operations took, by what came of them."))
	if err != nil {
		return nil, err
	}
	tracer := traces.Tracer(scope, trace.WithInstrumentationVersion(hotplate.Version))
	return &Observer{tracer: tracer, requests: requests, seconds: seconds}, nil
}

// told is what a span may hold of a failure: its kind and reason. The text of a computation's may be anything.
func told(err error) string {
	var failed *hotplate.Error
	switch {
	case !errors.As(err, &failed):
		return "ERROR"
	case failed.Reason != "":
		return failed.Kind.String() + " (" + failed.Reason + ")"
	default:
		return failed.Kind.String()
	}
}

// Begin begins a span; the operation's own context has it.
func (o *Observer) Begin(ctx context.Context, operation hotplate.Operation) (context.Context, func(hotplate.Result)) {
	began := time.Now()
	kind := trace.SpanKindClient
	if operation.Name == "compute" {
		// The program's own work.
		kind = trace.SpanKindInternal
	}
	ctx, span := o.tracer.Start(ctx, "hotplate "+operation.Name, trace.WithSpanKind(kind),
		trace.WithAttributes(attribute.String("hotplate.namespace", operation.Namespace)))
	return ctx, func(result hotplate.Result) {
		labels := metric.WithAttributes(
			attribute.String("op", operation.Name), attribute.String("result", result.Outcome),
			attribute.String("hotplate.namespace", operation.Namespace))
		o.requests.Add(ctx, 1, labels)
		o.seconds.Record(ctx, time.Since(began).Seconds(), labels)
		span.SetAttributes(attribute.String("hotplate.result", result.Outcome))
		switch result.Outcome {
		case hotplate.Hit.String(), hotplate.Miss.String(), hotplate.Negative.String():
			span.SetAttributes(attribute.Bool("cache.hit", result.Outcome == hotplate.Hit.String()))
		}
		if result.Tier != hotplate.TierUnknown {
			span.SetAttributes(attribute.String("cache.tier", result.Tier.String()), attribute.Bool("cache.near", result.Near))
		}
		if result.Err != nil {
			span.SetStatus(codes.Error, told(result.Err))
		}
		span.End()
	}
}
