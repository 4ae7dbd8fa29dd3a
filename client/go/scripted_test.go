package hotplate_test

// A server that answers what a test says, in place: what a client sends and makes of answers that a real server gives rarely.

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// scripted is such a server, with its client and that client's log.
type scripted struct {
	client *hotplate.Client

	mu    sync.Mutex
	calls map[string][]proto.Message
	log   bytes.Buffer
}

// Write takes a line of the log.
func (s *scripted) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

func (s *scripted) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// seen are the requests of a method so far.
func (s *scripted) seen(method string) []proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

type answers map[string]func(ctx context.Context, request proto.Message) (proto.Message, error)

// script makes a client of a server that answers so; what is not in it is UNIMPLEMENTED. Close the client.
func script(t *testing.T, to answers, options ...hotplate.Option) *scripted {
	t.Helper()
	s := &scripted{calls: map[string][]proto.Message{}}
	intercept := func(
		ctx context.Context, path string, request, reply any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption,
	) error {
		method := path[strings.LastIndex(path, "/")+1:]
		asked, _ := request.(proto.Message)
		s.mu.Lock()
		s.calls[method] = append(s.calls[method], proto.Clone(asked))
		s.mu.Unlock()
		answer := to[method]
		if answer == nil {
			return status.Error(codes.Unimplemented, "not in the script")
		}
		response, err := answer(ctx, asked)
		if err != nil {
			return err
		}
		told, _ := reply.(proto.Message)
		proto.Merge(told, response)
		return nil
	}
	options = append([]hotplate.Option{
		hotplate.WithLogger(slog.New(slog.NewTextHandler(s, nil))),
		hotplate.WithDialOptions(grpc.WithUnaryInterceptor(intercept)),
	}, options...)
	client, err := hotplate.New("hotplate://127.0.0.1:1/t", options...)
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
	t.Cleanup(func() { _ = client.Close() })
	return s
}

func leaseOf(token string) *pb.GetResponse {
	return &pb.GetResponse{Outcome: pb.GetOutcome_GET_OUTCOME_MISS, Lease: &pb.Lease{Token: token}}
}

func hitOf(value string) *pb.GetResponse {
	return &pb.GetResponse{Outcome: pb.GetOutcome_GET_OUTCOME_HIT, Entry: &pb.Entry{
		Payload: &pb.Entry_Value{Value: []byte(value)}, Metadata: &pb.EntryMetadata{ContentType: "text/plain"},
	}}
}

func always(response proto.Message, err error) func(context.Context, proto.Message) (proto.Message, error) {
	return func(context.Context, proto.Message) (proto.Message, error) { return response, err }
}

func refusal(code codes.Code, reason string) error {
	told, err := status.New(code, "no").WithDetails(&errdetails.ErrorInfo{
		Reason: reason, Metadata: map[string]string{"pending": "SHARED"},
	})
	if err != nil {
		panic(err)
	}
	return told.Err()
}

// within fails the test when something takes longer than it may, on any machine.
func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		t.Fatalf("it never came to this: %s", what)
	}
}
