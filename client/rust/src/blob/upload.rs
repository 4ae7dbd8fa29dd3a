//! Writing a value whose bytes can be read again from anywhere, such as a file: what is lost is read and sent again.

use std::{collections::VecDeque, future::Future};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::uplink::{Recovered, Uplink, chunk};
use crate::{Calls, Error, ErrorKind, Result, v1};

/// Places remembered with the checksum of all before them, to go on from.
const PLACES_MAX: usize = 4_096;

/// A value that is written as a stream, and can be read from any byte on, again and again.
pub trait ValueSource: Send {
    /// Some bytes from `offset` on, `bytes_max` at most. Empty at the end and only there.
    ///
    /// # Errors
    /// That it cannot be read: this ends the upload.
    fn read(&mut self, offset: u64, bytes_max: usize) -> impl Future<Output = Result<Bytes>> + Send;

    /// Its bytes, when they are known beforehand.
    fn size(&self) -> Option<u64> {
        None
    }
}

impl ValueSource for Bytes {
    async fn read(&mut self, offset: u64, bytes_max: usize) -> Result<Bytes> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        Ok(self.slice(from..self.len().min(from.saturating_add(bytes_max))))
    }

    fn size(&self) -> Option<u64> {
        Some(self.len() as u64)
    }
}

impl Calls {
    /// Writes one value as a stream: what `put` says, with the bytes of `source` as its value. Nothing of it can be read
    /// under its key before all of it is there; then it is stored in one step. A stream that breaks is gone on with
    /// where the server has it. The deadline of a call on many entries is for each step, not for all.
    ///
    /// With `sha256` the SHA-256 of the value is worked out, sent, checked by the server and kept; each chunk is
    /// checked by CRC-32C in any case.
    ///
    /// # Errors
    /// What the server refused, what the source failed with, or that the server was away for too long.
    pub async fn write_value<S: ValueSource>(
        &self,
        put: v1::PutRequest,
        source: S,
        sha256: bool,
    ) -> Result<v1::PutResponse> {
        let chunk_bytes = self.chunk_bytes().await?;
        let link = Uplink::new(self, put, source.size());
        let sums = Sums { places: VecDeque::from([(0, 0)]), sha256: sha256.then(Sha256::new), hashed: 0 };
        Upload { link, source, sums, chunk_bytes }.run().await
    }
}

/// An upload under way.
struct Upload<S> {
    link: Uplink,
    source: S,
    sums: Sums,
    chunk_bytes: usize,
}

/// What proves the whole.
struct Sums {
    /// Ends of chunks, ascending, with the CRC-32C of all before them.
    places: VecDeque<(u64, u32)>,
    sha256: Option<Sha256>,
    /// Bytes that `sha256` has seen.
    hashed: u64,
}

impl<S: ValueSource> Upload<S> {
    async fn run(mut self) -> Result<v1::PutResponse> {
        let mut at = 0;
        loop {
            let error = match self.send_from(at).await {
                Ok(put) => return Ok(put),
                Err(Broken::Source(error)) => return Err(error),
                Err(Broken::Link(error)) => error,
            };
            match self.link.recover(error).await? {
                Recovered::At(offset) => at = offset,
                Recovered::Done(put) => return Ok(*put),
            }
        }
    }

    async fn send_from(&mut self, from: u64) -> Result<v1::PutResponse, Broken> {
        self.link.open(from).await.map_err(Broken::Link)?;
        let (mut at, mut whole) = (from, self.sums.at(from));
        loop {
            let data = self.source.read(at, self.chunk_bytes).await.map_err(Broken::Source)?;
            if data.is_empty() {
                break;
            }
            let crc32c = crc32c::crc32c(&data);
            whole = whole.map(|before| crc32c::crc32c_combine(before, crc32c, data.len()));
            self.sums.add(at, &data, whole);
            let offset = at;
            at += data.len() as u64;
            self.link.send(chunk(offset, data, crc32c)).await.map_err(Broken::Link)?;
        }
        if self.source.size().is_some_and(|size| size != at) {
            let text = "the value changed while it was being written";
            return Err(Broken::Source(Error::new(ErrorKind::InvalidArgument, text)));
        }
        let digest = self.sums.digest(at);
        let finish = v1::WriteValueFinish { size_bytes: at, crc32c: whole, digest };
        self.link.finish(finish).await.map_err(Broken::Link)
    }
}

/// What ended a try.
enum Broken {
    /// The stream: it may go on.
    Link(Error),
    /// What is to be sent: it may not.
    Source(Error),
}

impl Sums {
    /// CRC-32C of all before this byte, where it is known.
    fn at(&mut self, offset: u64) -> Option<u32> {
        if offset == 0 {
            return Some(0);
        }
        let place = self.places.binary_search_by_key(&offset, |(end, _)| *end).ok()?;
        self.places.truncate(place + 1);
        self.places.back().map(|(_, sum)| *sum)
    }

    fn add(&mut self, offset: u64, data: &[u8], whole: Option<u32>) {
        let end = offset + data.len() as u64;
        if let Some(whole) = whole {
            while self.places.back().is_some_and(|(last, _)| *last >= end) {
                self.places.pop_back();
            }
            if self.places.len() >= PLACES_MAX {
                self.places.pop_front();
            }
            self.places.push_back((end, whole));
        }
        if let Some(sha256) = &mut self.sha256
            && (offset..end).contains(&self.hashed)
        {
            let seen = usize::try_from(self.hashed - offset).unwrap_or(data.len());
            sha256.update(&data[seen..]);
            self.hashed = end;
        }
    }

    /// SHA-256 of the whole, if it was asked for and has seen all.
    fn digest(&self, size: u64) -> Bytes {
        match &self.sha256 {
            Some(sha256) if self.hashed == size => Bytes::copy_from_slice(&sha256.clone().finalize()),
            _ => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_whole_also_when_a_part_is_sent_again() {
        let value: Vec<u8> = (0..1_000_u32).map(|n| u8::try_from(n % 251).expect("below 251")).collect();
        let mut sums = Sums { places: VecDeque::from([(0, 0)]), sha256: Some(Sha256::new()), hashed: 0 };
        let mut send = |from: usize, to: usize| {
            let mut whole = sums.at(from as u64);
            for start in (from..to).step_by(100) {
                let data = &value[start..to.min(start + 100)];
                whole = whole.map(|before| crc32c::crc32c_combine(before, crc32c::crc32c(data), data.len()));
                sums.add(start as u64, data, whole);
            }
            (whole, sums.digest(to as u64))
        };
        send(0, 700);
        send(300, 500);
        let (whole, digest) = send(400, 1_000);
        assert_eq!(whole, Some(crc32c::crc32c(&value)));
        assert_eq!(digest, Bytes::copy_from_slice(&Sha256::digest(&value)));
        assert_eq!(send(450, 1_000).0, None, "that place is not known: then the whole is not claimed");
    }
}
