package hotplate

// Writing one value as a stream: a whole one, of which any part can be sent again, and one that comes in pieces, of which is
// kept what the server may not have.

import (
	"bytes"
	"context"
	"hash"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// keptBytesMax are sent bytes that are kept until the server is known to have them.
const keptBytesMax = 16 << 20

// writeValue writes one value as a stream: what put says, with these bytes as its value. Nothing of it can be read under its
// key before all of it is there; then it is stored in one step. A stream that breaks is gone on with where the server has it.
func (c *Calls) writeValue(ctx context.Context, put *pb.PutRequest, value []byte) (*pb.PutResponse, error) {
	size, err := c.chunkSize(ctx)
	if err != nil {
		return nil, err
	}
	digest := put.GetDigest()
	put.Digest = nil
	link := newUplink(ctx, c, put, uint64(len(value)))
	defer link.close()
	for at := uint64(0); ; {
		response, err := link.sendFrom(value, at, size, digest)
		if err == nil {
			return response, nil
		}
		offset, done, err := link.recover(err)
		if err != nil || done != nil {
			return done, err
		}
		if offset > uint64(len(value)) {
			return nil, failure(KindInternal, "the server has more of the upload than there is")
		}
		at = offset
	}
}

func (u *uplink) sendFrom(value []byte, from uint64, size int, digest []byte) (*pb.PutResponse, error) {
	if err := u.open(from); err != nil {
		return nil, err
	}
	for at := int(from); at < len(value); at += size {
		if err := u.chunk(uint64(at), value[at:min(at+size, len(value))]); err != nil {
			return nil, err
		}
	}
	return u.finish(uint64(len(value)), crc32c(0, value), digest)
}

// valueWriter writes one value piece by piece. Readers that follow get the same pieces. Closed before it is finished, nothing
// is stored, and the server gives the upload up after a while. One goroutine at a time uses it.
type valueWriter struct {
	link *uplink
	size int
	// kept are pieces that the server may not have, from is where the first begins.
	kept      [][]byte
	keptBytes int
	from      uint64
	// at is of the next byte that comes in, whole the CRC-32C of all before it.
	at    uint64
	whole uint32
	// digest is of all before it as well, where it was asked for.
	digest hash.Hash
}

func (c *Calls) valueWriter(ctx context.Context, put *pb.PutRequest, digest hash.Hash) (*valueWriter, error) {
	size, err := c.chunkSize(ctx)
	if err != nil {
		return nil, err
	}
	w := &valueWriter{link: newUplink(ctx, c, put, 0), size: size, digest: digest}
	// Opened at once: whoever follows finds it before its first piece.
	if err := w.link.open(0); err != nil {
		if err := w.again(err); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// send sends a piece. It waits while the server takes no more. After an error the upload is lost.
func (w *valueWriter) send(data []byte) error {
	for len(data) > 0 {
		// A copy: the caller may use its own again.
		piece := bytes.Clone(data[:min(len(data), w.size)])
		data = data[len(piece):]
		if w.keptBytes+len(piece) > keptBytesMax {
			if err := w.confirm(); err != nil {
				return err
			}
		}
		w.whole = crc32c(w.whole, piece)
		if w.digest != nil {
			// It never fails.
			_, _ = w.digest.Write(piece)
		}
		offset := w.at
		w.at += uint64(len(piece))
		w.keptBytes += len(piece)
		w.kept = append(w.kept, piece)
		if err := w.link.chunk(offset, piece); err != nil {
			if err := w.again(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish says that this was all, and waits until it is stored.
func (w *valueWriter) finish() (*pb.PutResponse, error) {
	var digest []byte
	if w.digest != nil {
		digest = w.digest.Sum(nil)
	}
	for {
		response, err := w.link.finish(w.at, w.whole, digest)
		if err == nil {
			return response, nil
		}
		offset, done, err := w.link.recover(err)
		if err != nil || done != nil {
			return done, err
		}
		if err := w.resend(offset); err != nil {
			if err := w.again(err); err != nil {
				return nil, err
			}
		}
	}
}

// again gets the stream back after a failure, with everything on it that the server does not have.
func (w *valueWriter) again(err error) error {
	for {
		offset, done, failed := w.link.recover(err)
		switch {
		case failed != nil:
			return failed
		case done != nil:
			return failure(KindInternal, "the upload was finished by another")
		}
		if err = w.resend(offset); err == nil {
			return nil
		}
	}
}

func (w *valueWriter) resend(offset uint64) error {
	if offset < w.from || offset > w.at {
		return failure(KindFailedPrecondition, "the server lost the upload: what it had of it is not kept here any more").
			withReason("UPLOAD_UNKNOWN_HERE")
	}
	w.forget(offset)
	if err := w.link.open(offset); err != nil {
		return err
	}
	at := w.from
	for _, piece := range w.kept {
		begin := at
		at += uint64(len(piece))
		if begin < offset {
			// The server may have a part of the first.
			piece, begin = piece[offset-begin:], offset
		}
		if err := w.link.chunk(begin, piece); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what the server has.
func (w *valueWriter) forget(received uint64) {
	for len(w.kept) > 0 && w.from+uint64(len(w.kept[0])) <= received {
		w.from += uint64(len(w.kept[0]))
		w.keptBytes -= len(w.kept[0])
		w.kept[0] = nil
		w.kept = w.kept[1:]
	}
}

// confirm asks what the server has until there is room again.
func (w *valueWriter) confirm() error {
	for before := w.from; ; {
		found, err := w.link.query()
		if err == nil {
			w.forget(found.GetReceivedBytes())
			err = failure(KindUnavailable, "the server takes nothing of the upload any more")
		}
		if w.from > before {
			w.link.failures.progress()
			return nil
		}
		if err := w.link.failures.pause(w.link.ctx, w.link.calls, err); err != nil {
			return err
		}
	}
}
