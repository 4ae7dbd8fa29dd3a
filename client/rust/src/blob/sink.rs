//! Writing a value that comes in pieces and cannot be read again, such as tokens as they are made: what the server may
//! not have yet is kept.

use std::collections::VecDeque;

use bytes::Bytes;

use super::uplink::{Recovered, Uplink, chunk};
use crate::{Calls, Error, ErrorKind, Result, v1};

/// Bytes sent that are kept until the server is known to have them.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Writes one value piece by piece; made by [`Calls::value_writer`].
///
/// Readers that follow get the same pieces. Dropped before [`ValueWriter::finish`], nothing is stored, and the server
/// gives the upload up after a while.
#[derive(Debug)]
pub struct ValueWriter {
    link: Uplink,
    chunk_bytes: usize,
    /// Pieces the server may not have, and where the first begins.
    kept: VecDeque<Bytes>,
    kept_bytes: usize,
    from: u64,
    /// Of the next byte that comes in.
    at: u64,
    /// CRC-32C of all before `at`.
    whole: u32,
}

impl Calls {
    /// Begins to write one value as a stream: what `put` says, without its payload.
    ///
    /// # Errors
    /// As [`Calls::write_value`].
    pub async fn value_writer(&self, put: v1::PutRequest) -> Result<ValueWriter> {
        let chunk_bytes = self.chunk_bytes().await?;
        let link = Uplink::new(self, put, None);
        let mut writer =
            ValueWriter { link, chunk_bytes, kept: VecDeque::new(), kept_bytes: 0, from: 0, at: 0, whole: 0 };
        // Opened at once: whoever follows finds it before its first piece.
        match writer.link.open(0).await {
            Ok(()) => {}
            Err(error) => writer.again(error).await?,
        }
        Ok(writer)
    }
}

impl ValueWriter {
    /// Sends a piece. Waits while the server takes no more.
    ///
    /// # Errors
    /// What the server refused, or that it was away for too long. After an error the upload is lost.
    pub async fn send(&mut self, mut data: Bytes) -> Result<()> {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(self.chunk_bytes));
            if self.kept_bytes + piece.len() > KEPT_BYTES_MAX {
                self.confirm().await?;
            }
            let crc32c = crc32c::crc32c(&piece);
            self.whole = crc32c::crc32c_combine(self.whole, crc32c, piece.len());
            let offset = self.at;
            self.at += piece.len() as u64;
            self.kept_bytes += piece.len();
            self.kept.push_back(piece.clone());
            if let Err(error) = self.link.send(chunk(offset, piece, crc32c)).await {
                self.again(error).await?;
            }
        }
        Ok(())
    }

    /// Bytes sent so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Says that this was all, and waits until it is stored.
    ///
    /// # Errors
    /// As [`ValueWriter::send`].
    pub async fn finish(mut self) -> Result<v1::PutResponse> {
        loop {
            let finish = v1::WriteValueFinish { size_bytes: self.at, crc32c: Some(self.whole), digest: Bytes::new() };
            let error = match self.link.finish(finish).await {
                Ok(put) => return Ok(put),
                Err(error) => error,
            };
            let offset = match self.link.recover(error).await? {
                Recovered::Done(put) => return Ok(*put),
                Recovered::At(offset) => offset,
            };
            if let Err(error) = self.resend(offset).await {
                self.again(error).await?;
            }
        }
    }

    /// Gets the stream back after a failure, with everything on it that the server does not have.
    async fn again(&mut self, mut error: Error) -> Result<()> {
        loop {
            let Recovered::At(offset) = self.link.recover(error).await? else {
                return Err(Error::new(ErrorKind::Internal, "the upload was finished by another"));
            };
            match self.resend(offset).await {
                Ok(()) => return Ok(()),
                Err(failed) => error = failed,
            }
        }
    }

    async fn resend(&mut self, offset: u64) -> Result<()> {
        if !(self.from..=self.at).contains(&offset) {
            let text = "the server lost the upload: what it had of it is not kept here any more";
            return Err(Error::new(ErrorKind::FailedPrecondition, text).with_reason("UPLOAD_UNKNOWN_HERE"));
        }
        self.forget(offset);
        self.link.open(offset).await?;
        let mut at = self.from;
        for piece in self.kept.clone() {
            // The server may have a part of the first.
            let rest = piece.slice(usize::try_from(offset.saturating_sub(at)).unwrap_or(0).min(piece.len())..);
            at += piece.len() as u64;
            if !rest.is_empty() {
                let crc32c = crc32c::crc32c(&rest);
                self.link.send(chunk(at - rest.len() as u64, rest, crc32c)).await?;
            }
        }
        Ok(())
    }

    /// Drops what the server has.
    fn forget(&mut self, received: u64) {
        while let Some(first) = self.kept.front() {
            let end = self.from + first.len() as u64;
            if end > received {
                break;
            }
            self.from = end;
            self.kept_bytes -= first.len();
            self.kept.pop_front();
        }
    }

    /// Asks what the server has until there is room again.
    async fn confirm(&mut self) -> Result<()> {
        let before = self.from;
        loop {
            let failed = match self.link.query().await {
                Ok(found) => {
                    self.forget(found.received_bytes);
                    None
                }
                Err(error) => Some(error),
            };
            if self.from > before {
                self.link.failures.progress();
                return Ok(());
            }
            let still = || Error::new(ErrorKind::Unavailable, "the server takes nothing of the upload any more");
            let failed = failed.unwrap_or_else(still);
            self.link.failures.pause(&self.link.calls.clone(), failed).await?;
        }
    }
}
