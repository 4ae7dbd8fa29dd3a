//! Renewing: what is stored gets new terms in its place, without a change that watchers hear of.

use std::sync::Arc;

use super::{
    admit::{ATTEMPTS_MAX, Admitted, drop_ended, holds, view},
    book::refreshed,
    lease::hand_over,
    put::Precondition,
};
use crate::{
    changes::Author,
    fence::Stamp,
    key::Key,
    memory::{
        Guard, Store,
        beside::Filled,
        budget::Room,
        content::Content,
        held,
        record::{Lifetime, Record, Terms},
        space::Space,
        table::Slot,
    },
    position::Positions,
};

/// Gives what is stored a new lifetime, when the precondition holds; else tells what is in the way.
pub(super) fn renew(
    store: &Store,
    space: &Arc<Space>,
    key: &Key,
    (precondition, lifetime): (&Precondition, Lifetime),
    (author, lease): (&Author, Option<u128>),
) -> Admitted {
    for _ in 0..ATTEMPTS_MAX {
        let mut shard = store.shard(key);
        let now = store.clock.now();
        let as_of = store.as_of(key);
        let claim = lease.map(|token| shard.beside.leases.claim(key, token, now));
        if claim == Some(None) {
            return Admitted::LeaseLost;
        }
        let slot = drop_ended(store, &mut shard, (space, key), now);
        if let (Some(claim), Some(slot)) = (claim.flatten(), slot)
            && marked_since(store, &shard, (space, key, slot), claim.stamp)
        {
            shard.beside.leases.revoke(key, now, &mut |key| store.offer(key));
            return Admitted::LeaseLost;
        }
        let current = slot.and_then(|slot| shard.table(&space.shelf)?.get(slot));
        if !holds(precondition, current, &shard.beside.shared) {
            return Admitted::PreconditionFailed(slot.and_then(|slot| view(&shard, (space, key), slot, now)));
        }
        let content = current.map(|record| record.content(record.description(&shard.beside.shared)));
        let Some((slot, content)) = slot.zip(content) else { return Admitted::PreconditionFailed(None) };
        let terms = Terms { lifetime, stored: now, selector: as_of.selector.number };
        let noted = refreshed(&content);
        if let Err(room) = relive(store, &mut shard, (space, key), (slot, content, terms)) {
            drop(shard);
            store.evict_one(space, room, |_, _| {});
            continue;
        }
        shard.beside.confirmations.note(key, store.tick());
        store.note(&mut shard, key, (noted, author.clone()));
        let Some(view) = view(&shard, (space, key), slot, now) else { break };
        space.stats.on_refresh(key.text(), &view.facts.description.kind);
        let released = hand_over(&mut shard, space, key, &Filled { view: view.clone(), stale: None, as_of });
        return Admitted::Refreshed(view, Positions::new(vec![(key.log(), as_of.key)]), released);
    }
    Admitted::PreconditionFailed(None)
}

/// Whether what is stored was marked stale since a computation began, which therefore cannot make it fresh.
fn marked_since(store: &Store, shard: &Guard<'_>, (space, key, slot): (&Space, &Key, Slot), since: Stamp) -> bool {
    let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return false };
    let facets = record.facets(record.description(&shard.beside.shared));
    !store.fences.read().allow(key.namespace(), &facets, since)
}

/// Gives a stored entry new terms in its place. That may take more room than it has: then nothing is changed, and the
/// error says how much.
pub(super) fn relive(
    store: &Store,
    shard: &mut Guard<'_>,
    (space, key): (&Space, &Key),
    (slot, content, terms): (Slot, Content, Terms),
) -> Result<(), Room> {
    let order_bytes = space.shelf.order_bytes();
    let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return Ok(()) };
    let old = record.charged(order_bytes);
    let new = Record::new(key, &content, terms, record.said());
    let more = Room { entries: 0, bytes: new.charged(order_bytes).saturating_sub(old) };
    if !store.pool.reserve(&space.shelf, more) {
        return Err(more);
    }
    store.pool.release(&space.shelf, Room { entries: 0, bytes: old.saturating_sub(new.charged(order_bytes)) });
    let charged = new.charged(order_bytes);
    let (kind, gained) = (&content.description.kind, held(&new, (1, order_bytes)));
    if let Some(table) = shard.table_mut(&space.shelf) {
        if let Some(old) = table.get_mut(slot).map(|record| std::mem::replace(record, new)) {
            // The old one first: what is counted is never more than what is reserved.
            space.stats.on_held(key.text(), kind, held(&old, (-1, order_bytes)));
            space.stats.on_held(key.text(), kind, gained);
        }
        table.renewed(slot, &space.shelf.age);
        table.reschedule(slot);
    }
    shard.recharge(&space.shelf, slot, charged);
    store.hand_down(shard, (space, key), (&content, terms));
    Ok(())
}
