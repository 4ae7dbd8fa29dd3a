//! Touch: move the end of an entry's life without its value.

use std::sync::Arc;

use super::{
    admit::{ATTEMPTS_MAX, drop_ended, view},
    bounds::length,
    lifetime::Rules,
    renew::relive,
};
use crate::{
    changes::Author,
    entry::{Deadlines, Description, EntryView, Expiration, Ttl},
    error::{Error, Reason, Result},
    event::RemovalReason,
    key::Key,
    memory::{
        Store,
        budget::Room,
        notes::Noted,
        record::{Lifetime, Record, Terms},
        space::Space,
    },
};

/// Which entry and how.
#[derive(Clone, Debug)]
pub struct TouchRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// How the new end relates to the present one.
    pub mode: TouchMode,
    /// The lifetime from now.
    pub expiration: Expiration,
    /// Only the entry with this etag; empty: any.
    pub etag: String,
}

/// How a new end relates to the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchMode {
    /// The new one holds.
    Set,
    /// The later one holds.
    Extend,
    /// The earlier one holds.
    Shorten,
}

/// What a Touch did.
#[derive(Clone, Debug)]
pub enum TouchAnswer {
    /// The end was moved.
    Touched(EntryView),
    /// Nothing to move.
    Unchanged(EntryView),
    /// No such entry.
    NotFound,
    /// It has another etag.
    EtagMismatch(EntryView),
}

/// Longest etag a request may name, in bytes.
const ETAG_BYTES_MAX: usize = 128;

/// Changes a lifetime.
///
/// # Errors
/// Bad names; `TTL_OUT_OF_BOUNDS`, also when the request gives no TTL.
pub fn touch(store: &Store, request: &TouchRequest) -> Result<TouchAnswer> {
    let key = Key::new(&request.namespace, &request.key)?;
    length("etag", &request.etag, ETAG_BYTES_MAX)?;
    if request.expiration.ttl == Ttl::Default {
        let rule = "a touch says the new lifetime: set expiration.ttl or expiration.ttl_class";
        return Err(Error::invalid(Reason::TtlOutOfBounds, "expiration", rule));
    }
    let Some(space) = store.spaces.find(key.namespace())? else { return Ok(TouchAnswer::NotFound) };
    let random = store.random();
    for _ in 0..ATTEMPTS_MAX {
        match try_touch(store, &space, &key, (request, random))? {
            Ok(answer) => return Ok(answer),
            Err(room) => drop(store.evict_one(&space, room, |_, _| {})),
        }
    }
    // Others took all room as fast as it was made: then this entry is the one that goes.
    let mut shard = store.shard(&key);
    if let Some(slot) = store.find(&shard, &space, &key) {
        store.remove(&mut shard, &space, slot, RemovalReason::Evicted);
    }
    Ok(TouchAnswer::NotFound)
}

/// Touches, or says how much room that needs.
fn try_touch(
    store: &Store,
    space: &Arc<Space>,
    key: &Key,
    (request, random): (&TouchRequest, f64),
) -> Result<std::result::Result<TouchAnswer, Room>> {
    let mut shard = store.shard(key);
    let now = store.clock.now();
    let at = (&**space, key);
    let slot = drop_ended(store, &mut shard, at, now);
    let record = slot.and_then(|slot| shard.table(&space.shelf)?.get(slot));
    let Some((slot, record)) = slot.zip(record) else { return Ok(Ok(TouchAnswer::NotFound)) };
    let said = record.description(&shard.beside.shared);
    let asked = decide(store, space, (record, said), (request, random))?;
    let present = record.lifetime();
    let mut lifetime = combine(request.mode, present, asked);
    if present.marked {
        // A Touch says nothing of the value: what was marked stale does not become fresh by it.
        lifetime = lifetime.stale_from(present.deadlines.fresh_until);
    }
    let mismatch = !request.etag.is_empty() && *record.etag(said) != *request.etag;
    let (content, stored, selector) = (record.content(said), record.stored(), record.selector());
    let unchanged = mismatch || lifetime == present;
    if !unchanged
        && let Err(room) = relive(store, &mut shard, at, (slot, content, Terms { lifetime, stored, selector }))
    {
        return Ok(Err(room));
    }
    if let Some(record) = shard.table_mut(&space.shelf).and_then(|table| table.get_mut(slot)).filter(|_| !unchanged) {
        record.read(now);
    }
    if !unchanged {
        store.note(&mut shard, key, (Noted::Touched, Author::default()));
    }
    let Some(view) = view(&shard, at, slot, now) else { return Ok(Ok(TouchAnswer::NotFound)) };
    Ok(Ok(match (mismatch, unchanged) {
        (true, _) => TouchAnswer::EtagMismatch(view),
        (false, true) => TouchAnswer::Unchanged(view),
        (false, false) => TouchAnswer::Touched(view),
    }))
}

fn decide(
    store: &Store,
    space: &Space,
    (record, said): (&Record, &Description),
    asked: (&TouchRequest, f64),
) -> Result<Lifetime> {
    let (negative, kind) = (record.is_negative(), &said.kind);
    let rules = Rules { namespace: &space.config, classes: &store.config.ttl_classes, kind, negative };
    rules.decide(&asked.0.expiration, store.clock.now(), asked.1)
}

/// The lifetime that holds; an idle TTL that is not asked for stays, except where the whole lifetime is set.
fn combine(mode: TouchMode, present: Lifetime, asked: Lifetime) -> Lifetime {
    let pick = |a, b| if mode == TouchMode::Extend { std::cmp::max(a, b) } else { std::cmp::min(a, b) };
    if mode == TouchMode::Set {
        return asked;
    }
    let deadlines = Deadlines {
        fresh_until: pick(present.deadlines.fresh_until, asked.deadlines.fresh_until),
        usable_until: pick(present.deadlines.usable_until, asked.deadlines.usable_until),
    };
    let (idle_ttl, refresh_ahead) =
        (asked.idle_ttl.or(present.idle_ttl), asked.refresh_ahead.or(present.refresh_ahead));
    Lifetime { deadlines, idle_ttl, refresh_ahead, marked: present.marked }
}
