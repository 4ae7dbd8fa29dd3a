package hotplate

// What the server knows of a namespace and a key. Without a fallback: a cache that is away is an error.

import (
	"context"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// Stats are statistics of this namespace since the server started.
//
// Errors: what the server refused, or that it is away.
func (n *Namespace[T]) Stats(ctx context.Context) (*pb.StatsResponse, error) {
	return n.client.calls.Stats(ctx, &pb.StatsRequest{Namespace: n.name})
}

// Explain tells what a Get of this key would say and why, and what happened to the key. For people, not for every call.
//
// Errors: what the server refused, or that it is away.
func (n *Namespace[T]) Explain(ctx context.Context, key AsKey) (*pb.ExplainKeyResponse, error) {
	text, err := key.KeyText()
	if err != nil {
		return nil, err
	}
	return n.client.calls.ExplainKey(ctx, &pb.ExplainKeyRequest{Namespace: n.name, Key: text})
}

// Entries lists the metadata of entries in key order, a page at a time; nil selectors mean all. The token of the first page
// is empty, as is that of the page after the last.
//
// Errors: what the server refused, or that it is away.
func (n *Namespace[T]) Entries(
	ctx context.Context, pageSize uint32, pageToken string, selectors ...Selector,
) (entries []*pb.Entry, nextPageToken string, err error) {
	wires, err := wired(selectors)
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
// Errors: what the server refused, or that it is away.
func (c *Client) ServerInfo(ctx context.Context) (*pb.GetServerInfoResponse, error) {
	return c.calls.GetServerInfo(ctx)
}
