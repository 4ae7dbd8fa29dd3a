// Package hotplategrpc caches the answers of a program's own gRPC calls: a client interceptor, for methods that change nothing.
package hotplategrpc

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
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

// Vary names the outgoing metadata that an answer depends on, instead of `authorization`: callers that differ in one of them
// share nothing. Without a name, all callers share all answers.
func Vary(headers ...string) Option {
	return func(i *interceptor) { i.vary = headers }
}

// With is how answers are looked up and stored, such as [hotplate.TTL] and [hotplate.StaleIfError].
func With(options ...hotplate.ComputeOption) Option {
	return func(i *interceptor) { i.options = append(i.options, options...) }
}

type interceptor struct {
	space   *hotplate.Namespace[[]byte]
	methods []string
	vary    []string
	options []hotplate.ComputeOption
}

// Unary gives an interceptor that answers unary calls from this namespace, and makes a call that several ask for at the same time
// once. Which methods: those with `option idempotency_level = NO_SIDE_EFFECTS`, and those of [Methods]. The key of an answer is the
// method, a hash of the request, and a hash of the metadata of [Vary]. Failed calls are not cached, and fail as they would without
// it.
//
// Of an answer that was cached, options such as [grpc.Header] and [grpc.Peer] tell nothing. A call made for several callers has the
// deadline of the first. Tag the answers by With(hotplate.Tags(...)), or drop those of a method by the prefix
// `grpc:package.Service%2FMethod:`.
//
//	conn, err := grpc.NewClient(target, grpc.WithUnaryInterceptor(
//		hotplategrpc.Unary(client, "calls", hotplategrpc.With(hotplate.TTL(time.Minute)))))
func Unary(client *hotplate.Client, namespace string, options ...Option) grpc.UnaryClientInterceptor {
	i := &interceptor{space: hotplate.NS(client, namespace, hotplate.Bytes()), vary: []string{"authorization"}}
	for _, option := range options {
		option(i)
	}
	return i.intercept
}

func (i *interceptor) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	asked, isMessage := request.(proto.Message)
	answer, isMessageToo := reply.(proto.Message)
	if !isMessage || !isMessageToo || !i.caches(method) {
		return invoke(ctx, method, request, reply, conn, options...)
	}
	key, err := i.key(ctx, method, asked)
	if err != nil {
		return invoke(ctx, method, request, reply, conn, options...)
	}
	content, err := i.space.GetOrCompute(ctx, key, func(shared context.Context) ([]byte, error) {
		if ends, has := ctx.Deadline(); has {
			var cancel context.CancelFunc
			shared, cancel = context.WithDeadline(shared, ends)
			defer cancel()
		}
		// A message of its own: the caller may be gone when it comes.
		fresh := answer.ProtoReflect().New().Interface()
		if err := invoke(shared, method, request, fresh, conn, options...); err != nil {
			return nil, err
		}
		return proto.MarshalOptions{Deterministic: true}.Marshal(fresh)
	}, i.options...)
	if err != nil {
		return failure(err)
	}
	return proto.Unmarshal(content, answer)
}

// failure is what the call itself failed with, where it did.
func failure(err error) error {
	var failed *hotplate.Error
	if errors.As(err, &failed) && failed.Kind == hotplate.KindCompute && errors.Unwrap(failed) != nil {
		return errors.Unwrap(failed)
	}
	return err
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

func (i *interceptor) key(ctx context.Context, method string, request proto.Message) (hotplate.KeyPath, error) {
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return hotplate.KeyPath{}, err
	}
	key := hotplate.Key("grpc", strings.TrimPrefix(method, "/")).Content(content)
	if len(i.vary) == 0 {
		return key, nil
	}
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	differs := map[string]any{}
	for _, header := range i.vary {
		if values := outgoing.Get(header); len(values) > 0 {
			differs[strings.ToLower(header)] = values
		}
	}
	return key.Params(differs), nil
}
