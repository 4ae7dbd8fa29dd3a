//! How a head tells of the chunks of a value, and the value in pieces again. Where the pieces are read from is not known here.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    chunks::{CHUNK_BYTES, Chunk, Chunks, Collecting, SHA256_BYTES_MAX},
    entry::Payload,
};
use xxhash_rust::xxh3::Xxh3;

use super::{
    CodecError, Decoded, Facts,
    head::Form,
    wire::{Reader, Writer},
};

/// Chunks of a value that are told apart at most: of more, neighbours become one.
const CUTS_MAX: usize = 16 << 10;
/// Longest chunk that is read, in bytes. None is written that is longer.
const CUT_BYTES_MAX: u32 = 64 << 20;
/// Bytes of a head for each of them.
const CUT_BYTES: usize = 8;

/// A chunk of a value as the head tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    bytes: u32,
    crc32c: u32,
}

/// The chunks of a value as the head tells of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cuts {
    all: Arc<[Cut]>,
    /// SHA-256 of the value, if it was worked out.
    sha256: Option<[u8; 32]>,
}

impl Cuts {
    /// Those of a value; `None`: one of its chunks is too long to be told of, or there would be too many.
    pub(super) fn of(chunks: &Chunks) -> Option<Self> {
        // As many chunks as have so many bytes together become one, where there are too many to tell them all apart.
        let many = chunks.chunks().len() > CUTS_MAX;
        let least = if many { (chunks.size() / (CUTS_MAX as u64 / 2)).max(CHUNK_BYTES as u64 / 2) } else { 0 };
        let mut all: Vec<Cut> = Vec::with_capacity(chunks.chunks().len().min(CUTS_MAX));
        for chunk in chunks.chunks() {
            let bytes = u32::try_from(chunk.bytes().len()).ok()?;
            match all.last_mut().filter(|last| u64::from(last.bytes) < least) {
                Some(last) => {
                    last.crc32c = chunk.appended_to(last.crc32c);
                    last.bytes = last.bytes.checked_add(bytes)?;
                }
                None => all.push(Cut { bytes, crc32c: chunk.crc32c() }),
            }
        }
        let told = all.len() <= CUTS_MAX && all.iter().all(|cut| cut.bytes <= CUT_BYTES_MAX);
        told.then(|| Self { all: all.into(), sha256: chunks.sha256() })
    }

    /// Bytes of the value.
    pub(super) fn bytes(&self) -> u64 {
        self.all.iter().map(|cut| u64::from(cut.bytes)).sum()
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.u8(u8::from(self.sha256.is_some()));
        to.raw(self.sha256.as_ref().map_or(&[], |sha256| &sha256[..]));
        to.u32(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        for cut in self.all.iter() {
            to.u32(cut.bytes);
            to.u32(cut.crc32c);
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let sha256 = match from.u8()? {
            0 => None,
            1 => Some(from.array()?),
            _ => return Err(CodecError::Damaged("whether there is a SHA-256 is not known")),
        };
        let count = from.u32()? as usize;
        if count > CUTS_MAX {
            return Err(CodecError::Damaged("there are too many chunks"));
        }
        // All of them are there before there is room for any.
        let all = from.raw(count * CUT_BYTES)?.chunks_exact(CUT_BYTES);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let all = all.map(|cut| Cut { bytes: number(&cut[..4]), crc32c: number(&cut[4..]) });
        let all: Arc<[Cut]> = all.collect();
        if all.iter().any(|cut| cut.bytes == 0 || cut.bytes > CUT_BYTES_MAX) {
            return Err(CodecError::Damaged("a chunk has an impossible length"));
        }
        Ok(Self { all, sha256 })
    }
}

/// A value that is read piece by piece: those it was written in, or of [`CHUNK_BYTES`].
pub struct Gathering {
    facts: Facts,
    next: usize,
    /// Bytes of all pieces that came, also of one that was refused.
    taken: u64,
    value: Collecting,
    /// Of what is there in one piece, which has no other checksum.
    sum: Xxh3,
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering").field("next", &self.next).field("value", &self.value).finish_non_exhaustive()
    }
}

impl Gathering {
    /// Of a record with this head.
    ///
    /// # Errors
    /// The head, where the value is to be read at once: a small one, or one that is compressed.
    #[expect(clippy::result_large_err, reason = "it is not an error, and not moved on")]
    pub fn of(facts: Facts) -> Result<Self, Facts> {
        let large = facts.form == Form::Plain && facts.stored_bytes > SHA256_BYTES_MAX;
        if !large && facts.form != Form::Chunks {
            return Err(facts);
        }
        Ok(Self { facts, next: 0, taken: 0, value: Collecting::new(), sum: Xxh3::new() })
    }

    /// Bytes of the next piece; `None` when that was the last.
    #[must_use]
    pub fn next_bytes(&self) -> Option<usize> {
        if self.facts.form == Form::Chunks {
            return self.facts.cuts.all.get(self.next).map(|cut| cut.bytes as usize);
        }
        let left = self.behind();
        (left > 0).then(|| usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES))
    }

    /// Bytes of the value behind the pieces that were taken, and the one that was refused last.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.facts.stored_bytes.saturating_sub(self.taken)
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// It is not what was written.
    pub fn push(&mut self, piece: Bytes) -> Result<(), CodecError> {
        let bytes = piece.len() as u64;
        if Some(piece.len()) != self.next_bytes() {
            return Err(CodecError::Damaged("a chunk is not as long as it was"));
        }
        let chunk = match self.facts.cuts.all.get(self.next) {
            Some(cut) => Chunk::checked(piece, cut.crc32c),
            None => {
                self.sum.update(&piece);
                Some(Chunk::new(piece))
            }
        };
        self.next += 1;
        self.taken += bytes;
        self.value.push(chunk.ok_or(CodecError::Damaged("a chunk does not have its checksum"))?);
        Ok(())
    }

    /// The entry.
    ///
    /// # Errors
    /// A piece is missing, or together they are not what was written.
    pub fn finish(self) -> Result<Decoded, CodecError> {
        let Self { mut facts, value, sum, .. } = self;
        let plain = facts.form == Form::Plain;
        if value.size() != facts.stored_bytes || (plain && sum.digest() != facts.stored_sum) {
            return Err(CodecError::Damaged("the value does not have its checksum"));
        }
        let chunks = value.finish(facts.cuts.sha256);
        if plain {
            // Whoever wrote it may have had another rule for what identifies a large value.
            facts.digest = chunks.digest();
        } else if chunks.digest() != facts.digest {
            return Err(CodecError::Damaged("the value does not have its digest"));
        }
        let (key, stamp) = (facts.key.clone(), facts.stamp.clone());
        Ok(Decoded { key, kept: facts.kept(Payload::collected(chunks)), stamp })
    }
}
