//! Get: look, decide whether it may be served, count.

use std::time::Duration;

use crate::{
    entry::EntryView,
    event::MissReason,
    position::{AsOf, Positions},
};

/// What a Get wants.
#[derive(Clone, Debug, Default)]
pub struct GetRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// Whether a stale entry may be served.
    pub stale: StalePolicy,
    /// Older is a miss.
    pub max_age: Option<Duration>,
    /// Not modified when the entry has this etag; empty: no condition.
    pub if_etag_not: String,
    /// Fail unless this was reached.
    pub min_position: Positions,
    /// Leave no trace.
    pub peek: bool,
}

/// Whether a stale entry may be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StalePolicy {
    /// It is a miss.
    #[default]
    Refuse,
    /// It is served, and the caller renews it.
    WhileRevalidate,
    /// It is served to fall back on; counted as a miss.
    IfError,
}

/// What a Get found.
#[derive(Clone, Debug)]
pub struct GetAnswer {
    /// What.
    pub outcome: Lookup,
    /// How current that is.
    pub as_of: AsOf,
}

/// What a lookup found.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A fresh value.
    Hit(EntryView),
    /// A stale one.
    Stale(EntryView),
    /// A remembered absence or failure.
    Negative(EntryView),
    /// The entry has the etag the caller holds.
    NotModified(EntryView),
    /// Nothing.
    Miss(MissReason),
}
