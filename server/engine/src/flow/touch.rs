//! Touch: move the end of an entry's life without its value.

use super::{admit::drop_ended, bounds::length, lifetime::Rules};
use crate::{
    entry::{Deadlines, EntryView, Expiration, Payload, Ttl},
    error::{Error, Reason, Result},
    key::Key,
    memory::{
        Store,
        record::{Lifetime, Record},
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
    let mut shard = store.shard(&key);
    let now = store.clock.now();
    drop_ended(store, &mut shard, &key, now);
    let Some(record) = shard.record_mut(&key) else { return Ok(TouchAnswer::NotFound) };
    let asked = decide(store, &space, record, (request, random))?;
    if !request.etag.is_empty() && *record.content.etag != *request.etag {
        return Ok(TouchAnswer::EtagMismatch(record.view(&key, now)));
    }
    let lifetime = combine(request.mode, record.lifetime, asked);
    if lifetime == record.lifetime {
        return Ok(TouchAnswer::Unchanged(record.view(&key, now)));
    }
    record.lifetime = lifetime;
    record.read = now;
    let view = record.view(&key, now);
    shard.reschedule(&key);
    Ok(TouchAnswer::Touched(view))
}

fn decide(store: &Store, space: &Space, record: &Record, asked: (&TouchRequest, f64)) -> Result<Lifetime> {
    let negative = matches!(record.content.payload, Payload::Negative(_));
    let kind = &record.content.description.kind;
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
    Lifetime { deadlines, idle_ttl: asked.idle_ttl.or(present.idle_ttl) }
}
