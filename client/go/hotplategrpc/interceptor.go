// Package hotplategrpc caches the answers of a program's own gRPC calls: a client interceptor, for methods that change nothing.
package hotplategrpc

// What is cached and for whom lives here; how an answer and a failure look to the caller, in answer.go; keys in key.go.

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	hotplate "example.invalid/hotplate/client/go"
)

// Option is how answers are cached.
type Option func(*interceptor)

// Methods are cached besides those that say of themselves that they change nothing, as /package.Service/Method.
func Methods(names ...string) Option {
	return func(i *interceptor) { i.methods = append(i.methods, names...) }
}

// Vary names outgoing metadata that an answer depends on, such as `authorization`: callers that differ in one of them share nothing.
// Only metadata of the context counts: what [grpc.WithPerRPCCredentials] adds is added later, and needs [KeyBy].
func Vary(headers ...string) Option {
	return func(i *interceptor) { i.vary, i.isShared = append(i.vary, headers...), true }
}

// KeyBy says who shares answers: callers for whom it gives the same text do, all others do not. It is asked before each call, and
// its text is kept as a hash. A call for which it fails is made, and not cached.
func KeyBy(whom func(ctx context.Context) (string, error)) Option {
	return func(i *interceptor) { i.keyBy, i.isShared = whom, true }
}

// SharedByAll says that answers do not depend on who asks: all callers share them, of all programs that use the namespace.
func SharedByAll() Option {
	return func(i *interceptor) { i.isShared = true }
}

// With is how answers are looked up and stored, such as [hotplate.TTL] and [hotplate.StaleIfError].
func With(options ...hotplate.ComputeOption) Option {
	return func(i *interceptor) { i.options = append(i.options, options...) }
}

type interceptor struct {
	client    *hotplate.Client
	namespace string
	methods   []string
	vary      []string
	keyBy     func(ctx context.Context) (string, error)
	// isShared: it was said who shares answers.
	isShared bool
	options  []hotplate.ComputeOption
}

// Unary gives an interceptor that answers unary calls from this namespace, and makes a call that several ask for at the same time
// once. Which methods: those with `option idempotency_level = NO_SIDE_EFFECTS`, and those of [Methods]. The key of an answer is the
// method, a hash of the request, and a hash of the connection's target and of who shares it.
//
// Who may share answers has to be said, by [Vary], [KeyBy] or [SharedByAll]: an interceptor does not see the credentials of a
// connection, and would give one user what another may read. Calls with credentials of their own ([grpc.PerRPCCredentials]) are not
// cached, except with [KeyBy].
//
// Failed calls are not cached, and fail as they would without it. Options that tell of the call, as [grpc.Header], [grpc.Trailer],
// [grpc.Peer] and [grpc.OnFinish] do, tell nothing of calls that may be shared. A call made for several callers ends when
// none of them waits any more, and at the latest with the time of the first, or after a minute where that is less, or a minute after the
// first is gone, who had no deadline: then it is made again for who has time left. A cache that is closed, away, or refuses what it is
// asked for (the client's observer sees it), is done without. Tag the
// answers by With(hotplate.Tags(...)), or drop those of a method by the prefix `grpc:package.Service%2FMethod:`.
//
//	interceptor, err := hotplategrpc.Unary(client, "calls", hotplategrpc.Vary("authorization"),
//		hotplategrpc.With(hotplate.TTL(time.Minute)))
//	...
//	conn, err := grpc.NewClient(target, grpc.WithUnaryInterceptor(interceptor))
//
// Errors: that it was not said who shares answers.
func Unary(client *hotplate.Client, namespace string, options ...Option) (grpc.UnaryClientInterceptor, error) {
	i := &interceptor{client: client, namespace: namespace}
	for _, option := range options {
		option(i)
	}
	if !i.isShared {
		return nil, errors.New("hotplategrpc: say who shares answers, by Vary, KeyBy or SharedByAll")
	}
	return i.intercept, nil
}

func (i *interceptor) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	straight := func() error { return invoke(ctx, method, request, reply, conn, options...) }
	asked, isMessage := request.(proto.Message)
	answer, isMessageToo := reply.(proto.Message)
	if !isMessage || !isMessageToo || !i.caches(method) || (i.keyBy == nil && hasOwnCredentials(options)) {
		return straight()
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(asked)
	if err != nil {
		return straight()
	}
	key, err := i.key(ctx, method, content, conn)
	if err != nil {
		return straight()
	}
	call := &sharedCall{
		method: method, asked: asked.ProtoReflect().Type(), content: content, answer: answer.ProtoReflect().Type(), conn: conn,
		invoke: invoke, options: ofTheCall(options),
	}
	return i.shared(ctx, key, call, answer, straight)
}

// hasOwnCredentials tells whether a call says by itself who makes it.
func hasOwnCredentials(options []grpc.CallOption) bool {
	return slices.ContainsFunc(options, func(option grpc.CallOption) bool {
		_, is := option.(grpc.PerRPCCredsCallOption)
		return is
	})
}

// ofTheCall are the options that a call may have which outlives its caller: not those that write to what is the caller's.
func ofTheCall(options []grpc.CallOption) []grpc.CallOption {
	return slices.DeleteFunc(slices.Clone(options), func(option grpc.CallOption) bool {
		switch option.(type) {
		case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption, grpc.OnFinishCallOption:
			return true
		default:
			return false
		}
	})
}

// caches tells whether the answers of a method may be cached.
func (i *interceptor) caches(method string) bool {
	if slices.Contains(i.methods, method) {
		return true
	}
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return false
	}
	options, is := found.Options().(*descriptorpb.MethodOptions)
	return is && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}
