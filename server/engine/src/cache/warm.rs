//! What one process hands to the next, as the server offers it: one method each, no logic.

use super::Cache;
use crate::{
    flow::warm::{self, Tickets, Warmed},
    key::Key,
    tier::Kept,
};

impl Cache {
    /// Taken before entries of an earlier process are read: what is invalidated while they come in wins.
    #[must_use]
    pub fn warm_tickets(&self) -> Tickets {
        warm::tickets(&self.store)
    }

    /// Lets an entry in that an earlier process held, if it may still be served.
    pub fn warm(&self, tickets: &Tickets, key: &Key, entry: Kept) -> Warmed {
        warm::warm(&self.store, tickets, key, entry)
    }

    /// The keys of the entries that save most for each of their bytes, most first: as many as take so many bytes.
    #[must_use]
    pub fn hottest(&self, bytes_max: u64) -> Vec<Key> {
        warm::hottest(&self.store, bytes_max)
    }

    /// An entry as a later process may read it; `None`: it may not be served any more.
    #[must_use]
    pub fn handed_on(&self, key: &Key) -> Option<Kept> {
        warm::handed_on(&self.store, key)
    }
}
