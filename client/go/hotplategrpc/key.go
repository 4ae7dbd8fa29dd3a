package hotplategrpc

// The key of an answer: what was asked, of whom, and for whom.

import (
	"context"
	"encoding/binary"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	hotplate "example.invalid/hotplate/client/go"
)

func (i *interceptor) key(
	ctx context.Context, method string, request []byte, conn *grpc.ClientConn,
) (hotplate.KeyPath, error) {
	var of parts
	if conn != nil {
		of.add(conn.Target())
	}
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	for _, header := range i.vary {
		values := outgoing.Get(header)
		of.count(len(values))
		for _, value := range values {
			of.add(value)
		}
	}
	if i.keyBy != nil {
		whom, err := i.keyBy(ctx)
		if err != nil {
			return hotplate.KeyPath{}, err
		}
		of.add(whom)
	}
	return hotplate.Key("grpc", strings.TrimPrefix(method, "/")).Content(request).Content(of), nil
}

// parts are texts of any bytes, one after the other, so that different ones never look the same.
type parts []byte

func (p *parts) count(number int) { *p = binary.AppendUvarint(*p, uint64(number)) }

func (p *parts) add(text string) {
	p.count(len(text))
	*p = append(*p, text...)
}
