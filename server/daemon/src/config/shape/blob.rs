//! Settings of large values and of the bytes that are held while they move.

use std::time::Duration;

/// Uploads that are not finished, and those that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// Unfinished ones at most.
    pub max: usize,
    /// Bytes a second that a writer sends at least.
    pub rate_min: usize,
    /// The time over which that is measured.
    pub rate_window: Duration,
    /// Time after which an upload that nobody continues is given up.
    pub expire_after: Duration,
    /// Finished ones that are remembered at most.
    pub remembered_max: usize,
}

/// How many bytes are held at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// For requests that are still coming in.
    pub requests_bytes_max: usize,
    /// For uploads that are not finished; 0: half of the memory of entries.
    pub uploads_bytes_max: usize,
    /// For values on their way to readers.
    pub sending_bytes_max: usize,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self {
            max: 1024,
            rate_min: 16 << 10,
            rate_window: Duration::from_secs(30),
            expire_after: Duration::from_secs(60),
            remembered_max: 1024,
        }
    }
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { requests_bytes_max: 64 << 20, uploads_bytes_max: 0, sending_bytes_max: 64 << 20 }
    }
}
