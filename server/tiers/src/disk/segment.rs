//! A segment: its header, its footer, and reading it with or without one. What its records make of the index is decided in
//! `recover.rs`.
//!
//! | bytes | header, little endian; those up to the first number are there in every version |
//! |---|---|
//! | 8 + 4 + 4 | `HOTPLSEG`, version, zero |
//! | 8 | number of the segment |
//! | 8 | numbers of its own entries and forgettings begin here |
//! | 8 | salt |
//! | 8 | where the segment before it ended |
//! | 8 | when it was begun |
//! | 8 | checksum |
//!
//! A complete segment ends with a footer: a record with one row for each record, then where it begins, with a checksum. A segment
//! without one is read record by record.

use std::io;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    files::Handle,
    frame::{self, BLOB_REF_BYTES, BlobRef, FRAME_BYTES, Frame, Kind, NOTE_BYTES, Note},
    window::Window,
};

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 64;
/// The format that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"HOTPLSEG";
const SEED: u64 = u64::from_le_bytes(*b"hpsegmt1");
const SUM_AT: usize = 56;

/// Records of a segment at most, so that its footer stays small.
pub(super) const RECORDS_MAX: usize = 1 << 17;
/// Bytes of a row of the footer.
pub(super) const ROW_BYTES: usize = 96;
/// Bytes after the footer's record.
pub(super) const TRAILER_BYTES: usize = 24;
const END: u64 = u64::from_le_bytes(*b"HOTPLEND");

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u32,
    pub(super) first: u64,
    pub(super) salt: u64,
    pub(super) previous_end: u64,
    pub(super) begun: u64,
}

/// What a file that should be a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Ours(Header),
    /// Of another version; its numbers begin here. It is left alone.
    Foreign(u64),
    Damaged,
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

impl Header {
    pub(super) fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let numbers = [u64::from(self.id), self.first, self.salt, self.previous_end, self.begun];
        for (place, number) in bytes[16..SUM_AT].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let sum = xxh3_64_with_seed(&bytes[..SUM_AT], SEED);
        bytes[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of a segment with this number in its name.
    pub(super) fn read(file: &dyn Handle, length: u64, id: u32) -> io::Result<Opened> {
        if length < HEADER_BYTES as u64 {
            return Ok(Opened::Damaged);
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_all(&mut bytes, 0)?;
        let version = u32::from_le_bytes(bytes[8..12].try_into().expect("4 bytes"));
        let sound = number(&bytes, SUM_AT) == xxh3_64_with_seed(&bytes[..SUM_AT], SEED);
        if &bytes[..8] == MAGIC && version > VERSION && !sound_as_ours(&bytes) {
            return Ok(Opened::Foreign(number(&bytes, 24)));
        }
        if !sound || &bytes[..8] != MAGIC || version != VERSION || number(&bytes, 16) != u64::from(id) {
            return Ok(Opened::Damaged);
        }
        Ok(Opened::Ours(Self {
            id,
            first: number(&bytes, 24),
            salt: number(&bytes, 32),
            previous_end: number(&bytes, 40),
            begun: number(&bytes, 48),
        }))
    }
}

/// Whether a header would be sound with our version in it: then it is ours, and its version is what is damaged.
fn sound_as_ours(bytes: &[u8; HEADER_BYTES]) -> bool {
    let mut ours = *bytes;
    ours[8..12].copy_from_slice(&VERSION.to_le_bytes());
    number(&ours, SUM_AT) == xxh3_64_with_seed(&ours[..SUM_AT], SEED)
}

/// A record as the footer, or reading through the segment, tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: Kind,
    /// Where its frame begins.
    pub(super) offset: u32,
    /// Bytes of its content.
    pub(super) length: u32,
    pub(super) sequence: u64,
    pub(super) name: u64,
    /// Of entries.
    pub(super) note: Note,
    /// Of entries in files of their own.
    pub(super) blob: Option<BlobRef>,
}

impl Row {
    /// Of a record's frame and content; `None` when the content is not that of its kind.
    pub(super) fn of(frame: &Frame, offset: u32, content: &[u8]) -> Option<Self> {
        let note = if frame.kind.is_entry() { Note::read(content)? } else { Note::default() };
        let blob = if frame.kind == Kind::Blob { Some(BlobRef::read(content.get(NOTE_BYTES..)?)?) } else { None };
        let Frame { kind, sequence, name, length, .. } = *frame;
        Some(Self { kind, offset, length, sequence, name, note, blob })
    }

    fn bytes(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[0] = self.kind.code();
        bytes[4..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.name.to_le_bytes());
        bytes[32..32 + NOTE_BYTES].copy_from_slice(&self.note.bytes());
        if let Some(blob) = &self.blob {
            bytes[64..64 + BLOB_REF_BYTES].copy_from_slice(&blob.bytes());
        }
        bytes
    }

    fn read(bytes: &[u8; ROW_BYTES]) -> Option<Self> {
        let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let kind = Kind::of(bytes[0]);
        let blob = if kind == Kind::Blob { BlobRef::read(&bytes[64..64 + BLOB_REF_BYTES]) } else { None };
        let note = Note::read(&bytes[32..])?;
        let (sequence, name) = (number(bytes, 16), number(bytes, 24));
        (sequence < frame::SEQUENCE_END).then_some(Self {
            kind,
            offset: half(4),
            length: half(8),
            sequence,
            name,
            note,
            blob,
        })
    }

    /// Bytes that keeping it takes on disk.
    pub(super) fn weight(&self) -> u64 {
        FRAME_BYTES as u64 + u64::from(self.length) + self.blob.map_or(0, |blob| super::blob::file_bytes(blob.bytes))
    }
}

/// The footer of a segment whose records end at `end`.
pub(super) fn footer(rows: &[Row], salt: u64, end: u64) -> Vec<u8> {
    let content: Vec<u8> = rows.iter().flat_map(Row::bytes).collect();
    let mut bytes = Vec::with_capacity(content.len() + FRAME_BYTES + TRAILER_BYTES);
    frame::append(&mut bytes, salt, (Kind::Footer, 0, 0), &[&content]).expect("rows are bounded");
    let mut trailer = [0; 16];
    trailer[..8].copy_from_slice(&end.to_le_bytes());
    trailer[8..].copy_from_slice(&END.to_le_bytes());
    bytes.extend(trailer);
    bytes.extend(xxh3_64_with_seed(&trailer, salt).to_le_bytes());
    bytes
}

/// Bytes of the footer of so many records.
pub(super) fn footer_bytes(records: usize) -> u64 {
    (records * ROW_BYTES + FRAME_BYTES + TRAILER_BYTES) as u64
}

/// The rows of a footer and where it begins; `None` when there is no sound one.
pub(super) fn read_footer(file: &dyn Handle, length: u64, salt: u64) -> io::Result<Option<(Vec<Row>, u64)>> {
    let trailer_at = length.saturating_sub(TRAILER_BYTES as u64);
    let least = (HEADER_BYTES + FRAME_BYTES) as u64;
    if trailer_at < least {
        return Ok(None);
    }
    let mut trailer = [0; TRAILER_BYTES];
    file.read_all(&mut trailer, trailer_at)?;
    let at = number(&trailer, 0);
    let bytes = trailer_at.saturating_sub(at);
    let sound = number(&trailer, 8) == END && number(&trailer, 16) == xxh3_64_with_seed(&trailer[..16], salt);
    if !sound || at < HEADER_BYTES as u64 || bytes > footer_bytes(RECORDS_MAX) || bytes < FRAME_BYTES as u64 {
        return Ok(None);
    }
    let mut record = vec![0; usize::try_from(bytes).unwrap_or(0)];
    file.read_all(&mut record, at)?;
    let Some((first, content)) = record.split_first_chunk() else { return Ok(None) };
    let whole = Frame::read(first, salt).filter(|frame| frame.kind == Kind::Footer && frame.holds(content, salt));
    if whole.is_none() {
        return Ok(None);
    }
    let (rows, rest) = content.as_chunks();
    let rows = rows.iter().map(Row::read).collect::<Option<Vec<_>>>();
    Ok(rows.filter(|_| rest.is_empty()).map(|rows| (rows, at)))
}

/// What reading through a segment found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Sound records, and those whose content alone is damaged as [`Kind::Unknown`]: what they say of their key counts as
    /// forgotten.
    pub(super) rows: Vec<Row>,
    /// Places where something is lost: nobody knows of which keys. What follows has this number, or `None`: nothing does.
    pub(super) holes: Vec<Option<u64>>,
    /// Damaged records.
    pub(super) damaged: u64,
    /// Where the last record ends: what is behind it is no record.
    pub(super) end: u64,
}

/// Reads through a segment.
pub(super) fn scan(file: &dyn Handle, length: u64, salt: u64) -> io::Result<Scan> {
    let mut window = Window::new(file, length);
    let mut found = Scan { end: HEADER_BYTES as u64, ..Scan::default() };
    let mut at = HEADER_BYTES as u64;
    while at < length && found.rows.len() <= RECORDS_MAX {
        let left = length - at;
        let Some(frame) = frame_at(&mut window, at, salt)? else {
            // A write that a crash cut short leaves less than a frame.
            if left < FRAME_BYTES as u64 {
                break;
            }
            found.damaged += 1;
            let Some((next, sequence)) = next_frame(&mut window, at + 1, salt)? else {
                found.holes.push(None);
                break;
            };
            found.holes.push(Some(sequence));
            at = next;
            continue;
        };
        if frame.kind == Kind::Footer || frame.record_bytes() > left {
            break;
        }
        let content = window.bytes(at + FRAME_BYTES as u64, frame.length as usize)?;
        let offset = u32::try_from(at).unwrap_or(u32::MAX);
        found.add(&frame, offset, frame.holds(content, salt).then_some(content));
        at += frame.record_bytes();
        found.end = at;
    }
    Ok(found)
}

impl Scan {
    fn add(&mut self, frame: &Frame, offset: u32, content: Option<&[u8]>) {
        if let Some(row) = content.and_then(|content| Row::of(frame, offset, content)) {
            self.rows.push(row);
            return;
        }
        self.damaged += 1;
        let Frame { sequence, name, length, .. } = *frame;
        match frame.kind {
            // What it fenced is not known any more.
            Kind::Sets | Kind::Floor | Kind::Unknown | Kind::Footer => self.holes.push(Some(sequence)),
            Kind::Value | Kind::Blob | Kind::Forget => {
                let (kind, note) = (Kind::Unknown, Note::default());
                self.rows.push(Row { kind, offset, length, sequence, name, note, blob: None });
            }
        }
    }
}

fn frame_at(window: &mut Window<'_>, at: u64, salt: u64) -> io::Result<Option<Frame>> {
    if at + FRAME_BYTES as u64 > window.length() {
        return Ok(None);
    }
    let bytes: &[u8; FRAME_BYTES] = window.bytes(at, FRAME_BYTES)?.first_chunk().expect("as many as asked for");
    Ok(Frame::read(bytes, salt))
}

/// The first sound frame from here on, and its number. The footer has none: then nothing that counts follows.
fn next_frame(window: &mut Window<'_>, from: u64, salt: u64) -> io::Result<Option<(u64, u64)>> {
    let mark = frame::mark(salt);
    let mut at = from;
    while let Some(found) = window.find(&mark, at)? {
        if let Some(frame) = frame_at(window, found, salt)? {
            return Ok((frame.kind != Kind::Footer).then_some((found, frame.sequence)));
        }
        at = found + 1;
    }
    Ok(None)
}
