package hotplate

// Values as streams, of a namespace. Streams have no fallback: a cache that is away is an error. One that is turned off reads
// nothing, and drops what is written.

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"iter"
	"sync"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

// ReadStream is a value that is read in pieces; see [Namespace.ReadStream]. It is an [io.ReadCloser]. Close it, unless it was
// read to its end. One goroutine at a time may use it.
type ReadStream struct {
	// Found is what is known of the value before its bytes: its size in bytes as the hit's value, zero while it is being
	// written.
	Found Lookup[uint64]

	client *Client
	// reader is nil where the cache is turned off.
	reader *valueReader
	cancel context.CancelFunc
	rest   []byte
}

// Next is the next piece, as it was written or stored; [io.EOF] at the end, or when there is no value. The piece belongs to
// the caller.
//
// Errors: that the server is away for too long; reason VERSION_GONE when this version is not there any more, DIGEST_MISMATCH
// when the pieces are not the whole that the server meant. What came before is not the value then.
func (s *ReadStream) Next() ([]byte, error) {
	if len(s.rest) > 0 {
		piece := s.rest
		s.rest = nil
		return piece, nil
	}
	if s.reader == nil {
		return nil, io.EOF
	}
	piece, err := s.reader.next()
	if err != nil {
		s.cancel()
	}
	return piece, s.client.ended(err)
}

// ended is how something of this client ended: with the client, where that was closed.
func (c *Client) ended(err error) error {
	if err != nil && !errors.Is(err, io.EOF) && c.tasks.isOver() {
		return closedError()
	}
	return err
}

// Read reads the next bytes, as io.Reader has it.
func (s *ReadStream) Read(into []byte) (int, error) {
	if len(s.rest) == 0 {
		piece, err := s.Next()
		if err != nil {
			return 0, err
		}
		s.rest = piece
	}
	count := copy(into, s.rest)
	s.rest = s.rest[count:]
	return count, nil
}

// Pieces are the pieces as a loop, which closes the stream at its end.
func (s *ReadStream) Pieces() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		defer s.end()
		for {
			piece, err := s.Next()
			if errors.Is(err, io.EOF) || !yield(piece, err) || err != nil {
				return
			}
		}
	}
}

// Close lets go of the stream.
func (s *ReadStream) Close() error {
	s.end()
	return nil
}

func (s *ReadStream) end() {
	if s.reader != nil {
		s.reader.close()
		s.cancel()
	}
}

// ReadStream reads a value in pieces, from the server, of any size and whatever its codec. [Peek] is not among what a stream
// can do. ctx is for all of it.
//
// Errors: what the server refused, or that it could not be reached in time. A miss is none: look at Found.
func (n *Namespace[T]) ReadStream(ctx context.Context, key AsKey, options ...ReadOption) (*ReadStream, error) {
	return n.readStream(ctx, key, n.reading(options), false)
}

// Follow reads a value, or, when it is just being written, what comes in of it, from its first byte, as it comes.
//
// Errors: as [Namespace.ReadStream]; reason VERSION_GONE when the writer gave up.
func (n *Namespace[T]) Follow(ctx context.Context, key AsKey) (*ReadStream, error) {
	return n.readStream(ctx, key, &readOptions{}, true)
}

func (n *Namespace[T]) readStream(ctx context.Context, key AsKey, r *readOptions, follow bool) (*ReadStream, error) {
	text, err := n.keyText(key)
	if err != nil {
		return nil, err
	}
	if n.client.tasks.isOver() {
		return nil, closedError()
	}
	begun, ended := n.client.begin(ctx, "read_stream", n.name)
	if n.client.gate.disabled {
		found := missed[uint64](Disabled)
		n.client.gate.reads.Add(1)
		ended(readResult(&found, nil))
		return &ReadStream{Found: found, client: n.client}, nil
	}
	get := r.get(n.name, text)
	running, cancel := n.client.bound(begun)
	reader, err := n.client.calls.readValue(running, &pb.ReadValueRequest{
		Namespace: get.Namespace, Key: get.Key, StalePolicy: get.StalePolicy, MaxAge: get.MaxAge,
		SlowestTier: get.SlowestTier, Follow: follow,
	})
	if err != nil {
		cancel()
		err = n.client.ended(err)
		ended(failed(err))
		return nil, err
	}
	found := ofStream(reader.header)
	ended(readResult(&found, nil))
	return &ReadStream{Found: found, client: n.client, reader: reader, cancel: cancel}, nil
}

// bound is a context that ends with the client as well.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	running, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.tasks.ctx, cancel)
	return running, func() {
		stop()
		cancel()
	}
}

// ofStream turns the header of a stream into what is known of the value before its bytes: its size stands for it.
func ofStream(header *pb.ReadValueHeader) Lookup[uint64] {
	found := header.GetFound()
	metadata := found.GetEntry().GetMetadata()
	if header.GetVersion() != "" {
		return hit(header.GetSizeBytes(), metadata, found.GetOutcome(), found.GetServedFrom())
	}
	if negative := found.GetEntry().GetNegative(); negative != nil {
		return Lookup[uint64]{
			Outcome: Negative, FreshFor: fromWire(metadata.GetFreshFor()),
			NegativeReason: negative.GetReason(), NegativeMessage: negative.GetMessage(),
		}
	}
	return missed[uint64](missReason(found.GetMissReason()))
}

// WriteStream is a value that is written in pieces; see [Namespace.WriteStream]. It is an [io.Writer]. One goroutine at a time
// may use it.
type WriteStream struct {
	client *Client
	name   string
	key    string
	// writer is nil where the cache is turned off.
	writer *valueWriter
	write  *ownWrite
	cancel context.CancelFunc
	ended  func(Result)
	once   sync.Once
}

// Write sends a piece; who follows gets it as it is. After an error the upload is lost.
func (s *WriteStream) Write(piece []byte) (int, error) {
	if s.writer == nil {
		return len(piece), nil
	}
	if err := s.writer.send(piece); err != nil {
		return 0, s.client.ended(err)
	}
	return len(piece), nil
}

// Finish stores what was sent, under its key, in one step, and closes the stream.
//
// Errors: what the server refused, or that it was away for too long.
func (s *WriteStream) Finish() (Written, error) {
	if s.writer == nil {
		s.client.gate.writes.Add(1)
		w := droppedFor(Disabled)
		s.end(writeResult(w, nil))
		return w, nil
	}
	response, err := s.writer.finish()
	err = s.client.ended(err)
	if err == nil {
		s.write.answered()
	}
	s.client.flights.outdateKey(s.name, s.key)
	w := Written{}
	if err == nil {
		w = written(response)
	}
	s.end(writeResult(w, err))
	return w, err
}

// Close lets go of the stream. Of what was not finished, nothing is stored, and the server gives the upload up after a while.
func (s *WriteStream) Close() error {
	s.end(Result{Outcome: "abandoned"})
	return nil
}

func (s *WriteStream) end(result Result) {
	s.once.Do(func() {
		if s.writer != nil {
			s.writer.link.close()
			s.write.end()
			s.cancel()
		}
		s.ended(result)
	})
}

// WriteStream begins to write a value in pieces, with the codec's content type. Nothing of it can be read before it is
// finished, except by who follows it. Finish or Close it. ctx is for all of it.
//
// Errors: what the server refused, or that it could not be reached in time.
func (n *Namespace[T]) WriteStream(ctx context.Context, key AsKey, options ...WriteOption) (*WriteStream, error) {
	text, err := n.keyText(key)
	if err != nil {
		return nil, err
	}
	w := writing(options)
	put, err := n.addressed(w)
	if err != nil {
		return nil, err
	}
	put.Key, put.ContentType = text, n.codec.ContentType()
	if n.client.tasks.isOver() {
		return nil, closedError()
	}
	begun, ended := n.client.begin(ctx, "write_stream", n.name)
	if n.client.gate.disabled {
		return &WriteStream{client: n.client, name: n.name, key: text, ended: ended}, nil
	}
	running, cancel := n.client.bound(begun)
	write := n.near.write(near.KeySet(text))
	var digest hash.Hash
	if w.sha256 {
		digest = sha256.New()
	}
	writer, err := n.client.calls.valueWriter(running, put, digest)
	if err != nil {
		write.end()
		cancel()
		err = n.client.ended(err)
		ended(failed(err))
		return nil, err
	}
	return &WriteStream{
		client: n.client, name: n.name, key: text, writer: writer, write: write, cancel: cancel, ended: ended,
	}, nil
}
