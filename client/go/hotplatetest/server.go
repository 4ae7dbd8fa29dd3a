// Package hotplatetest is for the tests of programs that use the cache: New starts a real server, Fake is one in memory
// without a process.
package hotplatetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	hotplate "example.invalid/hotplate/client/go"
)

const (
	// startWithin bounds the start of a server, on slow and busy machines.
	startWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
	logBytesMax = 64 << 10
)

// Server is a real server in a process of its own, with the profile `testing` and room for 100,000 entries, on a free port. It
// holds nothing on disk, and is stopped when the test ends; on Linux also when the tests end without their cleanups.
type Server struct {
	// Address is where it listens, host and port.
	Address string

	t       testing.TB
	args    []string
	mu      sync.Mutex
	process *process
}

// Option is how a server is started.
type Option func(*Server)

// Args adds arguments of `hotplate serve`, such as --config and a file.
func Args(args ...string) Option { return func(s *Server) { s.args = append(s.args, args...) } }

// New starts a server. The program is $HOTPLATE_BIN, else `hotplate` of the search path. The test fails when it does not
// start.
func New(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{t: t}
	for _, option := range options {
		option(s)
	}
	t.Cleanup(s.stop)
	s.start("127.0.0.1:0")
	return s
}

// URL is the address with a namespace.
func (s *Server) URL(namespace string) string { return "hotplate://" + s.Address + "/" + namespace }

// ProcessID is the id of the server's process; zero while it does not run.
func (s *Server) ProcessID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.command.Process.Pid
}

// Client is a client of the server, whose default namespace is `test`. It is closed when the test ends.
func (s *Server) Client(options ...hotplate.Option) *hotplate.Client {
	s.t.Helper()
	client, err := hotplate.New(s.URL("test"), options...)
	if err != nil {
		s.t.Fatalf("hotplatetest: %v", err)
	}
	s.t.Cleanup(func() {
		if err := client.Close(); err != nil {
			s.t.Errorf("hotplatetest: %v", err)
		}
	})
	return client
}

// Kill ends the server at once, without a word to anyone.
func (s *Server) Kill() {
	s.t.Helper()
	s.end(os.Kill)
}

// Pause stops the server from running, without closing anything: it looks frozen. Resume goes on.
// Only where processes can be paused: not on Windows.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(pause)
	s.untilStopped()
}

// untilStopped waits until none of its threads runs any more, where the system tells.
func (s *Server) untilStopped() {
	s.t.Helper()
	s.mu.Lock()
	threads := fmt.Sprintf("/proc/%d/task", s.process.command.Process.Pid)
	s.mu.Unlock()
	for ends := time.Now().Add(stopWithin); time.Now().Before(ends); time.Sleep(time.Millisecond) {
		all, err := filepath.Glob(filepath.Join(threads, "*", "stat"))
		running := slices.ContainsFunc(all, func(path string) bool {
			stat, err := os.ReadFile(path)
			return err == nil && !bytes.Contains(stat, []byte(") T "))
		})
		if err != nil || !running {
			return
		}
	}
	s.t.Fatalf("hotplatetest: the server was not paused within %v", stopWithin)
}

// Resume lets a paused server go on.
func (s *Server) Resume() { s.signal(goOn) }

// Restart starts the server again, at the same address and with nothing in it, after it was ended if it was not.
func (s *Server) Restart() {
	s.t.Helper()
	s.end(os.Kill)
	s.start(s.Address)
}

func (s *Server) start(listen string) {
	s.t.Helper()
	program := os.Getenv("HOTPLATE_BIN")
	if program == "" {
		program = "hotplate"
	}
	args := append([]string{
		"serve", "--profile", "testing", "--memory-entries-max", "100000", "--listen", listen, "--http", "127.0.0.1:0",
	}, s.args...)
	p, err := startProcess(program, args)
	if err != nil {
		s.t.Fatalf("hotplatetest: %s cannot be started: %v. Set HOTPLATE_BIN to the server's program", program, err)
	}
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	address, err := p.address(ctx)
	if err != nil {
		s.t.Fatalf("hotplatetest: the server did not start: %v\n%s", err, p.errors.String())
	}
	if s.Address == "" {
		// A server that is started again has the address it had.
		s.Address = address
	}
}

func (s *Server) signal(signal os.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		s.t.Fatalf("hotplatetest: the server does not run")
	}
	if err := s.process.command.Process.Signal(signal); err != nil {
		s.t.Fatalf("hotplatetest: the server cannot be told: %v", err)
	}
}

func (s *Server) stop() {
	s.t.Helper()
	s.end(stop)
}

func (s *Server) end(signal os.Signal) {
	s.t.Helper()
	s.mu.Lock()
	p := s.process
	s.process = nil
	s.mu.Unlock()
	if p == nil {
		return
	}
	// One that was paused hears nothing else. That it has ended already is as well.
	_ = p.command.Process.Signal(goOn)
	_ = p.command.Process.Signal(signal)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		_ = p.command.Process.Kill()
		<-p.ended
		s.t.Errorf("hotplatetest: the server did not stop within %v", stopWithin)
	}
}

// process is a server's.
type process struct {
	command *exec.Cmd
	lines   chan string
	errors  *tail
	ended   chan struct{}
}

func startProcess(program string, args []string) (*process, error) {
	p := &process{
		command: exec.Command(program, args...), lines: make(chan string, 1), errors: &tail{}, ended: make(chan struct{}),
	}
	p.command.Stderr = p.errors
	// What the client reads is not for the server, which refuses settings that it does not know.
	p.command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "HOTPLATE_")
	})
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.command.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		// On Linux the server ends with the thread that started it, which is therefore this goroutine's alone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		if started <- err; err != nil {
			return
		}
		defer close(p.ended)
		read := bufio.NewScanner(out)
		for first := true; read.Scan(); first = false {
			if first {
				p.lines <- read.Text()
			}
		}
		close(p.lines)
		// How it ended is the business of who ended it.
		_ = p.command.Wait()
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// address is where the server says that it listens, in its first line.
func (p *process) address(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case line, said := <-p.lines:
		if !said {
			return "", errors.New("it has ended")
		}
		var event struct {
			GRPC string `json:"grpc"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.GRPC == "" {
			return "", fmt.Errorf("its first line names no address: %s", line)
		}
		return event.GRPC, nil
	}
}

// tail keeps the end of what a server logs.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *tail) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len()+len(text) > logBytesMax {
		l.text.Reset()
	}
	return l.text.Write(text)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
