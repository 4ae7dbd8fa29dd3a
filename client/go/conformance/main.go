// Command conformance is the driver of the Go client: it does what it is told on its standard input, and answers on its standard
// output; tests/conformance/PROTOCOL.md says how. It knows no scenario and judges nothing.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	hotplate "example.invalid/hotplate/client/go"
)

// lineBytesMax of a request: a value of some megabytes in base64.
const lineBytesMax = 256 << 20

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := serve(os.Stdin, os.Stdout); err != nil {
		slog.Error("the driver ended", "error", err)
		os.Exit(1)
	}
}

// serve carries out requests until there are no more, then closes everything.
func serve(in io.Reader, out io.Writer) error {
	w := newWorld()
	answers := &writer{out: json.NewEncoder(out)}
	answers.out.SetEscapeHTML(false)
	answers.say(map[string]any{"hello": map[string]any{
		"language": "go", "version": hotplate.Version, "protocol": 1,
	}})
	lines := bufio.NewReaderSize(in, 1<<20)
	var running sync.WaitGroup
	for {
		line, err := readLine(lines)
		if len(line) > 0 {
			begin(w, &running, answers, line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	w.cancelAll()
	w.closeAll()
	running.Wait()
	return answers.failed()
}

func readLine(lines *bufio.Reader) ([]byte, error) {
	line, err := lines.ReadBytes('\n')
	if len(line) > lineBytesMax {
		return nil, fmt.Errorf("a request of %d bytes", len(line))
	}
	return line, err
}

// begin starts a request. It is noted before the next line is read, so that it can be cancelled by that.
func begin(w *world, running *sync.WaitGroup, answers *writer, line []byte) {
	var head struct {
		ID int64  `json:"id"`
		Op string `json:"op"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		answers.say(map[string]any{"id": head.ID, "fault": fmt.Sprintf("no request: %v", err)})
		return
	}
	ctx := w.begins(head.ID)
	do := func() {
		defer w.ended(head.ID)
		answers.say(answerOf(ctx, w, head.ID, head.Op, line))
	}
	if head.Op == "open" {
		// Whoever does not wait for the answer finds the client all the same.
		do()
		return
	}
	running.Go(do)
}

func answerOf(ctx context.Context, w *world, id int64, name string, line []byte) map[string]any {
	answer := map[string]any{"id": id}
	result, err := carryOut(ctx, w, name, line)
	var refused *hotplate.Error
	var missing unsupported
	switch {
	case err == nil:
		answer["ok"] = result
	case errors.As(err, &missing):
		answer["unsupported"] = string(missing)
	case errors.As(err, &refused):
		answer["error"] = ofError(refused)
	default:
		answer["fault"] = err.Error()
	}
	return answer
}

// unsupported is what the client has not.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// ofError is a failure as the client reported it.
func ofError(e *hotplate.Error) map[string]any {
	details := e.Details
	if details == nil {
		details = map[string]string{}
	}
	answer := map[string]any{
		"kind": e.Kind.String(), "reason": nil, "field": nil, "message": e.Message, "retry_after_ms": nil, "details": details,
	}
	if e.Reason != "" {
		answer["reason"] = e.Reason
	}
	if e.Field != "" {
		answer["field"] = e.Field
	}
	if e.RetryAfter > 0 {
		answer["retry_after_ms"] = e.RetryAfter.Milliseconds()
	}
	return answer
}

// writer writes answers, one at a time.
type writer struct {
	mu  sync.Mutex
	out *json.Encoder
	err error
}

func (w *writer) say(answer any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = w.out.Encode(answer)
	}
}

func (w *writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
