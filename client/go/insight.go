package hotplate

// What the server knows of a namespace and a key. Without a fallback: a cache that is away is an error.

import (
	"context"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// asks tells whether the server may be asked: what has no answer without it fails while the cache is turned off.
func (c *Client) asks() error {
	switch {
	case c.tasks.isOver():
		return closedError()
	case c.gate.disabled:
		return failure(KindFailedPrecondition, "the cache is turned off in this process, by WithDisabled or HOTPLATE_DISABLE")
	default:
		return nil
	}
}

// asks is the same for a namespace, whose name may be at fault.
func (n *Namespace[T]) asks() error {
	if n.fault != nil {
		return n.fault
	}
	return n.client.asks()
}

// Stats are statistics of this namespace since the server started.
//
// Errors: what the server refused, or that it is away; [ErrFailedPrecondition] while the cache is turned off in this process.
func (n *Namespace[T]) Stats(ctx context.Context) (*pb.StatsResponse, error) {
	if err := n.asks(); err != nil {
		return nil, err
	}
	return n.client.calls.Stats(ctx, &pb.StatsRequest{Namespace: n.name})
}

// Explain tells what a Get of this key would say and why, and what happened to the key. For people, not for every call.
//
// Errors: as [Namespace.Stats].
func (n *Namespace[T]) Explain(ctx context.Context, key AsKey) (*pb.ExplainKeyResponse, error) {
	text, err := n.keyText(key)
	if err == nil {
		err = n.asks()
	}
	if err != nil {
		return nil, err
	}
	return n.client.calls.ExplainKey(ctx, &pb.ExplainKeyRequest{Namespace: n.name, Key: text})
}

// Entries lists the metadata of entries in key order, a page at a time; nil selectors mean all. The token of the first page
// is empty, as is that of the page after the last.
//
// Errors: as [Namespace.Stats].
func (n *Namespace[T]) Entries(
	ctx context.Context, pageSize uint32, pageToken string, selectors ...Selector,
) (entries []*pb.Entry, nextPageToken string, err error) {
	wires, err := wired(selectors)
	if err == nil {
		err = n.asks()
	}
	if err != nil {
		return nil, "", err
	}
	page, err := n.client.calls.ListEntries(ctx, &pb.ListEntriesRequest{
		Namespace: n.name, Selectors: wires, PageSize: pageSize, PageToken: pageToken,
	})
	return page.GetEntries(), page.GetNextPageToken(), err
}

// ServerInfo tells version, limits and features of the server.
//
// Errors: as [Namespace.Stats].
func (c *Client) ServerInfo(ctx context.Context) (*pb.GetServerInfoResponse, error) {
	if err := c.asks(); err != nil {
		return nil, err
	}
	return c.calls.GetServerInfo(ctx)
}
