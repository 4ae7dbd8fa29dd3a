//! The history of recent changes: one ring in arrival order, numbered per log. Who reads it, and how, is not known here.
//!
//! Changes of a key are appended with the key's shard locked, so the ring holds each log in order. Reading copies a
//! bounded batch of `Arc`s under a short lock: a reader never holds up a writer.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    clock::{Clock, Moment},
    entry::Description,
    key::Key,
    position::{AsOf, LOGS, LogId, Position, Positions},
    selector::Selector,
};

/// One change of a key, of several keys by one call, or of a set.
#[derive(Debug)]
pub struct Change {
    /// Where it happened.
    pub namespace: Arc<str>,
    /// In which log.
    pub log: LogId,
    /// Its number there.
    pub number: u64,
    /// When: for people.
    pub at: Moment,
    /// What happened.
    pub what: What,
    /// On whose behalf.
    pub author: Author,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// A value was stored or replaced.
    Put {
        /// Its key.
        key: Arc<str>,
        /// What the writer said of it.
        description: Arc<Description>,
        /// What was said of the entry it replaced.
        previous: Option<Arc<Description>>,
        /// What was stored.
        stored: Stored,
    },
    /// Keys were dropped by a call that named them: one change for all keys of the call in this log. With what was
    /// said of the entry that was there.
    Invalidated(Vec<(Arc<str>, Option<Arc<Description>>)>),
    /// A lifetime ran out.
    Expired(Arc<str>, Arc<Description>),
    /// A key made room.
    Evicted(Arc<str>, Arc<Description>),
    /// All that any of these selects was dropped: one change for all sets of the call.
    SetInvalidated(Vec<Selector>),
    /// Keys were marked stale by a call that named them, like [`What::Invalidated`].
    MarkedStale(Vec<(Arc<str>, Option<Arc<Description>>)>),
    /// All that any of these selects was marked stale: one change for all sets of the call.
    SetMarkedStale(Vec<Selector>),
}

impl What {
    /// The keys it is about; none for sets.
    pub fn keys(&self) -> Box<dyn Iterator<Item = &Arc<str>> + '_> {
        match self {
            Self::Put { key, .. } | Self::Expired(key, _) | Self::Evicted(key, _) => Box::new(std::iter::once(key)),
            Self::Invalidated(keys) | Self::MarkedStale(keys) => Box::new(keys.iter().map(|(key, _)| key)),
            Self::SetInvalidated(_) | Self::SetMarkedStale(_) => Box::new(std::iter::empty()),
        }
    }

    /// Whether it is about nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Invalidated(keys) | Self::MarkedStale(keys) => keys.is_empty(),
            Self::SetInvalidated(sets) | Self::SetMarkedStale(sets) => sets.is_empty(),
            Self::Put { .. } | Self::Expired(..) | Self::Evicted(..) => false,
        }
    }
}

/// What a Put stored, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of the value.
    pub size_bytes: u64,
    /// Whether it is a remembered absence or failure.
    pub negative: bool,
    /// Whether the server fetched it from an origin.
    pub fetched: bool,
}

/// On whose behalf something changed, as callers said.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// How the caller names itself.
    pub client_id: Option<Arc<str>>,
    /// Why it did so.
    pub reason: Option<Arc<str>>,
    /// Whether the caller did not name the keys, but what they were made from.
    pub follows: bool,
}

impl Author {
    /// The same caller, for what follows from what it named.
    #[must_use]
    pub fn following(&self) -> Self {
        Self { follows: true, ..self.clone() }
    }
}

/// Numbers of all logs of one epoch.
pub type Numbers = [u64; LOGS];

/// The recent changes of one server.
#[derive(Debug)]
pub struct History {
    epoch: u64,
    /// The ring's numbers, readable without its lock: every Get needs one.
    numbers: [AtomicU64; LOGS],
    ring: Mutex<Ring>,
    changes_max: usize,
    bytes_max: usize,
    arrived: Notify,
    clock: Clock,
}

#[derive(Debug)]
struct Ring {
    changes: VecDeque<Arc<Change>>,
    /// Sequence number of the front of `changes`.
    first: u64,
    bytes: usize,
    numbers: Numbers,
    trimmed: Numbers,
    /// When the newest change happened that is no longer kept, by log.
    trimmed_at: [Option<Moment>; LOGS],
}

/// What a reader gets.
#[derive(Debug)]
pub enum Batch {
    /// Changes, and the cursor after them.
    Changes(Vec<Arc<Change>>, u64),
    /// The cursor points to changes that are no longer kept.
    Trimmed,
}

/// What of the history concerns one key's log, read a slice at a time.
#[derive(Debug)]
pub struct Slice {
    /// Changes of that log and of the selector log.
    pub changes: Vec<Arc<Change>>,
    /// The cursor after them; `None`: there are no more.
    pub next: Option<u64>,
}

/// A random epoch of 52 bits; the same for the same seed.
#[must_use]
pub fn new_epoch(seed: Option<u64>) -> u64 {
    const EPOCH_BITS: u32 = 52;
    let random = seed.map_or_else(rand::random, |seed| xxhash_rust::xxh3::xxh3_64(&seed.to_le_bytes()));
    (random >> (u64::BITS - EPOCH_BITS)).max(1)
}

impl History {
    /// An empty history that keeps at most so many changes and bytes.
    #[must_use]
    pub fn new(epoch: u64, (changes_max, bytes_max): (usize, usize), clock: Clock) -> Self {
        let ring = Ring {
            changes: VecDeque::new(),
            first: 0,
            bytes: 0,
            numbers: [0; LOGS],
            trimmed: [0; LOGS],
            trimmed_at: [None; LOGS],
        };
        let numbers = std::array::from_fn(|_| AtomicU64::new(0));
        Self { epoch, numbers, ring: Mutex::new(ring), changes_max, bytes_max, arrived: Notify::new(), clock }
    }

    /// Identifies this history.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Records a change and numbers it. For a key's log, call it with the key's shard locked.
    pub fn append(&self, namespace: &Arc<str>, log: LogId, what: What, author: &Author) -> Position {
        let at = self.clock.now();
        let mut ring = self.ring.lock();
        let number = ring.numbers[log.index()] + 1;
        ring.numbers[log.index()] = number;
        self.numbers[log.index()].store(number, Ordering::Release);
        let change = Change { namespace: namespace.clone(), log, number, at, what, author: author.clone() };
        ring.bytes += change.bytes();
        ring.changes.push_back(Arc::new(change));
        while ring.changes.len() > self.changes_max || ring.bytes > self.bytes_max {
            ring.trim();
        }
        drop(ring);
        // Wakes one task at most, however many follow the history.
        self.arrived.notify_one();
        Position { epoch: self.epoch, number }
    }

    /// The position of one log.
    #[must_use]
    pub fn position(&self, log: LogId) -> Position {
        Position { epoch: self.epoch, number: self.numbers[log.index()].load(Ordering::Acquire) }
    }

    /// How current an answer about this key is. Call it with the key's shard locked; `selector` is
    /// `SelectorFences::newest`, read before the entry was tested against the fences.
    #[must_use]
    pub fn as_of(&self, key: &Key, selector: u64) -> AsOf {
        let selector = Position { epoch: self.epoch, number: selector };
        AsOf { log: key.log(), key: self.position(key.log()), selector }
    }

    /// The numbers of all logs and the cursor after every change so far.
    #[must_use]
    pub fn now(&self) -> (Numbers, u64) {
        let ring = self.ring.lock();
        (ring.numbers, ring.end())
    }

    /// The cursor from which everything after `numbers` can be read, unless some of it is no longer kept. Reading from
    /// it also gives changes that `numbers` already covers: leave those out by their number.
    #[must_use]
    pub fn cursor_after(&self, numbers: &Numbers) -> Option<u64> {
        let ring = self.ring.lock();
        let kept = ring.trimmed.iter().zip(numbers).all(|(trimmed, seen)| trimmed <= seen);
        kept.then_some(ring.first)
    }

    /// Whether this history has reached `numbers` at all.
    #[must_use]
    pub fn has_reached(&self, numbers: &Numbers) -> bool {
        self.ring.lock().numbers.iter().zip(numbers).all(|(now, asked)| now >= asked)
    }

    /// At most `changes_max` changes from a cursor on.
    #[must_use]
    pub fn read(&self, cursor: u64, changes_max: usize) -> Batch {
        let ring = self.ring.lock();
        let Some(skip) = cursor.checked_sub(ring.first) else { return Batch::Trimmed };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let changes: Vec<_> = ring.changes.iter().skip(skip).take(changes_max).cloned().collect();
        let next = cursor + changes.len() as u64;
        Batch::Changes(changes, next)
    }

    /// What concerns one key's log among the next `looks_max` changes from a cursor on, which may point before the
    /// oldest that is kept.
    #[must_use]
    pub fn of_log(&self, log: LogId, cursor: u64, looks_max: usize) -> Slice {
        let ring = self.ring.lock();
        let begin = cursor.max(ring.first);
        let skip = usize::try_from(begin - ring.first).unwrap_or(usize::MAX);
        let concerns = |change: &&Arc<Change>| change.log == log || change.log == LogId::SELECTOR;
        let changes = ring.changes.iter().skip(skip).take(looks_max).filter(concerns).cloned().collect();
        let next = begin + looks_max as u64;
        Slice { changes, next: (next < ring.end()).then_some(next) }
    }

    /// When the newest change happened, of this key's log or of the selector log, that is no longer kept; `None`: all
    /// are.
    #[must_use]
    pub fn forgotten(&self, log: LogId) -> Option<Moment> {
        let ring = self.ring.lock();
        ring.trimmed_at[log.index()].max(ring.trimmed_at[LogId::SELECTOR.index()])
    }

    /// Resolves when changes have arrived since it did so last. For one task, which tells all others.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// These numbers as positions of this epoch.
    #[must_use]
    pub fn positions(&self, numbers: &Numbers) -> Positions {
        let logs = numbers.iter().enumerate().filter_map(|(log, number)| {
            let log = LogId::from_number(u32::try_from(log).ok()?)?;
            Some((log, Position { epoch: self.epoch, number: *number }))
        });
        Positions::new(logs.collect())
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.changes.len() as u64
    }

    fn trim(&mut self) {
        let Some(oldest) = self.changes.pop_front() else { return };
        self.first += 1;
        self.bytes -= oldest.bytes();
        self.trimmed[oldest.log.index()] = oldest.number;
        self.trimmed_at[oldest.log.index()] = Some(oldest.at);
    }
}

impl Change {
    /// What it counts against the history's bound: the texts it keeps alive and a fixed share.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 192;
        let texts = match &self.what {
            What::Put { key, description, previous, .. } => {
                key.len() + description.bytes() + previous.as_ref().map_or(0, |previous| previous.bytes())
            }
            What::Expired(key, description) | What::Evicted(key, description) => key.len() + description.bytes(),
            What::Invalidated(keys) | What::MarkedStale(keys) => {
                keys.iter().map(|(key, was)| key.len() + 32 + was.as_ref().map_or(0, |was| was.bytes())).sum()
            }
            What::SetInvalidated(selectors) | What::SetMarkedStale(selectors) => {
                selectors.iter().map(Selector::bytes).sum()
            }
        };
        let said = [&self.author.client_id, &self.author.reason];
        FIXED + texts + said.into_iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}
