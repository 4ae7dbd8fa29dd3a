//! How large the disk tier may be and how careful it is. What follows from the limits is worked out here and nowhere else.

use std::{fmt, io, path::PathBuf, time::Duration};

/// Least bytes on disk.
pub const BYTES_MIN: u64 = 1 << 20;
/// Bytes of one segment at most.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Segments that the limit is made of, at least.
const SEGMENTS: u64 = 16;
/// Longest record that lies in a segment; what is longer gets a file of its own.
const INLINE_BYTES_MAX: u64 = 1 << 20;

/// When what was written is forced onto the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Never, it is left to the system: a crash of the process loses nothing that was written, one of the machine may.
    #[default]
    Off,
    /// At most this long after it was written.
    Interval(Duration),
    /// Before anything is said to be settled.
    Always,
}

/// How large the disk tier may be and how careful it is.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskOptions {
    /// Its directory; made when it is missing. No other process may use it meanwhile.
    pub path: PathBuf,
    /// Whether a directory that cannot be used when it is opened is an error. If not, the tier is away until it can be; what
    /// changes until then is not written down, and is undone when it ends before.
    pub required: bool,
    /// Bytes of all its files at most, at every instant; at least [`BYTES_MIN`].
    pub bytes_max: u64,
    /// Entries at most: each takes about 64 bytes of memory.
    pub entries_max: u64,
    /// Entries stored or confirmed longer ago than this are gone; `None`: only their own deadlines count.
    pub age_max: Option<Duration>,
    /// When what was written is forced onto the medium.
    pub sync: Sync,
    /// Bytes that may wait to be written. One larger value may wait besides them.
    pub queue_bytes_max: u64,
    /// Longest value, in bytes; never more than half of `bytes_max`.
    pub value_bytes_max: u64,
    /// Entries that are read at the same time at most; others wait their turn.
    pub reads_max: usize,
    /// Bytes of entries with files of their own that are read at the same time at most; a larger one is read alone.
    pub reads_bytes_max: u64,
    /// Fences that are remembered at most, see [`hotplate_engine::fence::SelectorFences`].
    pub fences_max: usize,
}

impl DiskOptions {
    /// What is usual, in this directory and with this limit in bytes.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, bytes_max: u64) -> Self {
        Self {
            path: path.into(),
            required: false,
            bytes_max,
            entries_max: 4_000_000,
            age_max: None,
            sync: Sync::Off,
            queue_bytes_max: 64 << 20,
            value_bytes_max: 1 << 30,
            reads_max: 16,
            reads_bytes_max: 256 << 20,
            fences_max: 65_536,
        }
    }

    /// # Errors
    /// The option that is out of its bounds, with the bound.
    pub(super) fn check(&self) -> Result<(), DiskError> {
        let wrong = |reason: String| Err(DiskError::BadOption(reason));
        if self.bytes_max < BYTES_MIN {
            return wrong(format!("disk.bytes_max is at least {BYTES_MIN}, this is {}", self.bytes_max));
        }
        let reads = self.reads_max == 0 || self.reads_bytes_max == 0;
        if self.entries_max == 0 || reads || self.queue_bytes_max == 0 {
            return wrong("disk.entries_max, the reads at a time and the queue are at least 1".to_owned());
        }
        if self.path.as_os_str().is_empty() {
            return wrong("disk.path is empty: name a directory".to_owned());
        }
        Ok(())
    }

    /// A segment is complete when it, with the blobs it names, has as many bytes.
    pub(super) fn segment_bytes(&self) -> u64 {
        (self.bytes_max / SEGMENTS).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    /// Longest record that lies in a segment.
    pub(super) fn inline_bytes(&self) -> u64 {
        (self.segment_bytes() / 4).min(INLINE_BYTES_MAX)
    }

    /// Bytes kept free for what is carried over when a segment is reclaimed, for footers and small files.
    pub(super) fn headroom(&self) -> u64 {
        self.segment_bytes() / 2
    }

    /// Longest value that is taken.
    pub(super) fn value_bytes(&self) -> u64 {
        self.value_bytes_max.min(self.bytes_max / 2)
    }
}

/// Why the disk tier cannot be opened at all. What may pass by itself is no such reason, unless the directory is required:
/// then it opens as away, says why and tries again.
#[derive(Debug)]
pub enum DiskError {
    /// An option is out of its bounds: which one, and the bound.
    BadOption(String),
    /// Another process uses the directory.
    InUse(PathBuf),
    /// There are files in the directory, and none that says that it is a disk tier's: nothing there was touched.
    NotOurs(PathBuf),
    /// The directory is required and cannot be used; a sentence that says why.
    Unusable(String),
    /// The thread that writes cannot be started.
    Thread(io::Error),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadOption(reason) => f.write_str(reason),
            Self::InUse(path) => {
                write!(f, "another process uses {}: stop it, or give each its own disk.path", path.display())
            }
            Self::NotOurs(path) => {
                let (path, lock) = (path.display(), super::lock::LOCK);
                write!(
                    f,
                    "{path} is not empty and has no file {lock}, so it is not a cache's, and nothing there was touched: set \
                     disk.path to an empty or new directory; if it is a cache's all the same, make an empty {lock} there"
                )
            }
            Self::Unusable(why) => write!(
                f,
                "{why}. Is it mounted, and may this user write there? To begin without it set disk.required = false: what \
                 is changed meanwhile is not written down there, and older values come back when it is there again"
            ),
            Self::Thread(error) => write!(f, "the thread that writes to the disk cannot be started: {error}"),
        }
    }
}

impl std::error::Error for DiskError {}
