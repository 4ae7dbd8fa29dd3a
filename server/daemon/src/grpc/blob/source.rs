//! What a reader is sent, piece by piece: pulled when the connection has room for more, so that a slow reader holds no more
//! than what is on its way to it. Which value that is was decided before.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use hotplate_engine::{Cache, chunks::Chunks};
use hotplate_proto::v1::{self, read_value_response::Message};
use tokio::sync::watch;

use super::{
    frames,
    kept::{Kept, Lost, Value},
    upload::{Place, Seen, Upload},
};
use crate::{
    grpc::{
        readers::{Readers, Streaming},
        status::Failure,
    },
    ledger::{Ledger, Share, Use},
};

/// Bytes that are handed to the connection at once at most: it holds one such slice, and one that is next.
const SLICE_BYTES: usize = 256 << 10;
/// As many at least, and at first: who takes nothing at all holds no more. Each that was taken doubles it.
const SLICE_BYTES_MIN: usize = 16 << 10;
/// A slice is at most this part of what is free: many who take nothing leave room for who does.
const SLICE_PARTS: u64 = 128;
/// Pieces up to this size are not counted: they are copied on their way.
const SMALL_BYTES: usize = 1 << 10;

/// A value to read.
pub(in crate::grpc) enum Source {
    /// One that is there, with its SHA-256, if it is in one piece, and its etag.
    Stored(Kept, Bytes, Arc<str>),
    /// One that is on its way.
    Upload(Followed),
}

/// An upload, for one who follows it.
pub(in crate::grpc) struct Followed {
    upload: Arc<Upload>,
    changes: watch::Receiver<()>,
    place: Place,
    cache: Arc<Cache>,
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
    pub(in crate::grpc) fn following(upload: Arc<Upload>, cache: &Arc<Cache>) -> Self {
        let changes = upload.changes();
        Self::Upload(Followed { upload, changes, place: Place::default(), cache: Arc::clone(cache) })
    }

    /// Tells when it is not kept for who reads it any more.
    fn lost(&self) -> Lost {
        match self {
            Self::Stored(kept, ..) => kept.lost(),
            Self::Upload(_) => Lost::default(),
        }
    }

    async fn next(&mut self, span: &Span) -> Result<Next, Failure> {
        match self {
            Self::Stored(kept, digest, etag) => {
                let value = kept.value().ok_or_else(version_gone)?;
                Ok(stored(&value, span, (digest, etag)))
            }
            Self::Upload(followed) => followed.next(span).await,
        }
    }
}

/// What comes next of a value that is there.
fn stored(value: &Value, span: &Span, (digest, etag): (&Bytes, &str)) -> Next {
    let is_over = span.offset >= span.end;
    match value {
        Value::Whole(value) => {
            let at = usize::try_from(span.offset).unwrap_or(usize::MAX).min(value.len());
            if is_over || at == value.len() {
                let (size_bytes, crc32c) = (value.len() as u64, crc32c::crc32c(value));
                let (digest, etag) = (digest.clone(), etag.to_owned());
                return Next::End(v1::ReadValueTrailer { size_bytes, crc32c, digest, etag });
            }
            span.cut(&value.slice(at..), None)
        }
        Value::Chunks(chunks) => match chunks.at(span.offset).filter(|_| !is_over) {
            Some((index, within)) => {
                let chunk = &chunks.chunks()[index];
                span.cut(&chunk.bytes().slice(within..), (within == 0).then(|| chunk.crc32c()))
            }
            None => Next::End(trailer(chunks, etag)),
        },
    }
}

impl Followed {
    async fn next(&mut self, span: &Span) -> Result<Next, Failure> {
        if span.offset >= span.end {
            return Ok(Next::End(v1::ReadValueTrailer::default()));
        }
        loop {
            // Before it is looked at, so that what changes meanwhile is heard of.
            self.changes.mark_unchanged();
            let seen = self.upload.at(span.offset, &mut self.place);
            // After it was taken: what an Invalidate that was answered before concerns is sent to nobody.
            if !self.upload.stands(&self.cache) {
                return Err(overtaken());
            }
            match seen {
                Seen::Chunk(chunk, within) => {
                    let whole = (within == 0).then(|| chunk.crc32c());
                    return Ok(span.cut(&chunk.bytes().slice(within..), whole));
                }
                Seen::Stored(chunks, etag) => return Ok(Next::End(trailer(&chunks, &etag))),
                Seen::Failed => return Err(version_gone()),
                Seen::Nothing => {
                    // The upload is held here, and with it the sender.
                    let _ = self.changes.changed().await;
                }
            }
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

/// What is written was invalidated before it was there.
pub(in crate::grpc) fn overtaken() -> Failure {
    Failure::new("VERSION_GONE", "this was invalidated while it was written: read the value anew from its begin")
}

/// One reader.
struct Reader {
    source: Source,
    span: Span,
    ledger: Arc<Ledger>,
    share: Share,
    streaming: Streaming,
    /// What is said before anything is read.
    header: Option<Bytes>,
    /// What is to be sent of the piece that was begun.
    rest: Bytes,
    /// Bytes of a slice at most, now.
    slice: usize,
    over: bool,
}

/// All frames of a stream: a header, then what is read, then a trailer. No source: only the header.
pub(in crate::grpc) fn frames_of(
    header: v1::ReadValueHeader,
    source: Option<(Source, Span)>,
    (readers, ledger, share): (&Arc<Readers>, Arc<Ledger>, Share),
) -> impl Stream<Item = Result<Bytes, Failure>> + Send + 'static {
    let header = frames::message(&v1::ReadValueResponse { message: Some(Message::Header(header)) });
    let Some((source, span)) = source else {
        let only = header;
        return stream::once(async { Ok(only) }).left_stream();
    };
    let streaming = readers.begin(source.lost());
    let (header, rest, slice) = (Some(header), Bytes::new(), SLICE_BYTES_MIN);
    let reader = Reader { source, span, ledger, share, streaming, header, rest, slice, over: false };
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
    .right_stream()
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(header) = self.header.take() {
            return Ok(Some(header));
        }
        if !self.rest.is_empty() {
            return Ok(Some(self.slice().await));
        }
        if self.over {
            return Ok(None);
        }
        match self.source.next(&self.span).await? {
            Next::Piece(piece, crc32c) => {
                let head = frames::chunk_head(self.span.offset, crc32c, piece.len());
                self.span.offset += piece.len() as u64;
                self.rest = piece;
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

    /// The next bytes of the piece, which have room in the ledger from now on until they are sent.
    async fn slice(&mut self) -> Bytes {
        let (held, most) = self.ledger.state(Use::Sending);
        let fair = usize::try_from(most.saturating_sub(held) / SLICE_PARTS).unwrap_or(usize::MAX);
        let length = self.slice.min(fair).max(SLICE_BYTES_MIN).min(self.rest.len());
        // It is asked for more when what it had before is taken.
        self.slice = (self.slice * 2).min(SLICE_BYTES);
        let bytes = self.rest.split_to(length);
        if bytes.len() <= SMALL_BYTES {
            return bytes;
        }
        let wanted = bytes.len() as u64;
        let room = match self.share.take(Use::Sending, wanted) {
            Some(room) => room,
            None => {
                // Nobody waits for room and holds some.
                self.streaming.all_sent().await;
                self.share.clone().wait(Use::Sending, wanted).await
            }
        };
        self.streaming.hand_out(bytes, room)
    }
}
