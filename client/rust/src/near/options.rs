//! How a near cache is set up, and what its numbers say.

use std::time::Duration;

use crate::{Error, Result};

/// Bytes of a near cache, when nothing is said.
const BYTES_MAX: u64 = 64 << 20;
/// Entries of a near cache, when nothing is said.
const ENTRIES_MAX: usize = 10_000;
/// Longest local life, when nothing is said.
const TTL_MAX: Duration = Duration::from_secs(60);
/// Longest silence of the server, when nothing is said.
const PROGRESS_MAX: Duration = Duration::from_secs(3);
/// The server tells progress three times in the longest silence, and not more often than each 100 ms.
pub(crate) const PROGRESS_SHARE: u32 = 3;

/// What a near cache hears of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NearFollow {
    /// Every change of the namespace. Right for namespaces that change little, or of which much is read here.
    #[default]
    Namespace,
    /// Changes of keys that begin with one of these, 1 to 128; only such keys are kept.
    Prefixes(Vec<String>),
    /// Changes of the keys it keeps. Right for large namespaces of which little is read here. A key is kept from its
    /// second read on: the first one tells the server that it is followed.
    KeptKeys,
}

/// How values are kept in this process; for [`crate::Builder::near_cache`].
///
/// ```
/// use std::time::Duration;
/// use hotplate::NearOptions;
/// let options = NearOptions::new().bytes_max(32 << 20).ttl_max(Duration::from_secs(30));
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearOptions {
    pub(crate) bytes_max: u64,
    pub(crate) entries_max: usize,
    pub(crate) ttl_max: Duration,
    pub(crate) progress_max: Duration,
    pub(crate) follow: NearFollow,
    pub(crate) keep_dependents: bool,
}

impl Default for NearOptions {
    fn default() -> Self {
        Self {
            bytes_max: BYTES_MAX,
            entries_max: ENTRIES_MAX,
            ttl_max: TTL_MAX,
            progress_max: PROGRESS_MAX,
            follow: NearFollow::Namespace,
            keep_dependents: false,
        }
    }
}

impl NearOptions {
    /// 64 MiB, 10,000 entries, 60 s, following the namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that it keeps at most, for each namespace, at least 64 KiB. A value counts twice, as it came and as it
    /// was read, with its key, its facts and a share for bookkeeping.
    #[must_use]
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Entries that it keeps at most, for each namespace, 1 or more. Room is shared: an entry also takes the share
    /// of the bytes that one entry has, so a cache full of large values holds fewer small ones.
    #[must_use]
    pub fn entries_max(mut self, entries: usize) -> Self {
        self.entries_max = entries;
        self
    }

    /// For how long a value is served without asking the server again, at most; less where it stays fresh for less.
    #[must_use]
    pub fn ttl_max(mut self, duration: Duration) -> Self {
        self.ttl_max = duration;
        self
    }

    /// For how long the server may be silent before nothing is served any more, 300 ms to 10 min. It bounds how old
    /// what was invalidated can still be read when the server or the network between stops without a word.
    #[must_use]
    pub fn progress_max(mut self, duration: Duration) -> Self {
        self.progress_max = duration;
        self
    }

    /// What it hears of.
    #[must_use]
    pub fn follow(mut self, follow: NearFollow) -> Self {
        self.follow = follow;
        self
    }

    /// Also keeps entries that were made from others (`depends_on`). Without it they are not kept: when the server
    /// evicts such an entry it no longer knows that it depends on something, and an invalidation of that does not name
    /// it. With it every eviction is told, and drops the copy. Not for servers with a disk or a Redis below their memory:
    /// nothing tells of what is dropped there because of what it was made from.
    #[must_use]
    pub fn keep_dependents(mut self, keep: bool) -> Self {
        self.keep_dependents = keep;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let silence = Duration::from_millis(300)..=Duration::from_secs(600);
        let fault = if self.bytes_max < 64 << 10 || self.entries_max == 0 {
            "near_cache: bytes_max is at least 64 KiB and entries_max at least 1"
        } else if self.ttl_max.is_zero() {
            "near_cache: ttl_max is more than zero"
        } else if !silence.contains(&self.progress_max) {
            "near_cache: progress_max is 300 ms to 10 min"
        } else if let NearFollow::Prefixes(prefixes) = &self.follow
            && (prefixes.is_empty() || prefixes.len() > 128 || prefixes.iter().any(String::is_empty))
        {
            "near_cache: 1 to 128 prefixes are followed, none of them empty"
        } else {
            return Ok(());
        };
        Err(Error::configuration(fault))
    }
}

/// Why answers were not kept, each counted since the client was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearRefusals {
    /// The stream of changes was away or had not caught up.
    pub not_synced: u64,
    /// They came from another server, or from before its restart.
    pub other_history: u64,
    /// What they say changed while they were on their way.
    pub overtaken: u64,
    /// This client wrote the same while they were on their way.
    pub own_write: u64,
    /// Their key is not followed, or not yet.
    pub not_followed: u64,
    /// They were made from others; see [`NearOptions::keep_dependents`].
    pub dependent: u64,
    /// They do not fit.
    pub too_large: u64,
}

/// What a near cache did and holds; see [`crate::Namespace::near_stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearStats {
    /// Reads answered from this process.
    pub hits: u64,
    /// Reads that went to the server.
    pub misses: u64,
    /// Answers that were kept.
    pub admitted: u64,
    /// Answers that were not.
    pub refused: NearRefusals,
    /// Copies dropped because they, or a set they belong to, changed, and by this client's own writes.
    pub invalidated: u64,
    /// Copies that made room for others.
    pub evicted: u64,
    /// Copies dropped because changes were lost.
    pub distrusted: u64,
    /// Of those, copies that the server then confirmed.
    pub revalidated: u64,
    /// Times the stream of changes was lost.
    pub losses: u64,
    /// Copies held now.
    pub entries: u64,
    /// Bytes counted for them.
    pub bytes: u64,
    /// Keys followed now; zero unless it follows single keys.
    pub followed: u64,
    /// Whether the stream is there and has caught up, and progress is recent: whether it serves.
    pub serving: bool,
    /// Time since the server was last heard; `None` before the first time.
    pub progress_age: Option<Duration>,
}
