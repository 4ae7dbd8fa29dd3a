// Command bench measures the Go client against a server, and prints one JSON object: {mode, ops_per_s, p50_us, p99_us, errors}.
// Modes: unary (one Get a call), batched (100 Gets a call), near (reads kept in this process), herd (many callers of one
// computation, of this and of other processes that run it at the same time; then computations and max_wait_ms are told as well).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	hotplate "example.invalid/hotplate/client/go"
)

const (
	keys      = 1_000
	batchSize = 100
	// latenciesMax of each caller are kept, so that a long run stays within memory.
	latenciesMax = 1 << 20
	// herdTakes is how long the computation of the herd is.
	herdTakes = 2 * time.Second
)

type flags struct {
	url       string
	mode      string
	seconds   float64
	inFlight  int
	valueSize int
}

type report struct {
	Mode         string  `json:"mode"`
	OpsPerS      float64 `json:"ops_per_s"`
	P50us        float64 `json:"p50_us"`
	P99us        float64 `json:"p99_us"`
	Errors       int64   `json:"errors"`
	Computations *int64  `json:"computations,omitempty"`
	MaxWaitMS    *int64  `json:"max_wait_ms,omitempty"`
}

func main() {
	var f flags
	flag.StringVar(&f.url, "url", os.Getenv("HOTPLATE_URL"), "address of the server")
	flag.StringVar(&f.mode, "mode", "unary", "unary, batched, near or herd")
	flag.Float64Var(&f.seconds, "seconds", 5, "how long to measure")
	flag.IntVar(&f.inFlight, "in-flight", 32, "callers at the same time")
	flag.IntVar(&f.valueSize, "value-size", 1024, "bytes of a value")
	flag.Parse()
	measured, err := run(context.Background(), f)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(measured)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) (r report, err error) {
	if f.inFlight < 1 || f.valueSize < 0 || f.seconds <= 0 {
		return report{}, errors.New("--in-flight and --seconds are above zero, --value-size is not below")
	}
	var options []hotplate.Option
	if f.mode == "near" {
		options = append(options, hotplate.WithNearCache(hotplate.NearOptions{}))
	}
	client, err := hotplate.New(f.url, append(options, hotplate.WithOnError(hotplate.OnErrorRaise))...)
	if err != nil {
		return report{}, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	space := hotplate.NS(client, "", hotplate.Bytes())
	if f.mode == "herd" {
		return herd(ctx, space, f)
	}
	names, err := fill(ctx, space, f.valueSize)
	if err != nil {
		return report{}, err
	}
	switch f.mode {
	case "unary":
		return measure(f, 1, func(at int) error { return hitOf(space.Get(ctx, names[at%keys])) }), nil
	case "near":
		return measure(f, 1, func(at int) error { return hitOf(space.GetShared(ctx, names[at%keys])) }), nil
	case "batched":
		return measure(f, batchSize, func(at int) error {
			from := at * batchSize % keys
			all, err := space.GetMany(ctx, names[from:from+batchSize])
			for _, found := range all {
				err = errors.Join(err, hitOf(found.Lookup, found.Fault))
			}
			return err
		}), nil
	}
	return report{}, fmt.Errorf("there is no mode %q: unary, batched, near or herd", f.mode)
}

func fill(ctx context.Context, space *hotplate.Namespace[[]byte], size int) ([]hotplate.AsKey, error) {
	names := make([]hotplate.AsKey, 0, keys)
	value := make([]byte, size)
	for i := range keys {
		names = append(names, hotplate.Text(fmt.Sprintf("bench:go:%d", i)))
		if _, err := space.Put(ctx, names[i], value, hotplate.TTL(time.Hour)); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func hitOf[T any](found hotplate.Lookup[T], err error) error {
	if err == nil && found.Outcome != hotplate.Hit {
		err = errors.New("a miss")
	}
	return err
}

// measure has that many callers do something again and again.
func measure(f flags, each int, do func(at int) error) report {
	ends := time.Now().Add(time.Duration(f.seconds * float64(time.Second)))
	began := time.Now()
	var failed, done atomic.Int64
	latencies := make([][]time.Duration, f.inFlight)
	var callers sync.WaitGroup
	for caller := range f.inFlight {
		callers.Go(func() {
			for at := caller * 31; time.Now().Before(ends); at++ {
				before := time.Now()
				if err := do(at); err != nil {
					failed.Add(1)
				}
				if len(latencies[caller]) < latenciesMax {
					latencies[caller] = append(latencies[caller], time.Since(before))
				}
				done.Add(int64(each))
			}
		})
	}
	callers.Wait()
	r := report{Mode: f.mode, OpsPerS: float64(done.Load()) / time.Since(began).Seconds(), Errors: failed.Load()}
	r.P50us, r.P99us = quantiles(slices.Concat(latencies...))
	return r
}

func quantiles(all []time.Duration) (p50, p99 float64) {
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	micros := func(share float64) float64 {
		return float64(all[int(share*float64(len(all)-1))].Nanoseconds()) / 1_000
	}
	return micros(0.5), micros(0.99)
}

// herd has all callers ask for one computation at once.
func herd(ctx context.Context, space *hotplate.Namespace[[]byte], f flags) (report, error) {
	var computations, failed atomic.Int64
	latencies := make([]time.Duration, f.inFlight)
	began := time.Now()
	var callers sync.WaitGroup
	for caller := range f.inFlight {
		callers.Go(func() {
			_, err := space.GetOrCompute(ctx, hotplate.Text("bench:herd"), func(ctx context.Context) ([]byte, error) {
				computations.Add(1)
				select {
				case <-time.After(herdTakes):
					return make([]byte, f.valueSize), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}, hotplate.TTL(time.Minute))
			if err != nil {
				failed.Add(1)
			}
			latencies[caller] = time.Since(began)
		})
	}
	callers.Wait()
	ran, longest := computations.Load(), slices.Max(latencies).Milliseconds()
	r := report{
		Mode: f.mode, OpsPerS: float64(f.inFlight) / time.Since(began).Seconds(), Errors: failed.Load(),
		Computations: &ran, MaxWaitMS: &longest,
	}
	r.P50us, r.P99us = quantiles(latencies)
	return r, nil
}
