//! Whose a directory is: one process holds it at a time, and sees when it is not there any more. What is in it is not known here.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::files::private;

/// Holds the directory for this process until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

/// Why a directory is not held.
pub(super) enum NotHeld {
    /// By another one already.
    InUse,
    /// There is something in it, and nothing says that it is this tier's.
    NotOurs,
    /// What the system says.
    Failed(io::Error),
}

/// Which directory or file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// The file that is held. It also says whose the directory is: what is in one without it is not touched.
pub(super) const LOCK: &str = "hotplate.lock";
/// What a new file system has at its root.
const OF_THE_FILE_SYSTEM: &str = "lost+found";

/// Whether there are files in a directory, and none that says that they are a cache's: such a one is not touched.
#[must_use]
pub fn is_foreign(directory: &Path) -> bool {
    let marked = directory.join(LOCK).try_exists().unwrap_or(true);
    !marked && is_empty(directory).is_ok_and(|is_empty| !is_empty)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that this one is just starting has the file too for a moment, and would hold it on.
        let _released = self.file.unlock();
    }
}

impl Lock {
    /// Takes the file [`LOCK`] of a directory, which is made where there is nothing else, and where it was `held` by this
    /// process before: then only that file was removed.
    pub(super) fn take(directory: &Path, held: Option<Identity>) -> Result<Self, NotHeld> {
        let path = directory.join(LOCK);
        let known = held.is_some() && held == Identity::of(directory);
        let is_there = path.try_exists().map_err(NotHeld::Failed)?;
        if !is_there && !known && !is_empty(directory).map_err(NotHeld::Failed)? {
            return Err(NotHeld::NotOurs);
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        Self::locked(private(options).open(&path).map_err(NotHeld::Failed)?, path)
    }

    /// Takes a directory to look at it, and makes nothing there.
    pub(super) fn take_to_look(directory: &Path) -> Result<Self, NotHeld> {
        let path = directory.join(LOCK);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && directory.is_dir() => Err(NotHeld::NotOurs),
            file => Self::locked(file.map_err(NotHeld::Failed)?, path),
        }
    }

    fn locked(file: File, path: PathBuf) -> Result<Self, NotHeld> {
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path }),
            Err(fs::TryLockError::WouldBlock) => Err(NotHeld::InUse),
            Err(fs::TryLockError::Error(error)) => Err(NotHeld::Failed(error)),
        }
    }

    /// Whether the file that is held is still the one of the directory. When that cannot be seen it counts as such.
    pub(super) fn holds(&self) -> bool {
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(held), Ok(there)) => identity(&held) == identity(&there),
            (_, Err(error)) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
            (Err(_), Ok(_)) => true,
        }
    }
}

impl Identity {
    /// Of a directory, where the system tells.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        identity(&fs::metadata(directory).ok()?)
    }
}

#[cfg(unix)]
fn identity(facts: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some(Identity(facts.dev(), facts.ino()))
}

/// Elsewhere what is open cannot be removed.
#[cfg(not(unix))]
fn identity(_facts: &Metadata) -> Option<Identity> {
    None
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        if entry?.file_name() != OF_THE_FILE_SYSTEM {
            return Ok(false);
        }
    }
    Ok(true)
}
