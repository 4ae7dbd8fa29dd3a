//! Stats: the counters of one namespace or of all, next to the limits they are read against.

use std::time::Duration;

use crate::{
    error::Result,
    key::namespace_name,
    memory::Store,
    stats::{GroupBy, Snapshot, Surroundings},
};

/// What the store does not know but a snapshot shows.
#[derive(Clone, Copy, Debug)]
pub struct Watching {
    /// Time since the cache was made.
    pub uptime: Duration,
    /// Open watches.
    pub watch_count: u64,
}

/// Counts; `None`: of all namespaces.
///
/// # Errors
/// A bad or unknown namespace.
pub fn stats(store: &Store, namespace: Option<&str>, group_by: GroupBy, watching: Watching) -> Result<Snapshot> {
    let name = namespace.map(namespace_name).transpose()?;
    let space = name.as_ref().map(|name| store.spaces.find(name)).transpose()?.flatten();
    let server = store.pool.budget().max();
    let own = space.as_ref().map_or(server, |space| space.shelf.budget.max());
    let pinned = match (&name, &space) {
        (Some(_), space) => space.as_ref().map_or(0, |space| space.shelf.pinned.own().bytes),
        (None, _) => store.pool.pinned().bytes,
    };
    let around = Surroundings {
        entries_max: own.entries.min(server.entries),
        bytes_max: own.bytes.min(server.bytes),
        uptime: watching.uptime,
        watch_count: watching.watch_count,
        pinned_bytes: pinned,
    };
    let mut snapshot = store.spaces.stats().snapshot(name.as_deref(), group_by, around);
    if name.is_none() {
        // The namespaces' counters are read one after the other: what went from one and came to another meanwhile would
        // be counted twice.
        let used = store.pool.budget().used();
        (snapshot.total.entry_count, snapshot.total.charged_bytes) = (used.entries, used.bytes);
    }
    Ok(snapshot)
}
