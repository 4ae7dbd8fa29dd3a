//! What replicas agree on, verb by verb: what is written where they share it before or after it is here, what of it may be
//! kept here, and how a change of another replica becomes one of this one. Where the logs are is kept in `crate::fleet`.
//!
//! The rule everything rests on: what comes from the shared tier is let in under a ticket of this server's own history,
//! taken before it was asked for; and a change that was heard of is a change of this server's own history.

pub(super) mod apply;
pub mod follow;
pub(super) mod lease;
pub(super) mod position;
pub(super) mod raise;
pub(super) mod read;
pub(super) mod resync;
pub mod settle;
pub(super) mod write;

use std::sync::Arc;

use crate::{
    clock::Moment,
    entry::{CostSource, EntryView},
    fleet::Fleet,
    key::Key,
    memory::{Store, record::Record, space::Space},
    namespace::Coherence,
    tier::Kept,
};

/// What a namespace shares with other replicas, if it does.
pub(super) fn of<'a>(store: &'a Store, space: &Space) -> Option<&'a Arc<Fleet>> {
    store.fleet.as_ref().filter(|_| space.config.tiers.shared)
}

/// Whether what is here of a namespace counts as missing now: it may lack what others invalidated.
pub(super) fn distrusts(store: &Store, space: &Space, now: Moment) -> bool {
    space.config.coherence == Coherence::Strict && of(store, space).is_some_and(|fleet| !fleet.trusts(now))
}

/// An entry that was just stored, as the shared tier keeps it.
pub(super) fn kept(store: &Store, (space, key): (&Space, &Key), view: &EntryView) -> Kept {
    let facts = &view.facts;
    let lifetime = {
        let shard = store.shard(key);
        let slot = store.find(&shard, space, key);
        slot.and_then(|slot| shard.table(&space.shelf)?.get(slot)).map(Record::lifetime)
    };
    let now = store.clock.wall(store.clock.now());
    Kept {
        payload: view.payload.clone(),
        description: facts.description.clone(),
        digest: facts.digest,
        cost: facts.compute_cost,
        cost_measured: facts.cost_source == CostSource::Measured,
        stored: now.saturating_sub(facts.age),
        fresh_until: now.saturating_add(facts.fresh_for),
        usable_until: now.saturating_add(facts.usable_for),
        idle_ttl: lifetime.and_then(|lifetime| lifetime.idle_ttl),
        refresh_ahead: lifetime.and_then(|lifetime| lifetime.refresh_ahead),
        marked: facts.marked_stale,
    }
}
