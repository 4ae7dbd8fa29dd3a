//! Refreshing ahead: whether an entry that is still fresh is due to be renewed, and by whom.

use super::get::Seen;
use crate::{
    ahead::{Age, RefreshAhead},
    memory::{Guard, Store},
};

/// Whether the fresh entry that a Get found is due to be renewed. What failed to be renewed is not, for as long as that
/// is remembered.
pub(super) fn is_due(store: &Store, shard: &Guard<'_>, seen: &Seen<'_>) -> bool {
    let Some((space, slot)) = seen.place else { return false };
    let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return false };
    let lifetime = record.lifetime();
    let ahead = lifetime.refresh_ahead.unwrap_or(space.config.refresh_ahead);
    let failed = record.failure().is_some_and(|failure| failure.until > seen.now);
    if ahead == RefreshAhead::Never || failed || record.is_negative() {
        return false;
    }
    let cost = || {
        let kind = &record.description(&shard.beside.shared).kind;
        space.insight.cost.estimate(kind, record.charged(space.shelf.order_bytes()))
    };
    let age = Age {
        now: seen.now,
        stored: record.stored(),
        fresh_until: lifetime.deadlines.fresh_until,
        cost: record.cost().unwrap_or_else(cost),
    };
    let random = if matches!(ahead, RefreshAhead::Xfetch(_)) { 1.0 - store.random() } else { 1.0 };
    ahead.is_due(age, random)
}
