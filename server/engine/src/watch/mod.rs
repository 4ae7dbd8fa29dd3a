//! What a watch asks for, the messages it gets, and the parts it is made of: tokens, filter, followed keys, the events
//! that wait.

pub mod crier;
pub mod filter;
pub mod keys;
pub mod pending;
pub mod token;

use std::{sync::Arc, time::Duration};

use crate::{
    entry::EntryView,
    position::{LogId, Position, Positions},
    selector::Selector,
};

/// What a watch reads of the entries that are stored now. Leaves no trace: neither recency nor counters change.
pub trait Entries: Send + Sync + 'static {
    /// The entry of a key, if it may be served (fresh or stale).
    fn view(&self, namespace: &Arc<str>, key: &Arc<str>) -> Option<EntryView>;

    /// The entries that any of these selects (none: all), with keys above `after`, in key order, at most `entries_max`.
    fn page(
        &self,
        namespace: &Arc<str>,
        selectors: &[Selector],
        after: Option<&str>,
        entries_max: usize,
    ) -> Vec<EntryView>;
}

/// What to follow.
#[derive(Clone, Debug, Default)]
pub struct WatchRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// What any of these selects; empty: all.
    pub selectors: Vec<Selector>,
    /// Continue after this token; empty: from now.
    pub resume_token: Vec<u8>,
    /// First what is there, then Synced.
    pub include_present: bool,
    /// How much of an entry to deliver.
    pub content: Content,
    /// Only these; empty: all but evictions.
    pub event_types: Vec<EventType>,
    /// How often Progress comes when nothing else does; `None`: 1 s.
    pub progress_interval: Option<Duration>,
    /// Events that may wait; zero: the configured maximum.
    pub max_pending_events: usize,
    /// Leave out changes made under this client id.
    pub exclude_client_id: Option<Arc<str>>,
    /// Follow single keys besides what `selectors` select; then no selectors mean none.
    pub follow_keys: bool,
    /// The keys to begin with.
    pub keys: Vec<String>,
}

/// How much of an entry a watch delivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// No entry.
    Keys,
    /// The entry; whoever sends it leaves the value out.
    #[default]
    Metadata,
    /// The entry with its value.
    Values,
}

/// What happened to a key or a set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// Stored or replaced.
    Put,
    /// Dropped by an Invalidate that named it.
    Invalidated,
    /// Its lifetime ran out.
    Expired,
    /// It made room.
    Evicted,
    /// All that a selector selects was dropped or marked stale.
    SetInvalidated,
    /// Marked stale by an Invalidate that named it.
    MarkedStale,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it says.
    pub body: Body,
    /// Continue after it with this; empty where continuing would leave out entries that are yet to be shown.
    pub resume_token: Vec<u8>,
}

/// What a message says.
#[derive(Clone, Debug)]
pub enum Body {
    /// The watch exists.
    Created {
        /// From here on.
        positions: Positions,
        /// Names it for who changes what it follows.
        watch_id: Arc<str>,
    },
    /// Entries that were there.
    Present(Vec<EntryView>),
    /// All of them were delivered.
    Synced(Positions),
    /// Changes.
    Events(Vec<WatchEvent>),
    /// Nothing that matters up to here; `closing` when the server ends the watch.
    Progress {
        /// Where the watch is.
        positions: Positions,
        /// Whether this is the last message.
        closing: bool,
    },
    /// Changes were lost.
    Discontinuity {
        /// Why.
        reason: Discontinuity,
        /// From where it is complete again.
        positions: Positions,
    },
}

/// Why changes were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discontinuity {
    /// The reader was too slow.
    SlowConsumer,
    /// The token is older than the history.
    HistoryTrimmed,
    /// The token is of another history.
    NewEpoch,
}

/// One change.
#[derive(Clone, Debug)]
pub struct WatchEvent {
    /// What happened.
    pub event_type: EventType,
    /// The key; `None` for a set.
    pub key: Option<Arc<str>>,
    /// What was dropped or marked stale, for a set.
    pub selector: Option<Selector>,
    /// Whether it was marked stale, and not dropped.
    pub stale: bool,
    /// In which log.
    pub log: LogId,
    /// Where in it.
    pub position: Position,
    /// The entry as it is now, for a Put.
    pub entry: Option<EntryView>,
    /// Who did it.
    pub client_id: Option<Arc<str>>,
    /// Why.
    pub reason: Option<Arc<str>>,
}
