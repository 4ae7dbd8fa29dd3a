//! Failures to renew: what is stored stays until its own end, with the failure beside it, which is the answer to who takes
//! no stale value and keeps others from trying again at once. Where nothing usable is stored, a failure is stored.

use std::sync::Arc;

use super::{
    admit::{ATTEMPTS_MAX, drop_ended, view},
    bounds,
    get::instead,
    lease::hand_over,
    lifetime::Rules,
};
use crate::{
    changes::Author,
    clock::Moment,
    entry::{Expiration, Freshness, Negative, Payload, Ttl},
    error::Result,
    key::Key,
    memory::{
        Guard, Store, beside::Filled, body::Failure, budget::Room, held, notes::Noted, space::Space, table::Slot,
    },
};

/// What became of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A value stays, with the failure beside it; so many who waited were told.
    Beside(u32),
    /// There is nothing to keep it beside: it may be stored.
    Nowhere,
    /// The lease is not held.
    Lost,
}

/// For how long a failure is remembered: as asked, else as the namespace says.
///
/// # Errors
/// `TTL_OUT_OF_BOUNDS`; `BAD_ARGUMENT` for texts out of their bounds.
pub(super) fn remembered(
    store: &Store,
    space: &Space,
    (negative, expiration): (&Negative, Expiration),
) -> Result<(Expiration, Moment)> {
    bounds::payload(&Payload::Negative(negative.clone()), store.config.value_bytes_max)?;
    let ttl = if expiration.ttl == Ttl::Default { Ttl::Exact(space.config.ttl_failure) } else { expiration.ttl };
    let expiration = Expiration { ttl, ..expiration };
    let rules = Rules { namespace: &space.config, classes: &store.config.ttl_classes, kind: "", negative: true };
    let lifetime = rules.decide(&expiration, store.clock.now(), store.random())?;
    Ok((expiration, lifetime.deadlines.fresh_until))
}

/// Keeps a failure beside the value that it did not renew; the lease under which it was computed ends.
pub(super) fn keep(
    store: &Store,
    space: &Arc<Space>,
    (key, token): (&Key, u128),
    (negative, until): (&Negative, Moment),
) -> Kept {
    for _ in 0..ATTEMPTS_MAX {
        let mut shard = store.shard(key);
        let now = store.clock.now();
        if shard.beside.leases.claim(key, token, now).is_none() {
            return Kept::Lost;
        }
        let failure = Failure { negative: negative.clone(), at: now, until };
        match beside(store, &mut shard, (space, key), (&failure, token)) {
            Ok(kept) => return kept,
            Err(room) => {
                drop(shard);
                store.evict_one(space, room, |_, _| {});
            }
        }
    }
    Kept::Nowhere
}

/// Keeps a failure to fetch beside the stale value that it did not renew; leases are left as they are. Nothing happens where
/// no stale value is, or none that has room for it.
pub(super) fn keep_of_origin(store: &Store, key: &Key, negative: &Negative) {
    let Ok(Some(space)) = store.spaces.find(key.namespace()) else { return };
    let Ok((_, until)) = remembered(store, &space, (negative, Expiration::default())) else { return };
    for _ in 0..ATTEMPTS_MAX {
        let mut shard = store.shard(key);
        let now = store.clock.now();
        let Some(slot) = drop_ended(store, &mut shard, (&space, key), now) else { return };
        let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return };
        if !record.takes_failure() || record.freshness(now) != Freshness::Stale {
            return;
        }
        let failure = Failure { negative: negative.clone(), at: now, until };
        match fail(store, &mut shard, (&space, slot), &failure) {
            Ok(()) => return store.note(&mut shard, key, (Noted::RefreshFailed(failure.negative), Author::default())),
            Err(room) => {
                drop(shard);
                store.evict_one(&space, room, |_, _| {});
            }
        }
    }
}

/// Keeps it under the lock, or says how much room that needs.
fn beside(
    store: &Store,
    shard: &mut Guard<'_>,
    (space, key): (&Space, &Key),
    (failure, token): (&Failure, u128),
) -> std::result::Result<Kept, Room> {
    let Some(slot) = drop_ended(store, shard, (space, key), failure.at) else { return Ok(Kept::Nowhere) };
    let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return Ok(Kept::Nowhere) };
    if record.is_negative() {
        return Ok(Kept::Nowhere);
    }
    let note = Noted::RefreshFailed(failure.negative.clone());
    if !record.takes_failure() {
        // It is fresh, and nobody waits: holding off the next one is all there is to do, until there is nothing to serve.
        let until = failure.until.min(record.lifetime().deadlines.fresh_until);
        store.note(shard, key, (note, Author::default()));
        let hold_off = Some(until.since(failure.at));
        shard.beside.leases.release(key, (token, hold_off), failure.at, &mut |key| store.offer(key));
        return Ok(Kept::Beside(0));
    }
    fail(store, shard, (space, slot), failure)?;
    store.note(shard, key, (note, Author::default()));
    let as_of = store.as_of(key);
    let Some(stale) = view(shard, (space, key), slot, failure.at) else { return Ok(Kept::Nowhere) };
    let filled = Filled { view: instead(stale.clone()), stale: Some(stale), as_of };
    Ok(Kept::Beside(hand_over(shard, space, key, &filled)))
}

/// Notes the failure in the record and charges it, or says how much room that needs.
fn fail(
    store: &Store,
    shard: &mut Guard<'_>,
    (space, slot): (&Space, Slot),
    failure: &Failure,
) -> std::result::Result<(), Room> {
    let order_bytes = space.shelf.order_bytes();
    let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return Ok(()) };
    let (old, new) = (record.charged(order_bytes), record.charged_with(order_bytes, failure));
    let (key, kind) = (record.text().to_owned(), record.description(&shard.beside.shared).kind.clone());
    let more = Room { entries: 0, bytes: new.saturating_sub(old) };
    if !store.pool.reserve(&space.shelf, more) {
        return Err(more);
    }
    store.pool.release(&space.shelf, Room { entries: 0, bytes: old.saturating_sub(new) });
    if let Some(record) = shard.table_mut(&space.shelf).and_then(|table| table.get_mut(slot)) {
        let lost = held(record, (-1, order_bytes));
        record.fail(failure.clone());
        let gained = held(record, (1, order_bytes));
        // The old one first: what is counted is never more than what is reserved.
        space.stats.on_held(&key, &kind, lost);
        space.stats.on_held(&key, &kind, gained);
    }
    shard.recharge(&space.shelf, slot, new);
    Ok(())
}
