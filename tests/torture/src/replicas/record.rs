//! What a run of several replicas is made of: changes with when they were asked for and acknowledged, reads with what they
//! found, what watchers were told, what was broken when. Who writes it and who judges it is elsewhere.

use std::sync::{Mutex, PoisonError};

/// All that happened. Times are [`crate::clock::now`]'s.
#[derive(Debug, Default)]
pub struct Record {
    lines: Mutex<History>,
}

/// The same, when nothing is added any more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In any order.
    pub changes: Vec<Change>,
    /// In any order.
    pub reads: Vec<Read>,
    /// In any order.
    pub computed: Vec<Computed>,
    /// In the order of each watcher.
    pub told: Vec<Told>,
    /// In order.
    pub faults: Vec<Fault>,
    /// From an acknowledged Invalidate or Put to the end of the first Get on another replica that showed it, milliseconds.
    pub lags: Vec<f64>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: u64,
    /// Its end.
    pub to: u64,
}

/// How something was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Invalidate of the key.
    Key,
    /// Invalidate of its tag.
    Tag,
    /// Put.
    Put,
}

/// A change of one key: what is older than `truth` is wrong from then on. Those of one key come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: u32,
    /// The number that it made true.
    pub truth: u64,
    /// How.
    pub how: How,
    /// Where it was asked for.
    pub replica: usize,
    /// When, and until when it was answered or failed.
    pub span: Span,
    /// Whether it was acknowledged; not: it may happen whenever it likes.
    pub acknowledged: bool,
    /// Whether the others were told before: a Put is stored also where Redis is away, and its answer then names no place in
    /// the logs of the fleet.
    pub told: bool,
}

/// A read of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The key.
    pub key: u32,
    /// Which replica was asked.
    pub replica: usize,
    /// When.
    pub span: Span,
    /// The truth that the value shows.
    pub truth: u64,
    /// The answer said that its replica has not heard from the others lately.
    pub degraded: bool,
    /// It asked for a state that includes what the change of this truth was answered with.
    pub positioned: Option<u64>,
}

/// A value that was computed under a lease and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The key.
    pub key: u32,
    /// The truth that it was computed from.
    pub truth: u64,
    /// Which replica gave the lease.
    pub replica: usize,
    /// From asking for the lease until it was stored.
    pub span: Span,
}

/// What a watcher was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of which replica.
    pub replica: usize,
    /// When.
    pub at: u64,
    /// Of what.
    pub what: Event,
}

/// What a watcher is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It follows from here on.
    Began,
    /// A key changed.
    Key(u32),
    /// What bears this tag was invalidated.
    Tag(u32),
    /// Anything may have changed.
    Anything,
}

/// Something was broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of which replica.
    pub replica: usize,
    /// When.
    pub span: Span,
}

impl Record {
    /// Adds something.
    pub fn add(&self, line: impl FnOnce(&mut History)) {
        line(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All of it so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
