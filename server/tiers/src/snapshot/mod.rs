//! A file of entries that one process leaves for the next one, and for no other: what it holds was true when that process
//! ended, and nobody tells it what happened since. Which entries, and whether they may be served, is not known here.
//!
//! Beside the file lies a mark that names the process that was started last. A file of another process is never read: since
//! that one was started, things may have been invalidated that it holds. The mark is replaced before the first entry is
//! read, so a crash at any instant leaves no file that anybody would read.

mod read;
mod write;

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use xxhash_rust::xxh3::xxh3_64;

pub use self::{read::Reader, write::Writer};
use crate::codec::Codec;

const MAGIC: [u8; 8] = *b"HPSNAP\x01\n";
/// Magic, the number of the process, and the checksum of both.
const HEAD_BYTES: usize = 32;

/// Where one process leaves entries for the next.
#[derive(Clone, Debug)]
pub struct Snapshots {
    path: PathBuf,
    codec: Arc<Codec>,
    run: u128,
}

impl Snapshots {
    /// At this path; `run` identifies this process and is as good as random. The codec needs no dictionaries: nobody would
    /// keep them.
    #[must_use]
    pub fn new(path: PathBuf, codec: Arc<Codec>, run: u128) -> Self {
        Self { path, codec, run }
    }

    /// What the process before this one left, if it ended in order; from then on nobody else reads it. To be called once,
    /// before anything is served.
    ///
    /// # Errors
    /// I/O. Nothing may be read then; what this process leaves is not read either, unless the mark could be written.
    pub fn take(&self) -> io::Result<Option<Reader>> {
        let last = File::open(self.mark()).and_then(head).ok().flatten();
        let left = File::open(&self.path).and_then(|mut file| Ok((head(&mut file)?, file)));
        replace(&self.mark(), |file| file.write_all(&head_of(self.run)))?;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(match left {
            Ok((Some(run), file)) if Some(run) == last => Some(Reader::new(file, self.codec.clone())),
            _ => None,
        })
    }

    /// Begins to leave entries for the next process: the file is there once [`Writer::finish`] has answered.
    ///
    /// # Errors
    /// I/O.
    pub fn leave(&self, bytes_max: u64) -> io::Result<Writer> {
        Writer::new(&self.path, self.codec.clone(), (self.run, bytes_max))
    }

    fn mark(&self) -> PathBuf {
        beside(&self.path, ".run")
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn head_of(run: u128) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&MAGIC);
    head[8..24].copy_from_slice(&run.to_le_bytes());
    let sum = xxh3_64(&head[..24]);
    head[24..].copy_from_slice(&sum.to_le_bytes());
    head
}

/// The process that wrote a file; `None`: that cannot be told.
fn head(mut file: impl Read) -> io::Result<Option<u128>> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head)?;
    let mut run = [0; 16];
    run.copy_from_slice(&head[8..24]);
    let run = u128::from_le_bytes(run);
    Ok((head == head_of(run)).then_some(run))
}

/// A new file that nobody but this user reads.
fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    let mut file = create(&temporary)?;
    write(&mut file)?;
    settle(&file, (&temporary, path))
}

/// Gives a written file its name, and both to the disk.
fn settle(file: &File, (temporary, path): (&Path, &Path)) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
