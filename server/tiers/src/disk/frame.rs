//! What stands before every record in a segment, and before every entry in a value's record. Where records lie is not known
//! here.
//!
//! | bytes | frame, little endian |
//! |---|---|
//! | 4 | mark of the segment, made from its salt |
//! | 1 + 1 + 2 | version, kind, zero |
//! | 4 | length of what follows the frame |
//! | 4 | checksum of the frame |
//! | 8 | sequence number |
//! | 8 | hash of the key; zero when it is about none |
//! | 8 | checksum of what follows |
//!
//! Checksums are xxh3 seeded with the segment's salt: neither what clients store nor a record of another segment passes.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// Bytes of a frame.
pub(super) const FRAME_BYTES: usize = 40;
/// Longest content of a record that is no footer, in bytes: a value that lies in a segment with all that is said of it, or
/// the selectors of a fence.
pub(super) const CONTENT_BYTES_MAX: u32 = 4 << 20;
/// Sequence numbers are below.
pub(super) const SEQUENCE_END: u64 = 1 << 62;
const VERSION: u8 = 1;
const SUM_AT: usize = 12;
const REST_AT: usize = 16;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry: [`Note`], then the entry's own record.
    Value,
    /// An entry in a file of its own: [`Note`], then [`BlobRef`].
    Blob,
    /// The key's older entries are gone.
    Forget,
    /// What selectors select and is older is gone.
    Sets,
    /// Everything older than the number that follows is gone.
    Floor,
    /// What the segment has, see `segment.rs`.
    Footer,
    /// Of a version or kind that is not known here: what it says of its key counts as forgotten.
    Unknown,
}

impl Kind {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Value => 1,
            Self::Blob => 2,
            Self::Forget => 3,
            Self::Sets => 4,
            Self::Floor => 5,
            Self::Footer => 6,
        }
    }

    pub(super) fn of(code: u8) -> Self {
        let known = [Self::Value, Self::Blob, Self::Forget, Self::Sets, Self::Floor, Self::Footer];
        known.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Unknown)
    }

    pub(super) fn is_entry(self) -> bool {
        matches!(self, Self::Value | Self::Blob)
    }
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) sequence: u64,
    /// Hash of the key.
    pub(super) name: u64,
    /// Bytes of the content.
    pub(super) length: u32,
    sum: u64,
}

/// The mark that every frame of a segment begins with.
pub(super) fn mark(salt: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(b"mark", salt).to_le_bytes();
    [a, b, c, d]
}

/// The checksum of a content in several parts.
fn sum_of(salt: u64, parts: &[&[u8]]) -> u64 {
    let mut sum = Xxh3::with_seed(salt);
    for part in parts {
        sum.update(part);
    }
    sum.digest()
}

fn frame_sum(frame: &[u8; FRAME_BYTES], salt: u64) -> [u8; 4] {
    let sum = sum_of(salt, &[&frame[..SUM_AT], &frame[REST_AT..]]);
    let [a, b, c, d, ..] = sum.to_le_bytes();
    [a, b, c, d]
}

/// Appends a record; with the bytes that it takes, or `None` when its content is too long for one.
pub(super) fn append(
    into: &mut Vec<u8>,
    salt: u64,
    (kind, sequence, name): (Kind, u64, u64),
    content: &[&[u8]],
) -> Option<u32> {
    let length = u32::try_from(content.iter().map(|part| part.len()).sum::<usize>()).ok()?;
    if length > CONTENT_BYTES_MAX && kind != Kind::Footer {
        return None;
    }
    let mut frame = [0; FRAME_BYTES];
    frame[..4].copy_from_slice(&mark(salt));
    frame[4] = VERSION;
    frame[5] = kind.code();
    frame[8..12].copy_from_slice(&length.to_le_bytes());
    frame[16..24].copy_from_slice(&sequence.to_le_bytes());
    frame[24..32].copy_from_slice(&name.to_le_bytes());
    frame[32..40].copy_from_slice(&sum_of(salt, content).to_le_bytes());
    let sum = frame_sum(&frame, salt);
    frame[SUM_AT..REST_AT].copy_from_slice(&sum);
    into.extend(frame);
    for part in content {
        into.extend(*part);
    }
    Some(length)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

impl Frame {
    /// Reads a frame; `None` when it is damaged or none of this segment.
    pub(super) fn read(bytes: &[u8; FRAME_BYTES], salt: u64) -> Option<Self> {
        if bytes[..4] != mark(salt) || bytes[SUM_AT..REST_AT] != frame_sum(bytes, salt) {
            return None;
        }
        let length = u32::from_le_bytes(bytes[8..12].try_into().expect("4 bytes"));
        let kind = if bytes[4] == VERSION { Kind::of(bytes[5]) } else { Kind::Unknown };
        let sequence = number(bytes, 16);
        let fits = length <= CONTENT_BYTES_MAX || kind == Kind::Footer;
        let frame = Self { kind, sequence, name: number(bytes, 24), length, sum: number(bytes, 32) };
        (fits && sequence < SEQUENCE_END).then_some(frame)
    }

    /// Whether this is its content.
    pub(super) fn holds(&self, content: &[u8], salt: u64) -> bool {
        content.len() == self.length as usize && sum_of(salt, &[content]) == self.sum
    }

    /// Bytes of the whole record.
    pub(super) fn record_bytes(&self) -> u64 {
        FRAME_BYTES as u64 + u64::from(self.length)
    }
}

/// Bytes of a [`Note`].
pub(super) const NOTE_BYTES: usize = 32;

/// What the tier has to know of an entry without reading it. Times are milliseconds since the Unix epoch, as the wall that
/// never goes back has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// When it was stored or last confirmed.
    pub(super) stored: u64,
    /// When it ends, whoever reads it; `u64::MAX`: never.
    pub(super) ends: u64,
    /// Ends when unread for this long; zero: whether it is read or not.
    pub(super) idle: u64,
    /// What computing it cost, in milliseconds.
    pub(super) cost: u32,
}

impl Note {
    pub(super) fn bytes(&self) -> [u8; NOTE_BYTES] {
        let mut bytes = [0; NOTE_BYTES];
        bytes[..8].copy_from_slice(&self.stored.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.ends.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.idle.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.cost.to_le_bytes());
        bytes
    }

    /// Of the beginning of a value's or blob's content; `None` when it is shorter.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let bytes: &[u8; NOTE_BYTES] = content.first_chunk()?;
        let cost = u32::from_le_bytes(bytes[24..28].try_into().expect("4 bytes"));
        Some(Self { stored: number(bytes, 0), ends: number(bytes, 8), idle: number(bytes, 16), cost })
    }
}

/// Bytes of a [`BlobRef`].
pub(super) const BLOB_REF_BYTES: usize = 24;

/// Which file holds an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlobRef {
    /// The number it was handed over under; the file is named after it.
    pub(super) id: u64,
    /// Bytes of the entry's own record in it.
    pub(super) bytes: u64,
    /// Their checksum.
    pub(super) sum: u64,
}

impl BlobRef {
    pub(super) fn bytes(&self) -> [u8; BLOB_REF_BYTES] {
        let mut bytes = [0; BLOB_REF_BYTES];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[16..].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    /// `None` when it is not as long as one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; BLOB_REF_BYTES] = bytes.try_into().ok()?;
        Some(Self { id: number(bytes, 0), bytes: number(bytes, 8), sum: number(bytes, 16) })
    }
}
