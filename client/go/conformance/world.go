package main

// What a driver holds: clients and watches by their names, gates, who computed how often, and what is under way. What is done
// with them is in the files of the ops.

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	hotplate "example.invalid/hotplate/client/go"
)

type world struct {
	mu       sync.Mutex
	clients  map[string]*hotplate.Client
	watches  map[string]*watching
	gates    map[string]*gate
	counts   map[string]*counts
	underWay map[int64]underWay
}

type underWay struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// gate is closed when it is released.
type gate struct {
	released chan struct{}
	once     sync.Once
}

// counts is how often a function ran.
type counts struct{ started, finished atomic.Int64 }

func newWorld() *world {
	return &world{
		clients: map[string]*hotplate.Client{}, watches: map[string]*watching{}, gates: map[string]*gate{},
		counts: map[string]*counts{}, underWay: map[int64]underWay{},
	}
}

// begins notes a request; the context ends when it is given up.
func (w *world) begins(id int64) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.underWay[id] = underWay{ctx, cancel}
	return ctx
}

func (w *world) ended(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.underWay[id].cancel()
	delete(w.underWay, id)
}

// cancel gives a request up. One that has ended, or was never made, is none.
func (w *world) cancel(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if request, is := w.underWay[id]; is {
		request.cancel()
	}
}

func (w *world) cancelAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, request := range w.underWay {
		request.cancel()
	}
}

func (w *world) closeAll() {
	w.mu.Lock()
	clients, watches := w.clients, w.watches
	w.clients, w.watches = map[string]*hotplate.Client{}, map[string]*watching{}
	w.mu.Unlock()
	for _, watch := range watches {
		watch.close()
	}
	var closing sync.WaitGroup
	for _, client := range clients {
		closing.Go(func() {
			if err := client.Close(); err != nil {
				slog.Warn("a client was not closed cleanly", "error", err)
			}
		})
	}
	closing.Wait()
}

func (w *world) open(name string, client *hotplate.Client) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clients[name] != nil {
		return fmt.Errorf("there was a client `%s`", name)
	}
	w.clients[name] = client
	return nil
}

func (w *world) close(name string) error {
	w.mu.Lock()
	// It stays under its name: what a closed client answers is asked as well.
	client := w.clients[name]
	w.mu.Unlock()
	if client == nil {
		return fmt.Errorf("there is no client `%s`", name)
	}
	return client.Close()
}

func (w *world) client(name string) (*hotplate.Client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if client := w.clients[name]; client != nil {
		return client, nil
	}
	return nil, fmt.Errorf("there is no client `%s`", name)
}

// space is the namespace that a request names, with the codec it names.
func (w *world) space(of where) (*hotplate.Namespace[json.RawMessage], error) {
	client, err := w.client(of.Client)
	if err != nil {
		return nil, err
	}
	codec, err := codecNamed(of.Codec)
	if err != nil {
		return nil, err
	}
	return hotplate.NS(client, of.Namespace, codec), nil
}

// gate is the gate of a name, released or not.
func (w *world) gate(name string) *gate {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates[name] == nil {
		w.gates[name] = &gate{released: make(chan struct{})}
	}
	return w.gates[name]
}

// countsOf is how often the function of a name ran.
func (w *world) countsOf(name string) *counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[name] == nil {
		w.counts[name] = &counts{}
	}
	return w.counts[name]
}
