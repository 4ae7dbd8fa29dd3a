package hotplate

// Reading one value as a stream, over as many streams as it takes.

import (
	"context"
	"errors"
	"io"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// valueReader reads one value in pieces. Every piece is checked before it is handed out, and the whole at its end. A stream
// that breaks is gone on with where it ended, on the same version of the value. One goroutine at a time uses it.
type valueReader struct {
	ctx     context.Context
	calls   *Calls
	request *pb.ReadValueRequest
	// turn is whose turn it is: that of the server with this version.
	turn   uint64
	open   *opened[pb.ReadValueResponse]
	header *pb.ReadValueHeader
	// version is what it is called by now: an upload that is stored has another name than before.
	version string
	// followed: it is still being written.
	followed bool
	trailer  *pb.ReadValueTrailer
	// offset is of the next byte, whole the CRC-32C of all before it.
	offset   uint64
	whole    uint32
	failures interruptions
}

// readValue begins to read. The header says whether there is a value. The time of a call on one key is for each step: to be
// opened, and each piece; of what is followed, a writer may pause for as long as it likes.
func (c *Calls) readValue(ctx context.Context, request *pb.ReadValueRequest) (*valueReader, error) {
	r := &valueReader{ctx: ctx, calls: c, request: request, turn: c.wire.pool.turn()}
	for {
		header, err := r.reopen()
		if err == nil {
			r.header = header
			if header.GetVersion() == "" {
				// Where there is nothing to read, nothing is held.
				r.close()
			}
			return r, nil
		}
		r.close()
		if err := r.failures.pause(ctx, c, err); err != nil {
			return nil, err
		}
		r.turn++
	}
}

// next is the next piece; io.EOF when all was read, or there is no value. Reason VERSION_GONE: this version is not there any
// more; DIGEST_MISMATCH: the pieces are not the whole that the server meant. What was handed out before is not the value then.
func (r *valueReader) next() ([]byte, error) {
	for r.trailer == nil && r.header.GetVersion() != "" {
		piece, err := r.piece()
		switch {
		case err == nil:
			r.failures.progress()
			return piece, nil
		case errors.Is(err, io.EOF):
			r.close()
			return nil, io.EOF
		}
		r.close()
		if err := r.failures.pause(r.ctx, r.calls, err); err != nil {
			return nil, err
		}
		// The same server, as others may not have this version; another when this one stays away.
		if !r.followed && r.failures%failuresPerServer == 0 {
			r.turn++
		}
	}
	return nil, io.EOF
}

func (r *valueReader) piece() ([]byte, error) {
	if r.open == nil {
		if _, err := r.reopen(); err != nil {
			return nil, err
		}
	}
	message, err := r.receive()
	if err != nil {
		return nil, err
	}
	switch m := message.GetMessage().(type) {
	case *pb.ReadValueResponse_Chunk:
		return r.checked(m.Chunk)
	case *pb.ReadValueResponse_Trailer:
		if r.offset != m.Trailer.GetSizeBytes() || r.whole != m.Trailer.GetCrc32C() {
			return nil, failure(KindInternal, "what was read is not the value that the server has").withReason("DIGEST_MISMATCH")
		}
		r.trailer = m.Trailer
		return nil, io.EOF
	default:
		return nil, damaged("the server sent something else than a piece of the value")
	}
}

// reopen opens a stream that begins at the next byte.
func (r *valueReader) reopen() (*pb.ReadValueHeader, error) {
	if r.version != "" {
		r.request.Version, r.request.ReadOffset = r.version, r.offset
	}
	var err error
	line := r.calls.wire.pool.forTransfer(r.turn)
	if r.open, err = open(r.ctx, r.calls, r.calls.time(), line, r.request, readValueOf); err != nil {
		return nil, err
	}
	r.followed = false
	message, err := r.receive()
	if err != nil {
		return nil, err
	}
	header := message.GetHeader()
	if header == nil {
		return nil, failure(KindUnavailable, "the stream began without its header")
	}
	// What was followed may have been stored meanwhile: then the server knows it by another name.
	storedSince := r.version == r.header.GetVersion() && isFollowed(r.header) && header.GetVersion() != ""
	if r.version != "" && r.version != header.GetVersion() && !storedSince {
		return nil, failure(KindFailedPrecondition, "the value that was being read is not there any more").
			withReason("VERSION_GONE")
	}
	r.followed, r.version = isFollowed(header), header.GetVersion()
	return header, nil
}

func (r *valueReader) receive() (message *pb.ReadValueResponse, err error) {
	if r.followed {
		// Who writes may pause for as long as they like.
		message, err = r.open.stream.Recv()
	} else {
		message, err = step(r.calls.time(), r.open.cancel, r.open.stream.Recv)
	}
	if err == nil {
		return message, nil
	}
	if gone := callerGone(r.ctx); gone != nil {
		return nil, gone
	}
	if errors.Is(err, io.EOF) {
		return nil, failure(KindUnavailable, "the stream ended before the value did")
	}
	return nil, fromStatus(err)
}

func (r *valueReader) checked(chunk *pb.ValueChunk) ([]byte, error) {
	switch data := chunk.GetData(); {
	case chunk.GetOffset() != r.offset || len(data) == 0:
		return nil, damaged("a piece of the value is not where it should be")
	case crc32c(0, data) != chunk.GetCrc32C():
		return nil, damaged("a piece of the value arrived otherwise than it was sent")
	default:
		r.whole = crc32c(r.whole, data)
		r.offset += uint64(len(data))
		return data, nil
	}
}

func (r *valueReader) close() {
	if r.open != nil {
		r.open.close()
		r.open = nil
	}
}

// isFollowed tells whether the value is still being written.
func isFollowed(header *pb.ReadValueHeader) bool {
	return header.GetFound().GetOutcome() == pb.GetOutcome_GET_OUTCOME_PENDING
}
