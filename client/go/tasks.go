package hotplate

// The one place of the client that starts goroutines: all are counted, and end when their client is closed.

import (
	"context"
	"sync"
)

type tasks struct {
	// ctx ends when the client is closed.
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	running int
	closing bool
	// idle is closed when nothing runs any more after closing.
	idle chan struct{}
}

func newTasks() *tasks {
	ctx, cancel := context.WithCancel(context.Background())
	return &tasks{ctx: ctx, cancel: cancel, idle: make(chan struct{})}
}

// start runs a task, which has to end when its context does. After the client was closed nothing is started: false.
func (t *tasks) start(task func(ctx context.Context)) bool {
	if !t.enter(false) {
		return false
	}
	go func() {
		defer t.leave()
		task(t.ctx)
	}()
	return true
}

// lastWord runs a task that has to be told to the server even when the client ends now, on a context of its own that the
// caller bounds. It is not run where all has ended already.
func (t *tasks) lastWord(task func()) {
	if !t.enter(true) {
		return
	}
	go func() {
		defer t.leave()
		task()
	}()
}

func (t *tasks) enter(alsoLast bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A last word is said by someone who still runs: as long as one does, another may begin.
	if t.closing && (!alsoLast || t.running == 0) {
		return false
	}
	t.running++
	return true
}

func (t *tasks) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running--; t.running == 0 && t.closing {
		close(t.idle)
	}
}

// isOver tells whether all tasks were told to end.
func (t *tasks) isOver() bool { return t.ctx.Err() != nil }

// close tells all tasks to end, and gives a channel that is closed when they have.
func (t *tasks) close() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closing {
		t.closing = true
		t.cancel()
		if t.running == 0 {
			close(t.idle)
		}
	}
	return t.idle
}
