//! The hard bound on entries and bytes: room is reserved before it is used. What is removed to make room is not decided
//! here.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A bound on entries and charged bytes.
#[derive(Debug)]
pub struct Budget {
    entries: AtomicU64,
    bytes: AtomicU64,
    max: Room,
}

/// Entries and charged bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Entries.
    pub entries: u64,
    /// Charged bytes.
    pub bytes: u64,
}

impl Budget {
    /// An unused budget.
    #[must_use]
    pub fn new(max: Room) -> Self {
        Self { entries: AtomicU64::new(0), bytes: AtomicU64::new(0), max }
    }

    /// Takes room, all of it or none.
    #[must_use]
    pub fn reserve(&self, room: Room) -> bool {
        if !take(&self.entries, room.entries, self.max.entries) {
            return false;
        }
        let taken = take(&self.bytes, room.bytes, self.max.bytes);
        if !taken {
            self.entries.fetch_sub(room.entries, SeqCst);
        }
        taken
    }

    /// Gives room back that was taken before.
    pub fn release(&self, room: Room) {
        self.entries.fetch_sub(room.entries, SeqCst);
        self.bytes.fetch_sub(room.bytes, SeqCst);
    }

    /// What is taken now.
    #[must_use]
    pub fn used(&self) -> Room {
        Room { entries: self.entries.load(SeqCst), bytes: self.bytes.load(SeqCst) }
    }

    /// What may be taken in all.
    #[must_use]
    pub fn max(&self) -> Room {
        self.max
    }
}

fn take(used: &AtomicU64, more: u64, max: u64) -> bool {
    let grown = |now: u64| now.checked_add(more).filter(|sum| *sum <= max);
    more == 0 || used.fetch_update(SeqCst, SeqCst, grown).is_ok()
}
