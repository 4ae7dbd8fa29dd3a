//! What a reader is sent, piece by piece: pulled when the connection has room for more, so that a slow reader holds no more
//! than what is on its way to it. Which value that is was decided before.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures::{Stream, stream};
use hotplate_engine::chunks::Chunks;
use hotplate_proto::v1::{self, read_value_response::Message};
use tokio::sync::watch;

use super::{
    frames,
    readers::{Kept, Readers, Stream as Sending, Streaming},
    upload::{Place, Seen, Upload},
};
use crate::{
    grpc::status::Failure,
    ledger::{Ledger, Permit, Use},
};

/// Bytes that are handed to the connection at once: it holds one such slice, and one that is next.
const SLICE_BYTES: usize = 256 << 10;
/// Pieces up to this size are not counted: they are copied on their way.
const SMALL_BYTES: usize = 1 << 10;

/// A value to read.
pub(in crate::grpc) enum Source {
    /// One that is there, in one piece, with its SHA-256 and etag.
    Whole(Bytes, Bytes, Arc<str>),
    /// One that is there, in chunks, with its etag.
    Chunks(Kept, Arc<str>),
    /// One that is on its way.
    Upload(Arc<Upload>, watch::Receiver<()>, Place),
}

/// Which part of it, in which pieces.
#[derive(Clone, Copy, Debug)]
pub(in crate::grpc) struct Span {
    /// The first byte.
    pub(in crate::grpc) offset: u64,
    /// The byte after the last at most.
    pub(in crate::grpc) end: u64,
    /// Bytes of a piece at most.
    pub(in crate::grpc) piece: usize,
}

/// What comes next.
enum Next {
    /// These bytes, with their CRC-32C.
    Piece(Bytes, u32),
    /// Nothing: all was read.
    End(v1::ReadValueTrailer),
}

impl Source {
    /// An upload as it comes in.
    pub(in crate::grpc) fn following(upload: Arc<Upload>) -> Self {
        let changes = upload.changes();
        Self::Upload(upload, changes, Place::default())
    }

    async fn next(&mut self, span: &Span) -> Result<Next, Failure> {
        let is_over = span.offset >= span.end;
        match self {
            Self::Whole(value, _, _) => {
                let at = usize::try_from(span.offset).unwrap_or(usize::MAX).min(value.len());
                if is_over || at == value.len() {
                    Ok(Next::End(self.trailer()))
                } else {
                    Ok(span.cut(&value.slice(at..), None))
                }
            }
            Self::Chunks(kept, etag) => {
                let chunks = kept.chunks().ok_or_else(version_gone)?;
                let Some((index, within)) = chunks.at(span.offset).filter(|_| !is_over) else {
                    return Ok(Next::End(trailer(&chunks, etag)));
                };
                let chunk = &chunks.chunks()[index];
                let whole = (within == 0).then(|| chunk.crc32c());
                Ok(span.cut(&chunk.bytes().slice(within..), whole))
            }
            Self::Upload(upload, changes, place) => loop {
                if is_over {
                    return Ok(Next::End(v1::ReadValueTrailer::default()));
                }
                // Before it is looked at, so that what changes meanwhile is heard of.
                changes.mark_unchanged();
                match upload.at(span.offset, place) {
                    Seen::Chunk(chunk, within) => {
                        let whole = (within == 0).then(|| chunk.crc32c());
                        return Ok(span.cut(&chunk.bytes().slice(within..), whole));
                    }
                    Seen::Stored(chunks, etag) => return Ok(Next::End(trailer(&chunks, &etag))),
                    Seen::Failed => return Err(version_gone()),
                    Seen::Nothing => {
                        // The upload is held here, and with it the sender.
                        let _ = changes.changed().await;
                    }
                }
            },
        }
    }

    fn trailer(&self) -> v1::ReadValueTrailer {
        match self {
            Self::Whole(value, digest, etag) => v1::ReadValueTrailer {
                size_bytes: value.len() as u64,
                crc32c: crc32c::crc32c(value),
                digest: digest.clone(),
                etag: etag.to_string(),
            },
            Self::Chunks(..) | Self::Upload(..) => v1::ReadValueTrailer::default(),
        }
    }
}

fn trailer(chunks: &Chunks, etag: &str) -> v1::ReadValueTrailer {
    v1::ReadValueTrailer {
        size_bytes: chunks.size(),
        crc32c: chunks.crc32c(),
        digest: chunks.sha256().map(|sum| Bytes::copy_from_slice(&sum)).unwrap_or_default(),
        etag: etag.to_owned(),
    }
}

impl Span {
    /// The first of these bytes, as many as a piece may have. `whole`: their CRC-32C, all of them together.
    fn cut(&self, bytes: &Bytes, whole: Option<u32>) -> Next {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let piece = bytes.slice(..bytes.len().min(self.piece).min(left));
        let crc32c = whole.filter(|_| piece.len() == bytes.len()).unwrap_or_else(|| crc32c::crc32c(&piece));
        Next::Piece(piece, crc32c)
    }
}

/// A version that is not there any more.
pub(in crate::grpc) fn version_gone() -> Failure {
    Failure::new("VERSION_GONE", "this version is not there any more: read the value anew from its begin")
}

/// One reader.
struct Reader {
    source: Source,
    span: Span,
    ledger: Arc<Ledger>,
    streaming: Streaming,
    /// The room of a value in one piece, all of which it keeps.
    whole: Option<Arc<Permit>>,
    /// What is to be sent before anything else is looked for.
    ready: VecDeque<Bytes>,
    over: bool,
}

/// Bytes on their way, and the room they have until they are sent.
struct Held {
    bytes: Bytes,
    _room: Arc<Permit>,
    stream: Arc<Sending>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stream.is_sent();
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// All frames of a stream: a header, then what is read, then a trailer. No source: only the header.
pub(in crate::grpc) fn frames_of(
    header: v1::ReadValueHeader,
    source: Option<(Source, Span)>,
    (readers, ledger): (&Arc<Readers>, Arc<Ledger>),
) -> impl Stream<Item = Result<Bytes, Failure>> + Send + 'static {
    let header = frames::message(&v1::ReadValueResponse { message: Some(Message::Header(header)) });
    let over = source.is_none();
    let nothing = || (Source::Whole(Bytes::new(), Bytes::new(), Arc::default()), Span { offset: 0, end: 0, piece: 1 });
    let (source, span) = source.unwrap_or_else(nothing);
    let (ready, streaming) = (VecDeque::from([header]), readers.begin());
    let reader = Reader { source, span, ledger, streaming, whole: None, ready, over };
    stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        reader.streaming.asked();
        let next = reader.next().await;
        reader.streaming.wait_for_reader();
        match next {
            Ok(Some(frame)) => Some((Ok(frame), Some(reader))),
            Ok(None) => None,
            Err(failure) => Some((Err(failure), None)),
        }
    })
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(ready) = self.ready.pop_front() {
            return Ok(Some(self.held(ready).await));
        }
        if self.over {
            return Ok(None);
        }
        match self.source.next(&self.span).await? {
            Next::Piece(piece, crc32c) => {
                let head = frames::chunk_head(self.span.offset, crc32c, piece.len());
                self.span.offset += piece.len() as u64;
                let slice = |at: usize| piece.slice(at..piece.len().min(at + SLICE_BYTES));
                self.ready.extend((0..piece.len()).step_by(SLICE_BYTES).map(slice));
                Ok(Some(head))
            }
            Next::End(trailer) => {
                // Until then it may have to be cut off.
                self.streaming.wait_for_reader();
                self.streaming.all_sent().await;
                self.over = true;
                Ok(Some(frames::message(&v1::ReadValueResponse { message: Some(Message::Trailer(trailer)) })))
            }
        }
    }

    /// The same bytes, which have room in the ledger from now on until they are sent.
    async fn held(&mut self, bytes: Bytes) -> Bytes {
        if bytes.len() <= SMALL_BYTES {
            return bytes;
        }
        let room = match (&self.source, &self.whole) {
            (_, Some(room)) => Arc::clone(room),
            (Source::Whole(value, ..), None) => {
                let room = Arc::new(self.ledger.wait(Use::Sending, value.len() as u64).await);
                Arc::clone(self.whole.insert(room))
            }
            (Source::Chunks(..) | Source::Upload(..), None) => {
                Arc::new(self.ledger.wait(Use::Sending, bytes.len() as u64).await)
            }
        };
        let stream = Arc::clone(self.streaming.stream());
        stream.handed_out();
        Bytes::from_owner(Held { bytes, _room: room, stream })
    }
}
