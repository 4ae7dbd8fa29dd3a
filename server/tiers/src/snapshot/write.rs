//! Leaving entries for the next process.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use hotplate_engine::{key::Key, tier::Kept};

use super::{HEAD_BYTES, beside, create, head_of, settle};
use crate::codec::Codec;

/// A file that is being written. Without [`Writer::finish`] nothing is left.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    path: PathBuf,
    codec: Arc<Codec>,
    entries: u64,
    bytes: u64,
    bytes_max: u64,
}

impl Writer {
    pub(super) fn new(path: &Path, codec: Arc<Codec>, (run, bytes_max): (u128, u64)) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, create(&beside(path, ".tmp"))?);
        file.write_all(&head_of(run))?;
        Ok(Self { file, path: path.to_owned(), codec, entries: 0, bytes: HEAD_BYTES as u64, bytes_max })
    }

    /// Adds an entry; false when there is no room for it.
    ///
    /// # Errors
    /// I/O.
    pub fn add(&mut self, key: &Key, kept: &Kept) -> io::Result<bool> {
        // What cannot be written is of no use to the next process, and in nobody's way.
        let Ok(record) = self.codec.encode(key, kept) else { return Ok(true) };
        let bytes = record.len() as u64;
        if self.bytes.saturating_add(bytes) > self.bytes_max {
            return Ok(false);
        }
        record.parts().try_for_each(|part| self.file.write_all(part))?;
        self.bytes += bytes;
        self.entries += 1;
        Ok(true)
    }

    /// Entries, and bytes of the file, so far.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        (self.entries, self.bytes)
    }

    /// Leaves the file.
    ///
    /// # Errors
    /// I/O: then nothing is left.
    pub fn finish(mut self) -> io::Result<()> {
        let temporary = beside(&self.path, ".tmp");
        let done = self.file.flush().and_then(|()| settle(self.file.get_ref(), (&temporary, &self.path)));
        done.inspect_err(|_| {
            // What is left of it is read by nobody: it has not the name.
            let _ = fs::remove_file(&temporary);
        })
    }
}
