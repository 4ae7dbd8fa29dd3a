//! Stats: the counters of one namespace or of all, next to the limits they are read against.

use std::{collections::HashMap, sync::Arc, time::Duration};

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
    // What is dead is not held: whoever asks what is hears of no room that is only waiting to be given back.
    store.sweep_all(space.as_deref());
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
        uploads_bytes: if name.is_none() { store.uploads.held() } else { 0 },
    };
    let mut snapshot = store.spaces.stats().snapshot(name.as_deref(), group_by, around);
    count_leases(store, name.as_deref(), group_by, &mut snapshot);
    if name.is_none() {
        // The namespaces' counters are read one after the other: what went from one and came to another meanwhile would
        // be counted twice.
        let used = store.pool.budget().used();
        let charged = used.bytes.saturating_sub(snapshot.uploads_bytes);
        (snapshot.total.entry_count, snapshot.total.charged_bytes) = (used.entries, charged);
    }
    Ok(snapshot)
}

/// Leases that are held, and who waits, now.
fn count_leases(store: &Store, namespace: Option<&str>, group_by: GroupBy, snapshot: &mut Snapshot) {
    let mut counted: HashMap<Arc<str>, (u64, u64)> = HashMap::new();
    for shard in store.each_shard() {
        for (key, held, waiting) in shard.beside.leases.each() {
            let of = counted.entry(key.namespace().clone()).or_default();
            *of = (of.0 + u64::from(held), of.1 + waiting as u64);
        }
    }
    let of = |name: &str| counted.get(name).copied().unwrap_or_default();
    let all = || counted.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let leases = &mut snapshot.total.leases;
    (leases.held, leases.waiting) = namespace.map_or_else(all, of);
    for group in snapshot.groups.iter_mut().filter(|_| group_by == GroupBy::Namespace) {
        (group.leases.held, group.leases.waiting) = of(&group.name);
    }
}
