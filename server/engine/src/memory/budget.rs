//! The hard bound on entries and bytes: room is reserved before it is used. What is removed to make room is not decided
//! here.

use crate::sync::{AtomicU64, Ordering::SeqCst};

/// A bound on entries and charged bytes.
#[derive(Debug)]
pub struct Budget {
    entries: AtomicU64,
    bytes: AtomicU64,
    bytes_highest: AtomicU64,
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

impl Room {
    /// As much room as there can be.
    pub const UNLIMITED: Self = Self { entries: u64::MAX, bytes: u64::MAX };

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { entries: self.entries + other.entries, bytes: self.bytes + other.bytes }
    }

    /// What of this is missing when there is as much as `held`.
    #[must_use]
    pub fn beyond(self, held: Self) -> Self {
        Self { entries: self.entries.saturating_sub(held.entries), bytes: self.bytes.saturating_sub(held.bytes) }
    }
}

impl Budget {
    /// An unused budget.
    #[must_use]
    pub fn new(max: Room) -> Self {
        Self { entries: AtomicU64::new(0), bytes: AtomicU64::new(0), bytes_highest: AtomicU64::new(0), max }
    }

    /// Takes room, all of it or none.
    #[must_use]
    pub fn reserve(&self, room: Room) -> bool {
        // Bytes first: they are what is mostly missing.
        let Some(used) = take(&self.bytes, room.bytes, self.max.bytes) else { return false };
        if take(&self.entries, room.entries, self.max.entries).is_none() {
            give(&self.bytes, room.bytes);
            return false;
        }
        if used > self.bytes_highest.load(SeqCst) {
            self.bytes_highest.fetch_max(used, SeqCst);
        }
        true
    }

    /// Gives room back that was taken before.
    pub fn release(&self, room: Room) {
        give(&self.entries, room.entries);
        give(&self.bytes, room.bytes);
    }

    /// What is taken now.
    #[must_use]
    pub fn used(&self) -> Room {
        Room { entries: self.entries.load(SeqCst), bytes: self.bytes.load(SeqCst) }
    }

    /// The most bytes that were ever taken at once.
    #[must_use]
    pub fn bytes_highest(&self) -> u64 {
        self.bytes_highest.load(SeqCst)
    }

    /// What may be taken in all.
    #[must_use]
    pub fn max(&self) -> Room {
        self.max
    }

    /// How much is missing, beyond what is free, to take this room.
    #[must_use]
    pub fn missing(&self, room: Room) -> Room {
        let used = self.used();
        Room {
            entries: (used.entries + room.entries).saturating_sub(self.max.entries),
            bytes: (used.bytes.saturating_add(room.bytes)).saturating_sub(self.max.bytes),
        }
    }
}

/// Adds to what is used, and returns the sum; `None` when it would be above the limit.
fn take(used: &AtomicU64, more: u64, max: u64) -> Option<u64> {
    let grown = |now: u64| now.checked_add(more).filter(|sum| *sum <= max);
    if more == 0 {
        return Some(0);
    }
    used.fetch_update(SeqCst, SeqCst, grown).ok().map(|before| before + more)
}

fn give(used: &AtomicU64, less: u64) {
    if less > 0 {
        used.fetch_sub(less, SeqCst);
    }
}
