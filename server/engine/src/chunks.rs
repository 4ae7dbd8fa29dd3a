//! Values in the chunks they came in: what tells that they are whole, and what identifies them whatever the cuts were. Who
//! writes or reads them, and how fast, is not known here.

use std::{fmt, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::allocation::allocated;

/// Values of at most so many bytes are identified by their SHA-256, larger ones as [`digest_of_value`] says. No unary call
/// carries a larger one.
pub const SHA256_BYTES_MAX: u64 = 3 << 20;
/// Bytes of the chunks that a value gets which is cut here.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Of the piece of memory that a chunk keeps alive, one in so many parts may be of no use to it; else it is copied.
const SLACK_PARTS: usize = 4;
/// Chunks from here on add to the checksum of the whole by their own checksum: working that out takes as long as going once
/// more over so many bytes.
const COMBINED_BYTES_MIN: usize = 256 << 10;
/// What counts those who share the bytes of a chunk.
const SHARED_BYTES: u64 = 24;
/// Counts before what is shared.
const COUNTS_BYTES: usize = 16;
/// Ends a digest that is no SHA-256.
const MARK: [u8; 4] = *b"xxh3";

/// A piece of a value in memory of its own, with its CRC-32C (RFC 3720, B.4).
#[derive(Clone)]
pub struct Chunk {
    bytes: Bytes,
    /// Bytes of the piece of memory that it keeps alive.
    room: usize,
    crc32c: u32,
}

impl Chunk {
    /// A chunk of these bytes. They are kept as they came when nobody else holds them and they fill three quarters of their
    /// memory; else they are copied, so that a small chunk keeps no large buffer.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let crc32c = crc32c::crc32c(&bytes);
        Self::of(bytes, crc32c)
    }

    /// The same for bytes that came with their checksum; `None`: they do not have it.
    #[must_use]
    pub fn checked(bytes: Bytes, crc32c: u32) -> Option<Self> {
        (crc32c::crc32c(&bytes) == crc32c).then(|| Self::of(bytes, crc32c))
    }

    fn of(bytes: Bytes, crc32c: u32) -> Self {
        let length = bytes.len();
        let copied = |bytes: &[u8]| Self { bytes: Bytes::copy_from_slice(bytes), room: length, crc32c };
        let chunk = match bytes.try_into_mut() {
            Ok(mut own) => {
                // What is before it in its memory shows only when it is as much as the chunk itself.
                let is_large = own.try_reclaim(length / (SLACK_PARTS - 1) + 1);
                let room = own.capacity();
                if is_large { copied(&own) } else { Self { bytes: own.freeze(), room, crc32c } }
            }
            Err(shared) => copied(&shared),
        };
        // What counts those who share it is made when it is first shared: now, because it is charged.
        drop(chunk.bytes.clone());
        chunk
    }

    /// The bytes. Who clones them shares them.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Their CRC-32C.
    #[must_use]
    pub fn crc32c(&self) -> u32 {
        self.crc32c
    }

    /// CRC-32C of what has this one, and then these bytes.
    #[must_use]
    pub fn appended_to(&self, crc32c: u32) -> u32 {
        if self.bytes.len() < COMBINED_BYTES_MIN {
            crc32c::crc32c_append(crc32c, &self.bytes)
        } else {
            crc32c::crc32c_combine(crc32c, self.crc32c, self.bytes.len())
        }
    }

    /// Bytes charged for it as part of a value.
    #[must_use]
    pub fn charged_bytes(&self) -> u64 {
        charge(self.room as u64)
    }
}

/// Bytes charged for a chunk in memory of this size.
fn charge(room: u64) -> u64 {
    let own = if room == 0 { 0 } else { allocated(room) + allocated(SHARED_BYTES) };
    own + (size_of::<Chunk>() + size_of::<u64>()) as u64
}

/// Bytes charged for the chunks of a value of this size that comes in chunks of that size, each in memory of its own.
#[must_use]
pub fn charge_in_chunks(size: u64, chunk: u64) -> u64 {
    let (whole, rest) = (size / chunk.max(1), size % chunk.max(1));
    whole.saturating_mul(charge(chunk)).saturating_add(if rest == 0 { 0 } else { charge(rest) })
}

/// Bytes of the largest value whose chunks of that size are charged no more than this; a little less where that is not
/// easily said.
#[must_use]
pub fn largest_in_chunks(room: u64, chunk: u64) -> u64 {
    let (whole, rest) = (room / charge(chunk), room % charge(chunk));
    // A piece of memory is a quarter larger than what lies in it at most.
    whole * chunk + rest.saturating_sub(charge(16)) / 5 * 4
}

impl fmt::Debug for Chunk {
    /// Never the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("bytes", &self.bytes.len()).field("crc32c", &self.crc32c).finish()
    }
}

/// A value that is on its way, chunk by chunk. What it holds of it is charged to whoever collects.
#[derive(Clone, Default)]
pub struct Collecting {
    chunks: Vec<Chunk>,
    size: u64,
    crc32c: u32,
    xxh3: Box<Xxh3>,
    charged: u64,
}

impl Collecting {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk. An empty one adds nothing.
    pub fn push(&mut self, chunk: Chunk) {
        if chunk.bytes.is_empty() {
            return;
        }
        self.crc32c = if self.size == 0 { chunk.crc32c } else { chunk.appended_to(self.crc32c) };
        self.xxh3.update(&chunk.bytes);
        self.size += chunk.bytes.len() as u64;
        self.charged += chunk.charged_bytes();
        self.chunks.push(chunk);
    }

    /// Bytes of the value so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// CRC-32C of the value so far.
    #[must_use]
    pub fn crc32c(&self) -> u32 {
        self.crc32c
    }

    /// Bytes charged for it so far.
    #[must_use]
    pub fn charged_bytes(&self) -> u64 {
        self.charged
    }

    /// The chunks so far.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The value, which is complete. `sha256`: its SHA-256, if whoever collects worked it out; it is believed for values of
    /// more than [`SHA256_BYTES_MAX`] bytes, and worked out here for others.
    #[must_use]
    pub fn finish(self, sha256: Option<[u8; 32]>) -> Chunks {
        let Self { chunks, size, crc32c, xxh3, charged } = self;
        let (digest, sha256) = if size <= SHA256_BYTES_MAX {
            let own = sha256_of(&chunks);
            (own, Some(own))
        } else {
            (large_digest(xxh3.digest128(), size, crc32c), sha256)
        };
        let mut end = 0;
        let ends = chunks.iter().map(|chunk| {
            end += chunk.bytes.len() as u64;
            end
        });
        let ends = ends.collect();
        let charged = allocated((COUNTS_BYTES + size_of::<Whole>()) as u64) + charged;
        Chunks(Arc::new(Whole { ends, chunks: chunks.into(), size, charged, crc32c, digest, sha256 }))
    }
}

impl fmt::Debug for Collecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collecting")
            .field("size", &self.size)
            .field("chunks", &self.chunks.len())
            .finish_non_exhaustive()
    }
}

/// A value in chunks. Clones share it.
#[derive(Clone)]
pub struct Chunks(Arc<Whole>);

struct Whole {
    chunks: Box<[Chunk]>,
    /// Where each chunk ends in the value.
    ends: Box<[u64]>,
    size: u64,
    charged: u64,
    crc32c: u32,
    digest: [u8; 32],
    sha256: Option<[u8; 32]>,
}

impl Chunks {
    /// A value that is there in one piece, cut into chunks of [`CHUNK_BYTES`].
    #[must_use]
    pub fn cut(value: &[u8]) -> Self {
        let mut collecting = Collecting::new();
        value.chunks(CHUNK_BYTES).for_each(|part| collecting.push(Chunk::new(Bytes::copy_from_slice(part))));
        collecting.finish(None)
    }

    /// Bytes of the value.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Where it is: the same for those that share it, and for nothing else while one of them lives.
    #[must_use]
    pub fn place(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// How many share it now.
    #[must_use]
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The chunks, none of them empty.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.0.chunks
    }

    /// CRC-32C of the value.
    #[must_use]
    pub fn crc32c(&self) -> u32 {
        self.0.crc32c
    }

    /// What identifies the value, see [`digest_of_value`].
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest
    }

    /// SHA-256 of the value, if it was worked out.
    #[must_use]
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.0.sha256
    }

    /// The same, worked out if need be: half a second for each GiB.
    #[must_use]
    pub fn sha256_now(&self) -> [u8; 32] {
        self.0.sha256.unwrap_or_else(|| sha256_of(&self.0.chunks))
    }

    /// Bytes charged for it.
    #[must_use]
    pub fn charged_bytes(&self) -> u64 {
        self.0.charged
    }

    /// Which chunk holds the byte at an offset, and where in it; `None` at the end and beyond.
    #[must_use]
    pub fn at(&self, offset: u64) -> Option<(usize, usize)> {
        let index = self.0.ends.partition_point(|end| *end <= offset);
        let begin = index.checked_sub(1).map_or(0, |before| self.0.ends[before]);
        (index < self.0.chunks.len()).then(|| (index, usize::try_from(offset - begin).unwrap_or(usize::MAX)))
    }

    /// The value from an offset on, in its chunks: the first may be a part of one. Nothing is copied.
    pub fn from(&self, offset: u64) -> impl Iterator<Item = Bytes> + '_ {
        let (first, within) = self.at(offset).unwrap_or((self.0.chunks.len(), 0));
        let rest = self.0.chunks[first..].iter().enumerate();
        rest.map(move |(index, chunk)| if index == 0 { chunk.bytes.slice(within..) } else { chunk.bytes.clone() })
    }

    /// The value in one piece: copied, unless it has one chunk.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match &*self.0.chunks {
            [] => Bytes::new(),
            [only] => only.bytes.clone(),
            several => {
                let mut value = Vec::with_capacity(usize::try_from(self.size()).unwrap_or(0));
                several.iter().for_each(|chunk| value.extend_from_slice(&chunk.bytes));
                value.into()
            }
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || self.size() == other.size()
                && self.digest() == other.digest()
                && same_bytes(self.chunks(), other.chunks())
    }
}

impl PartialEq for Chunks {
    /// Whether the bytes are the same, however they are cut.
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl Eq for Chunks {}

impl fmt::Debug for Chunks {
    /// Never the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks")
            .field("size", &self.size())
            .field("chunks", &self.chunks().len())
            .finish_non_exhaustive()
    }
}

/// What identifies a value: a function of its bytes and of nothing else, so that equal values have equal etags however they
/// came. Up to [`SHA256_BYTES_MAX`] bytes its SHA-256. Above, where that would take milliseconds for each MiB of the core that
/// serves: its XXH3-128 (16 bytes), its length (8), its CRC-32C (4), all big endian, and the letters `xxh3`. That tells values
/// apart that differ by accident; who may write a key could make two values that it does not tell apart.
#[must_use]
pub fn digest_of_value(value: &[u8]) -> [u8; 32] {
    let size = value.len() as u64;
    if size <= SHA256_BYTES_MAX {
        return Sha256::digest(value).into();
    }
    large_digest(xxh3_128(value), size, crc32c::crc32c(value))
}

fn large_digest(xxh3: u128, size: u64, crc32c: u32) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(&xxh3.to_be_bytes());
    digest[16..24].copy_from_slice(&size.to_be_bytes());
    digest[24..28].copy_from_slice(&crc32c.to_be_bytes());
    digest[28..].copy_from_slice(&MARK);
    digest
}

fn sha256_of(chunks: &[Chunk]) -> [u8; 32] {
    chunks.iter().fold(Sha256::new(), |hash, chunk| hash.chain_update(&chunk.bytes)).finalize().into()
}

fn same_bytes(one: &[Chunk], other: &[Chunk]) -> bool {
    let mut theirs = other.iter().map(|chunk| &chunk.bytes[..]);
    let mut rest: &[u8] = &[];
    let compared = one.iter().try_for_each(|chunk| {
        let mut mine = &chunk.bytes[..];
        while !mine.is_empty() {
            if rest.is_empty() {
                rest = theirs.next().unwrap_or_default();
            }
            let length = mine.len().min(rest.len());
            if length == 0 || mine[..length] != rest[..length] {
                return ControlFlow::Break(());
            }
            (mine, rest) = (&mine[length..], &rest[length..]);
        }
        ControlFlow::Continue(())
    });
    compared.is_continue() && rest.is_empty() && theirs.next().is_none()
}
