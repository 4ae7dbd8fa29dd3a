//! Reading one value as a stream, over as many streams as it takes.

use std::pin::pin;

use bytes::Bytes;
use futures::Stream;
use tonic::Streaming;

use super::{Failures, damaged, is_interruption, uplink::FAILURES_PER_SERVER};
use crate::{Calls, Error, ErrorKind, Result, pool::Place, v1};
use v1::read_value_response::Message;

/// Reads one value in pieces; made by [`Calls::read_value`].
///
/// Every piece is checked before it is handed out, and the whole at its end. A stream that breaks is gone on with where
/// it ended, on the same version of the value.
#[derive(Debug)]
pub struct ValueReader {
    calls: Calls,
    request: v1::ReadValueRequest,
    /// Whose turn it is: that of the server with this version.
    turn: usize,
    open: Option<(Place, Streaming<v1::ReadValueResponse>)>,
    header: v1::ReadValueHeader,
    /// What the version is called by now, and whether it is still being written: an upload that is stored has another name.
    version: String,
    followed: bool,
    trailer: Option<v1::ReadValueTrailer>,
    /// Of the next byte.
    offset: u64,
    /// Where what was asked for ends, if before the end.
    limit: Option<u64>,
    /// CRC-32C of all before `offset`; unset when the beginning is not read.
    whole: Option<u32>,
    failures: Failures,
}

impl ValueReader {
    /// One that has nothing to read.
    pub(super) fn of_nothing(calls: Calls, request: v1::ReadValueRequest) -> Self {
        let limit = (request.read_limit > 0).then(|| request.read_offset.saturating_add(request.read_limit));
        Self {
            offset: request.read_offset,
            whole: (request.read_offset == 0).then_some(0),
            request,
            turn: calls.wire.pool.turn(),
            calls,
            open: None,
            header: v1::ReadValueHeader::default(),
            version: String::new(),
            followed: false,
            trailer: None,
            limit,
            failures: Failures::default(),
        }
    }
}

impl Calls {
    /// Reads one value as a stream. The answer's header says whether there is one. The deadline of a call on one key is
    /// for each step: to be opened, and each piece; with `follow` a writer may pause for as long as it likes.
    ///
    /// # Errors
    /// What the server refused, or that it could not be reached in time.
    pub async fn read_value(&self, request: v1::ReadValueRequest) -> Result<ValueReader> {
        let mut reader = ValueReader::of_nothing(self.clone(), request);
        loop {
            match Box::pin(reader.reopen()).await {
                Ok(header) => {
                    // Where there is nothing to read, nothing is held.
                    reader.open = reader.open.filter(|_| !header.version.is_empty());
                    reader.header = header;
                    return Ok(reader);
                }
                Err(error) => reader.failures.pause(self, error).await?,
            }
            reader.turn += 1;
        }
    }
}

impl ValueReader {
    /// What is read: what a Get would answer, the version, the size where it is known.
    #[must_use]
    pub fn header(&self) -> &v1::ReadValueHeader {
        &self.header
    }

    /// What the server said at the end; `None` before, and of a part whose last byte was the last that came.
    #[must_use]
    pub fn trailer(&self) -> Option<&v1::ReadValueTrailer> {
        self.trailer.as_ref()
    }

    /// Of the next byte: how far it was read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next piece; `None` when all was read, or there is no value.
    ///
    /// # Errors
    /// The server is away for too long; reason `VERSION_GONE` when this version is not there any more, and
    /// `DIGEST_MISMATCH` when the pieces are not the whole that the server meant. What was handed out before is not the
    /// value then.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.trailer.is_none() && !self.header.version.is_empty() {
            match self.piece().await {
                Ok(Some(bytes)) => {
                    self.failures.progress();
                    return Ok(Some(bytes));
                }
                Ok(None) => break,
                Err(error) => self.again_after(error).await?,
            }
        }
        Ok(None)
    }

    /// Whether a part was asked for, and is here. To ask for no more bytes of it would be to ask for all.
    fn has_all_asked(&self) -> bool {
        self.limit.is_some_and(|limit| self.offset >= limit)
    }

    /// Waits before the stream is opened again, if there is anything left to read: at the same server, as others may not have
    /// this version, and at another when this one stays away.
    async fn again_after(&mut self, error: Error) -> Result<()> {
        self.open = None;
        if self.has_all_asked() && is_interruption(&error) {
            return Ok(());
        }
        self.failures.pause(&self.calls, error).await?;
        if !self.followed && self.failures.0.is_multiple_of(FAILURES_PER_SERVER) {
            self.turn += 1;
        }
        Ok(())
    }

    /// The pieces as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send {
        futures::stream::try_unfold(self, async |mut reader| Ok(reader.next().await?.map(|bytes| (bytes, reader))))
    }

    async fn piece(&mut self) -> Result<Option<Bytes>> {
        if self.open.is_none() {
            if self.has_all_asked() {
                return Ok(None);
            }
            Box::pin(self.reopen()).await?;
        }
        match self.message().await? {
            Some(Message::Chunk(chunk)) => self.checked(chunk).map(Some),
            Some(Message::Trailer(trailer)) => {
                self.ended(&trailer)?;
                self.trailer = Some(trailer);
                self.open = None;
                Ok(None)
            }
            Some(Message::Header(_)) => Err(damaged("the server sent a header twice")),
            None => Err(Error::new(ErrorKind::Unavailable, "the stream ended before the value did")),
        }
    }

    /// Opens a stream that begins at the next byte.
    async fn reopen(&mut self) -> Result<v1::ReadValueHeader> {
        let mut request = self.request.clone();
        if !self.version.is_empty() {
            request.version.clone_from(&self.version);
            request.read_offset = self.offset;
            request.read_limit = self.limit.map_or(0, |limit| limit - self.offset);
        }
        let place = self.calls.wire.pool.for_transfer(self.turn);
        let mut stub = super::uplink::stub(place.channel());
        let request = self.calls.request(request);
        let opened = pin!(stub.read_value(request));
        let opened = self.calls.step(self.calls.time(), opened).await?.map_err(Error::from)?;
        self.open = Some((place, opened.into_inner()));
        self.followed = false;
        let Some(Message::Header(header)) = self.message().await? else {
            return Err(Error::new(ErrorKind::Unavailable, "the stream ended before its header"));
        };
        self.is_the_same(&header)?;
        self.followed = is_followed(&header);
        self.version.clone_from(&header.version);
        Ok(header)
    }

    /// Whether a stream goes on with what was read before.
    fn is_the_same(&self, header: &v1::ReadValueHeader) -> Result<()> {
        let stored_since = self.version_was_followed() && !header.version.is_empty();
        if self.version.is_empty() || self.version == header.version || stored_since {
            return Ok(());
        }
        let text = "the value that was being read is not there any more";
        Err(Error::new(ErrorKind::FailedPrecondition, text).with_reason("VERSION_GONE"))
    }

    /// Whether what is read was still being written when it was begun: then the server knows it by two names.
    fn version_was_followed(&self) -> bool {
        self.version == self.header.version && is_followed(&self.header)
    }

    async fn message(&mut self) -> Result<Option<Message>> {
        let Some((_, stream)) = &mut self.open else { return Ok(None) };
        let next = stream.message();
        // Who writes may pause for as long as they like.
        let message = match self.followed {
            true => self.calls.while_open(async { Ok(next.await) }).await?,
            false => self.calls.step(self.calls.time(), next).await?,
        };
        Ok(message.map_err(Error::from)?.and_then(|response| response.message))
    }

    fn checked(&mut self, chunk: v1::ValueChunk) -> Result<Bytes> {
        let end = chunk.offset.saturating_add(chunk.data.len() as u64);
        if chunk.offset != self.offset || chunk.data.is_empty() || self.limit.is_some_and(|limit| end > limit) {
            return Err(damaged("a piece of the value is not where it should be"));
        }
        if crc32c::crc32c(&chunk.data) != chunk.crc32c {
            return Err(damaged("a piece of the value arrived otherwise than it was sent"));
        }
        let whole = self.whole;
        self.whole = whole.map(|before| crc32c::crc32c_combine(before, chunk.crc32c, chunk.data.len()));
        self.offset = end;
        Ok(chunk.data)
    }

    /// Whether all that was read is what the server meant to send. Of a part, the server may not know yet how large the whole
    /// becomes.
    fn ended(&self, trailer: &v1::ReadValueTrailer) -> Result<()> {
        let all = self.offset == trailer.size_bytes;
        let proved = !all || self.whole.is_none_or(|whole| whole == trailer.crc32c);
        if proved && (all || self.has_all_asked()) {
            return Ok(());
        }
        let text = "what was read is not the value that the server has";
        Err(Error::new(ErrorKind::Internal, text).with_reason("DIGEST_MISMATCH"))
    }
}

/// Whether the value is still being written.
fn is_followed(header: &v1::ReadValueHeader) -> bool {
    header.found.as_ref().is_some_and(|found| found.outcome() == v1::GetOutcome::Pending)
}
