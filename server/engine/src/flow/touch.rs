//! Touch: move the end of an entry's life without its value.

use crate::entry::{EntryView, Expiration};

/// Which entry and how.
#[derive(Clone, Debug)]
pub struct TouchRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// How the new end relates to the present one.
    pub mode: TouchMode,
    /// The lifetime from now.
    pub expiration: Expiration,
    /// Only the entry with this etag; empty: any.
    pub etag: String,
}

/// How a new end relates to the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchMode {
    /// The new one holds.
    Set,
    /// The later one holds.
    Extend,
    /// The earlier one holds.
    Shorten,
}

/// What a Touch did.
#[derive(Clone, Debug)]
pub enum TouchAnswer {
    /// The end was moved.
    Touched(EntryView),
    /// Nothing to move.
    Unchanged(EntryView),
    /// No such entry.
    NotFound,
    /// It has another etag.
    EtagMismatch(EntryView),
}
