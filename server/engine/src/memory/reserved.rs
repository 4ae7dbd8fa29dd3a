//! Room that is taken before what it is for is there: for values on their way, as part of the hard bound on bytes. How room is
//! made for it is not known here.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use super::{Store, budget::Room, space::Space};

/// What all reservations take together.
#[derive(Debug)]
pub struct Uploads {
    max: u64,
    /// What was asked for and may be taken, or is.
    claimed: AtomicU64,
    /// What is taken of the bound on bytes and belongs to no entry yet.
    held: AtomicU64,
}

impl Uploads {
    /// Nothing yet, of at most so many bytes.
    #[must_use]
    pub fn new(max: u64) -> Self {
        Self { max, claimed: AtomicU64::new(0), held: AtomicU64::new(0) }
    }

    /// Bytes that may be reserved at once.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Bytes that are reserved now.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(SeqCst)
    }

    fn claim(&self, bytes: u64) -> bool {
        let grown = |claimed: u64| claimed.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.claimed.fetch_update(SeqCst, SeqCst, grown).is_ok()
    }

    fn unclaim(&self, bytes: u64) {
        self.claimed.fetch_sub(bytes, SeqCst);
    }
}

/// Room for one value that is on its way. Dropping it gives back what no entry has taken over.
pub struct Reservation {
    store: Arc<Store>,
    space: Arc<Space>,
    bytes: AtomicU64,
    /// Bytes that were announced and are not taken yet: nobody else is promised them.
    ahead: AtomicU64,
}

impl Reservation {
    /// Nothing yet, for a value of this namespace.
    #[must_use]
    pub(crate) fn new(store: Arc<Store>, space: Arc<Space>) -> Self {
        Self { store, space, bytes: AtomicU64::new(0), ahead: AtomicU64::new(0) }
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(SeqCst)
    }

    /// Bytes that were announced and are not taken yet.
    #[must_use]
    pub fn ahead(&self) -> u64 {
        self.ahead.load(SeqCst)
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// Asks that so many bytes in all are kept from other reservations, without taking them; false: others have them.
    pub(crate) fn promise(&self, all: u64) -> bool {
        let more = all.saturating_sub(self.bytes()).saturating_sub(self.ahead());
        let kept = self.store.uploads.claim(more);
        if kept {
            self.ahead.fetch_add(more, SeqCst);
        }
        kept
    }

    /// Asks for a share of what all reservations may take, first of what was announced; `None`: others have it.
    pub(crate) fn claim(&self, bytes: u64) -> Option<Claim<'_>> {
        let before = self.ahead.fetch_update(SeqCst, SeqCst, |ahead| Some(ahead.saturating_sub(bytes)));
        let announced = before.unwrap_or_else(|ahead| ahead).min(bytes);
        if self.store.uploads.claim(bytes - announced) {
            return Some(Claim { of: self, left: bytes });
        }
        self.ahead.fetch_add(announced, SeqCst);
        None
    }

    /// Takes room for an entry, of which this holds a part: from then on that is the entry's, and the rest is given back. False
    /// when there is not enough: then nothing has changed.
    pub(crate) fn spend(&self, room: Room, reserve: impl FnOnce(u64) -> bool) -> bool {
        // Taken out meanwhile: of two who spend it one finds nothing.
        let held = self.bytes.swap(0, SeqCst);
        if !reserve(held) {
            self.bytes.fetch_add(held, SeqCst);
            return false;
        }
        let rest = held.saturating_sub(room.bytes);
        self.store.uploads.held.fetch_sub(held, SeqCst);
        self.store.uploads.unclaim(held + self.ahead.swap(0, SeqCst));
        self.store.pool.budget().release(Room { entries: 0, bytes: rest });
        true
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let bytes = self.bytes();
        self.store.uploads.held.fetch_sub(bytes, SeqCst);
        self.store.uploads.unclaim(bytes + self.ahead());
        self.store.pool.budget().release(Room { entries: 0, bytes });
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// A share of what all reservations may take, until it is taken; dropped, it stays announced.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    of: &'a Reservation,
    left: u64,
}

impl Claim<'_> {
    /// Bytes of it that are not taken yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Takes a part of the bound on bytes; false: there is no room for it.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        let store = &self.of.store;
        let bytes = bytes.min(self.left);
        if !store.pool.budget().reserve(Room { entries: 0, bytes }) {
            return false;
        }
        store.uploads.held.fetch_add(bytes, SeqCst);
        self.of.bytes.fetch_add(bytes, SeqCst);
        self.left -= bytes;
        true
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.of.ahead.fetch_add(self.left, SeqCst);
    }
}
