//! Settings of what one process leaves for the next.

use std::{path::PathBuf, time::Duration};

/// What a server that ends in order leaves for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// The file; `None`: nothing is left.
    pub path: Option<PathBuf>,
    /// Bytes of it at most.
    pub bytes_max: usize,
    /// How long writing, and reading, may take.
    pub time_max: Duration,
    /// Whether the server waits for it before it serves.
    pub before_ready: bool,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { path: None, bytes_max: 256 << 20, time_max: Duration::from_secs(5), before_ready: true }
    }
}
