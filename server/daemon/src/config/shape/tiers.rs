//! Settings of what lies besides memory.

use std::{path::PathBuf, time::Duration};

use hotplate_engine::tier::Takes;

/// The disk of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// Its directory; `None`: there is no such tier.
    pub path: Option<PathBuf>,
    /// Whether the server starts only when it can be used.
    pub required: bool,
    /// Bytes of its files at most.
    pub bytes_max: usize,
    /// Entries at most.
    pub entries_max: usize,
    /// Entries stored or confirmed longer ago than this are gone; zero: only their own ends count.
    pub age_max: Duration,
    /// When what was written is forced onto the medium.
    pub sync: DiskSync,
    /// What is written there.
    pub write: Takes,
}

/// When what was written is forced onto the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskSync {
    /// It is left to the system.
    #[default]
    Off,
    /// Within a second.
    Interval,
    /// Before an Invalidate is answered.
    Always,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self {
            path: None,
            required: true,
            bytes_max: 1 << 30,
            entries_max: 4_000_000,
            age_max: Duration::ZERO,
            sync: DiskSync::Off,
            write: Takes::Written,
        }
    }
}

/// How values are made smaller where they lie besides memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecSettings {
    /// Level of zstd.
    pub level: usize,
    /// Smaller values stay as they are.
    pub bytes_min: usize,
}

impl Default for CodecSettings {
    fn default() -> Self {
        Self { level: 1, bytes_min: 1 << 10 }
    }
}

/// The tier that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSettings {
    /// Where it is; empty: there is none.
    pub url: String,
    /// What the names of its keys begin with.
    pub prefix: String,
    /// How long a read may take.
    pub timeout: Duration,
    /// How long a change may take.
    pub change_timeout: Duration,
    /// Bytes of a value that may lie there at most.
    pub value_bytes_max: usize,
    /// A file with the user's name.
    pub username_file: Option<PathBuf>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// A file with the certificates of who may have signed its own, as PEM.
    pub ca_file: Option<PathBuf>,
    /// How long after its restart or failover what lies there is used again.
    pub quarantine: Duration,
    /// Whether an Invalidate that it could not be told is answered as done.
    pub allow_local_ack: bool,
}

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefix: "hp".to_owned(),
            timeout: Duration::from_millis(50),
            change_timeout: Duration::from_millis(250),
            value_bytes_max: 1 << 20,
            username_file: None,
            password_file: None,
            ca_file: None,
            quarantine: Duration::from_secs(5),
            allow_local_ack: false,
        }
    }
}
