package hotplate

// Having the server fetch entries ahead of their use: a job that is followed over lost connections.

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// rejoinsMax is how often in a row a preload job is joined again before its loss is reported.
const rejoinsMax = 8

// PreloadItem is one entry to fetch ahead.
type PreloadItem struct {
	// Key to store it under.
	Key AsKey
	// Origin to ask; empty for the namespace's only one.
	Origin string
	// Parameters for the origin's template, besides key and namespace: at most 32 of 4 KiB in all.
	Parameters map[string]string
	// Lifetime of the entry; nil for what the origin, the kind or the namespace says.
	Lifetime *Lifetime
	// Kind is the operation or model type, Tags the groups it belongs to.
	Kind string
	Tags []string
}

// PreloadOption is how a preload job goes about it.
type PreloadOption func(*pb.PreloadRequest)

// Force fetches what is fresh as well.
func Force() PreloadOption { return func(r *pb.PreloadRequest) { r.Force = true } }

// PinFor keeps what is loaded from making room for others for this long, at most 24 h; the server pins at most half of its
// memory and says in each result whether it did.
func PinFor(long time.Duration) PreloadOption {
	return func(r *pb.PreloadRequest) { r.PinFor = durationpb.New(long) }
}

// Parallelism is how many at once; the server caps it.
func Parallelism(items uint32) PreloadOption {
	return func(r *pb.PreloadRequest) { r.MaxParallelism = items }
}

// Preload has the server fetch entries from a configured origin, and tells its progress until the job has ended. The job goes
// on when the loop or ctx ends early: [Namespace.JoinPreload] follows it by the JobId of any message. After a lost connection
// the results so far are told again. Looping over the sequence once more joins the same job, as long as the server knows it.
func (n *Namespace[T]) Preload(
	ctx context.Context, items []PreloadItem, options ...PreloadOption,
) iter.Seq2[*pb.PreloadResponse, error] {
	request := &pb.PreloadRequest{Namespace: n.name, RequestId: randomID(16)}
	var fault error
	for _, item := range items {
		key, err := n.keyText(item.Key)
		if err == nil {
			err = firstFault(
				textFault("items", append(texts(item.Parameters), item.Origin)...), textFault("kind", item.Kind), textFault("tags", item.Tags...))
		}
		if err != nil {
			fault = err
			break
		}
		wire := &pb.PreloadItem{
			Key: key, Origin: item.Origin, Parameters: item.Parameters, Kind: item.Kind, Tags: item.Tags,
		}
		if item.Lifetime != nil {
			wire.Expiration = exactly(*item.Lifetime)
		}
		request.Items = append(request.Items, wire)
	}
	for _, option := range options {
		option(request)
	}
	return n.client.preload(ctx, request, fault)
}

// JoinPreload follows a preload job that was started elsewhere, or by [Namespace.Refresh].
func (n *Namespace[T]) JoinPreload(ctx context.Context, job string) iter.Seq2[*pb.PreloadResponse, error] {
	return n.client.preload(ctx, &pb.PreloadRequest{Namespace: n.name, JobId: job}, firstFault(textFault("job_id", job)))
}

func (c *Client) preload(
	ctx context.Context, request *pb.PreloadRequest, fault error,
) iter.Seq2[*pb.PreloadResponse, error] {
	return func(yield func(*pb.PreloadResponse, error) bool) {
		err := fault
		if err == nil {
			err = c.asks()
		}
		if err != nil {
			yield(nil, err)
			return
		}
		// A request of its own for each loop: what was started is joined from then on.
		request, _ := proto.Clone(request).(*pb.PreloadRequest)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(c.tasks.ctx, cancel)()
		for failures := 0; ; failures++ {
			if failures > 0 {
				sleep(ctx, jittered(backoff(failures, reopenFirst, reopenMax)))
			}
			err := c.followJob(ctx, request, &failures, yield)
			switch {
			case err == nil:
				return
			case c.tasks.isOver():
				yield(nil, closedError())
				return
			case ctx.Err() != nil || !asError(err).Kind.isOutage() || failures >= rejoinsMax:
				yield(nil, err)
				return
			}
		}
	}
}

// followJob tells what one stream says; nil when the job, or the interest in it, has ended.
func (c *Client) followJob(
	ctx context.Context, request *pb.PreloadRequest, failures *int, yield func(*pb.PreloadResponse, error) bool,
) error {
	pool := c.wire.pool
	o, err := open(ctx, c.calls, c.calls.bulkTime(), pool.forStream(pool.turn()), request, preloadOf)
	if err != nil {
		return err
	}
	defer o.close()
	for {
		progress, err := o.stream.Recv()
		if gone := callerGone(ctx); err != nil && gone != nil {
			return gone
		}
		if err != nil {
			return endOf(err)
		}
		*failures = 0
		// From now on it is joined, not started.
		request.Items, request.PinFor, request.RequestId = nil, nil, ""
		request.JobId = progress.GetJobId()
		if !yield(progress, nil) || progress.GetFinished() {
			return nil
		}
	}
}
