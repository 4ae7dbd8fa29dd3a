package hotplateotel_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/hotplateotel"
	"example.invalid/hotplate/client/go/hotplatetest"
)

// collector keeps what is to be asked when metrics are collected, and what it then observes.
type collector struct {
	noop.MeterProvider

	collect  metric.Callback
	observed map[string]int64
}

type collecting struct {
	noop.Meter

	to *collector
}

type gauge struct {
	noop.Int64ObservableGauge

	name string
}

type total struct {
	noop.Int64ObservableCounter

	name string
}

type observer struct {
	noop.Observer

	to *collector
}

func (c *collector) Meter(string, ...metric.MeterOption) metric.Meter { return collecting{to: c} }

func (collecting) Int64ObservableGauge(name string, _ ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	return gauge{name: name}, nil
}

func (collecting) Int64ObservableCounter(
	name string, _ ...metric.Int64ObservableCounterOption,
) (metric.Int64ObservableCounter, error) {
	return total{name: name}, nil
}

func (c collecting) RegisterCallback(collect metric.Callback, _ ...metric.Observable) (metric.Registration, error) {
	c.to.collect = collect
	return noop.Registration{}, nil
}

func (o observer) ObserveInt64(of metric.Int64Observable, value int64, options ...metric.ObserveOption) {
	name := ""
	switch is := of.(type) {
	case gauge:
		name = is.name
	case total:
		name = is.name
	}
	if labels := metric.NewObserveConfig(options).Attributes(); labels.Len() > 0 {
		in, _ := labels.Value("hotplate.namespace")
		name += " of " + in.AsString()
	}
	o.to.observed[name] = value
}

func TestAClientIsToldOfWheneverMetricsAreCollected(t *testing.T) {
	client := hotplatetest.New(t).Client(hotplate.WithNearCache(hotplate.NearOptions{}))
	c := &collector{observed: map[string]int64{}}
	if _, err := hotplateotel.Register(c, client); err != nil {
		t.Fatal(err)
	}
	space := hotplate.NS(client, "n", hotplate.String())
	if _, err := space.Get(t.Context(), hotplate.Text("k")); err != nil {
		t.Fatal(err)
	}
	if err := c.collect(context.Background(), observer{to: c}); err != nil {
		t.Fatal(err)
	}
	for name, expected := range map[string]int64{
		"hotplate.client.available": 1, "hotplate.client.invalidations_waiting": 0, "hotplate.client.outages": 0,
		"hotplate.client.near_cache.hits of n": 0, "hotplate.client.near_cache.misses of n": 1,
		"hotplate.client.near_cache.entries of n": 0, "hotplate.client.near_cache.bytes of n": 0,
	} {
		if got, told := c.observed[name]; !told || got != expected {
			t.Errorf("%s: %d, %v; all of it: %v", name, got, told, c.observed)
		}
	}
}
