package hotplateotel

// What a client is and keeps, read whenever metrics are collected.

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	hotplate "example.invalid/hotplate/client/go"
)

// Register has metrics tell of a client whenever they are collected:
//
//   - hotplate.client.available: 1 while the cache is there, 0 while it is found to be away or turned off.
//   - hotplate.client.outages, reads_without_cache, writes_dropped, invalidations_queued and invalidations_waiting, each after
//     hotplate.client: how often, and how many.
//   - hotplate.client.near_cache.hits, misses, entries and bytes, by hotplate.namespace.
//
// Unregister what it gives before the client is closed.
//
// Errors: what the meter says of the instruments.
func Register(metrics metric.MeterProvider, client *hotplate.Client) (metric.Registration, error) {
	g := gauges{meter: metrics.Meter(scope, metric.WithInstrumentationVersion(hotplate.Version))}
	available := g.gauge("hotplate.client.available", "Whether the cache is there.")
	waiting := g.gauge("hotplate.client.invalidations_waiting", "Invalidations that wait for the server to come back.")
	outages := g.counter("hotplate.client.outages", "How often the cache was found to be away.")
	reads := g.counter("hotplate.client.reads_without_cache", "Reads that were misses because the cache was away.")
	writes := g.counter("hotplate.client.writes_dropped", "Writes that were dropped because the cache was away.")
	queued := g.counter("hotplate.client.invalidations_queued", "Selectors that were remembered for later.")
	hits := g.counter("hotplate.client.near_cache.hits", "Reads answered from this process.")
	misses := g.counter("hotplate.client.near_cache.misses", "Reads of namespaces with a near cache that went to the server.")
	entries := g.gauge("hotplate.client.near_cache.entries", "Copies that are kept in this process.")
	bytes := g.gauge("hotplate.client.near_cache.bytes", "Bytes that are counted for them.")
	if g.err != nil {
		return nil, g.err
	}
	return g.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		is := int64(0)
		if client.Available() {
			is = 1
		}
		o.ObserveInt64(available, is)
		o.ObserveInt64(waiting, int64(client.InvalidationsWaiting()))
		d := client.Degradation()
		o.ObserveInt64(outages, int64(d.Outages))
		o.ObserveInt64(reads, int64(d.ReadsWithoutCache))
		o.ObserveInt64(writes, int64(d.WritesDropped))
		o.ObserveInt64(queued, int64(d.InvalidationsQueued))
		for name, near := range client.NearStats() {
			of := metric.WithAttributes(attribute.String("hotplate.namespace", name))
			o.ObserveInt64(hits, int64(near.Hits), of)
			o.ObserveInt64(misses, int64(near.Misses), of)
			o.ObserveInt64(entries, int64(near.Entries), of)
			o.ObserveInt64(bytes, near.Bytes, of)
		}
		return nil
	}, g.all...)
}

// gauges makes instruments, and keeps the first failure.
type gauges struct {
	meter metric.Meter
	all   []metric.Observable
	err   error
}

func (g *gauges) gauge(name, what string) metric.Int64ObservableGauge {
	made, err := g.meter.Int64ObservableGauge(name, metric.WithDescription(what))
	g.keep(made, err)
	return made
}

func (g *gauges) counter(name, what string) metric.Int64ObservableCounter {
	made, err := g.meter.Int64ObservableCounter(name, metric.WithDescription(what))
	g.keep(made, err)
	return made
}

func (g *gauges) keep(made metric.Observable, err error) {
	g.all = append(g.all, made)
	if g.err == nil {
		g.err = err
	}
}
