//! Settings of what lies besides memory.

use std::{path::PathBuf, time::Duration};

/// The tier that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSettings {
    /// Where it is; empty: there is none.
    pub url: String,
    /// What the names of its keys begin with.
    pub prefix: String,
    /// How long a call may take.
    pub timeout: Duration,
    /// Bytes of a value that may lie there at most.
    pub value_bytes_max: usize,
    /// A file with the user's name.
    pub username_file: Option<PathBuf>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// A file with the certificates of who may have signed its own, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether an Invalidate that it could not be told is answered as done.
    pub allow_local_ack: bool,
}

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefix: "hp".to_owned(),
            timeout: Duration::from_millis(50),
            value_bytes_max: 1 << 20,
            username_file: None,
            password_file: None,
            ca_file: None,
            allow_local_ack: false,
        }
    }
}
