//! Entries that are in no order of eviction until a time: how many bytes they may have, and how that is counted. Who pins
//! them, and how long they live, is not known here.

use std::sync::Arc;

use super::{
    Guard, Store,
    budget::{Budget, Room},
    space::Space,
    table::Slot,
};
use crate::{clock::Moment, policy::Worth};

/// Of the entries and bytes of the server, and of a namespace with limits of its own, one in so many may be pinned: what
/// is pinned makes no room for others, who need some.
pub const PINNED_SHARE: u64 = 2;

/// How an entry is pinned.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    /// Until when.
    pub until: Moment,
    /// With what worth it then enters the order; its bytes are those counted as pinned.
    pub worth: Worth,
}

/// The bounds of what is pinned: of a namespace and of all.
#[derive(Debug)]
pub struct Pinned {
    own: Budget,
    all: Arc<Budget>,
}

/// The bound of what may be pinned, of these limits.
pub(super) fn bound(limits: Room) -> Budget {
    Budget::new(Room { entries: limits.entries / PINNED_SHARE, bytes: limits.bytes / PINNED_SHARE })
}

impl Pinned {
    /// Nothing pinned, within a share of these limits and within that of all.
    pub(super) fn new(limits: Room, all: Arc<Budget>) -> Self {
        Self { own: bound(limits), all }
    }

    /// Takes room, of both bounds or of none.
    pub(super) fn reserve(&self, room: Room) -> bool {
        let own = self.own.reserve(room);
        let both = own && self.all.reserve(room);
        if own && !both {
            self.own.release(room);
        }
        both
    }

    /// Gives room back to both.
    pub(super) fn release(&self, room: Room) {
        self.all.release(room);
        self.own.release(room);
    }

    /// What is pinned of the namespace.
    #[must_use]
    pub fn own(&self) -> Room {
        self.own.used()
    }

    /// What is pinned of all.
    #[must_use]
    pub fn all(&self) -> Room {
        self.all.used()
    }
}

impl Store {
    /// Pins a stored entry until a time. False: no more may be pinned, and it stays in the order of eviction.
    pub fn pin(&self, shard: &mut Guard<'_>, space: &Space, slot: Slot, until: Moment) -> bool {
        let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return false };
        let kind = &record.description(&shard.beside.shared).kind;
        let worth = self.worth(space, record.charged(space.shelf.order_bytes()), (record.cost(), kind));
        shard.pin(&space.shelf, slot, Pin { until, worth })
    }
}
