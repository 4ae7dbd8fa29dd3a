//! Entries in files of their own: their names, their header, writing and reading them. Which of them live is decided by the
//! log.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use hotplate_engine::tier::steps::Steps;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::{
    files::{Files, Handle, gone},
    frame::BlobRef,
};

/// The directory of these files.
pub(super) const DIRECTORY: &str = "blobs";
/// Bytes that are written or read at once, where they are not needed in one piece.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes of a step of reading: a medium that needs a second for as many is of no use.
const STEP_BYTES: usize = 256 << 10;
const HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"HOTPBLOB";
const VERSION: u64 = 1;
const SEED: u64 = u64::from_le_bytes(*b"hpblobs1");

/// Bytes of a file with so many bytes in it.
pub(super) fn file_bytes(bytes: u64) -> u64 {
    bytes.saturating_add(HEADER_BYTES as u64)
}

/// Where it is.
pub(super) fn path(directory: &Path, id: u64) -> PathBuf {
    directory.join(DIRECTORY).join(format!("{id:016x}.blob"))
}

/// The number in a file's name; `None` for what is no blob, or one that was not finished.
pub(super) fn id_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".blob").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

fn header(id: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&id.to_le_bytes());
    let sum = xxh3_64_with_seed(&bytes[..24], SEED);
    bytes[24..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Writes a blob beside its place and moves it there; nothing is left of it when that fails and the disk lets it be removed.
pub(super) fn write<'a>(
    files: &dyn Files,
    directory: &Path,
    id: u64,
    content: impl Iterator<Item = &'a Bytes>,
    sync: bool,
) -> io::Result<BlobRef> {
    let place = path(directory, id);
    let unfinished = place.with_extension("tmp");
    let written = write_to(files, &unfinished, id, content, sync).and_then(|blob| {
        files.rename(&unfinished, &place)?;
        if sync {
            files.sync_directory(&directory.join(DIRECTORY))?;
        }
        Ok(blob)
    });
    if written.is_err() {
        gone(files.remove(&unfinished))?;
        gone(files.remove(&place))?;
    }
    written
}

fn write_to<'a>(
    files: &dyn Files,
    path: &Path,
    id: u64,
    content: impl Iterator<Item = &'a Bytes>,
    sync: bool,
) -> io::Result<BlobRef> {
    let file = files.create(path)?;
    let (mut sum, mut bytes) = (Xxh3::with_seed(id), 0);
    // What is small waits for its neighbours: a value may be in very many chunks.
    let (mut waiting, mut written) = (header(id).to_vec(), 0);
    for part in content {
        sum.update(part);
        bytes += part.len() as u64;
        if waiting.len() + part.len() <= PIECE_BYTES {
            waiting.extend_from_slice(part);
            continue;
        }
        for piece in [&waiting[..], part] {
            file.write_all(piece, written)?;
            written += piece.len() as u64;
        }
        waiting.clear();
    }
    file.write_all(&waiting, written)?;
    if sync {
        file.sync()?;
    }
    Ok(BlobRef { id, bytes, sum: sum.digest() })
}

/// A blob that is read from its beginning to its end, in pieces.
pub(super) struct Reading {
    file: Arc<dyn Handle>,
    /// Bytes of its content that are not read yet.
    left: u64,
    sum: u64,
    bytes: u64,
    read: Box<Xxh3>,
    /// Told of each step.
    steps: Steps,
}

/// Opens a blob; `None` when it is not what was written. Whether it is to its end shows when all of it was read.
pub(super) fn open(files: &dyn Files, directory: &Path, blob: &BlobRef, steps: Steps) -> io::Result<Option<Reading>> {
    let file = files.open(&path(directory, blob.id))?;
    // Before anything is allocated: so long is what is really there.
    if file.length()? != file_bytes(blob.bytes) {
        return Ok(None);
    }
    let mut first = [0; HEADER_BYTES];
    file.read_all(&mut first, 0)?;
    let read = Box::new(Xxh3::with_seed(blob.id));
    steps.made();
    let reading = Reading { file, left: blob.bytes, sum: blob.sum, bytes: blob.bytes, read, steps };
    Ok((first == header(blob.id)).then_some(reading))
}

impl Reading {
    /// Bytes that are not read yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next so many bytes.
    pub(super) fn next(&mut self, bytes: usize) -> io::Result<Bytes> {
        if bytes as u64 > self.left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut piece = vec![0; bytes];
        for step in piece.chunks_mut(STEP_BYTES) {
            self.file.read_all(step, file_bytes(self.bytes - self.left))?;
            self.left -= step.len() as u64;
            self.read.update(step);
            self.steps.made();
        }
        Ok(piece.into())
    }

    /// Whether all of it, with what is not read yet, is what was written.
    pub(super) fn ends_whole(mut self) -> io::Result<bool> {
        while self.left > 0 {
            self.next(usize::try_from(self.left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES))?;
        }
        Ok(self.read.digest() == self.sum)
    }
}

/// Reads the beginning of a blob, not checked: at most so many bytes of what is in it.
pub(super) fn read_start(files: &dyn Files, directory: &Path, blob: &BlobRef, most: usize) -> io::Result<Vec<u8>> {
    let file = files.open(&path(directory, blob.id))?;
    let left = file.length()?.saturating_sub(HEADER_BYTES as u64);
    let mut start = vec![0; usize::try_from(left).unwrap_or(most).min(most)];
    file.read_all(&mut start, HEADER_BYTES as u64)?;
    Ok(start)
}

/// Removes a blob; that it is not there is as good.
pub(super) fn remove(files: &dyn Files, directory: &Path, id: u64) -> io::Result<()> {
    gone(files.remove(&path(directory, id)))
}
