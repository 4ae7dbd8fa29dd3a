//! Get: look, decide whether it may be served, count.

use std::{sync::Arc, time::Duration};

use super::{
    admit::drop_ended,
    fleet::{distrusts, position::require},
};
use crate::{
    clock::Moment,
    entry::{CostSource, Description, EntryView, Facts, Freshness, Payload},
    error::Result,
    event::{Event, MissReason, ReadOutcome},
    insight::{top::TopRead, what_if::Answered},
    key::Key,
    memory::{
        Guard, Store,
        content::Content,
        item,
        record::{Look, Record},
        space::Space,
        table::Slot,
    },
    position::{AsOf, Positions},
    tier::TierName,
};

/// What a Get wants.
#[derive(Clone, Debug, Default)]
pub struct GetRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// Whether a stale entry may be served.
    pub stale: StalePolicy,
    /// Older is a miss.
    pub max_age: Option<Duration>,
    /// Not modified when the entry has this etag; empty: no condition.
    pub if_etag_not: String,
    /// Fail unless this was reached.
    pub min_position: Positions,
    /// Leave no trace.
    pub peek: bool,
    /// The slowest tier that is asked; `None`: all there are.
    pub slowest: Option<TierName>,
}

/// Whether a stale entry may be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StalePolicy {
    /// It is a miss.
    #[default]
    Refuse,
    /// It is served, and the caller renews it.
    WhileRevalidate,
    /// It is served to fall back on; counted as a miss.
    IfError,
}

/// What a Get found.
#[derive(Clone, Debug)]
pub struct GetAnswer {
    /// What.
    pub outcome: Lookup,
    /// How current that is.
    pub as_of: AsOf,
    /// The tier that had it; of a miss: memory.
    pub tier: TierName,
}

/// What a lookup found.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A fresh value.
    Hit(EntryView),
    /// A stale one.
    Stale(EntryView),
    /// A remembered absence or failure.
    Negative(EntryView),
    /// The entry has the etag the caller holds.
    NotModified(EntryView),
    /// Nothing.
    Miss(MissReason),
}

/// Finds one entry.
///
/// # Errors
/// Bad names; `NAMESPACE_UNKNOWN`; `POSITION_NOT_REACHED`; `POSITION_UNKNOWN`.
pub fn get(store: &Store, request: &GetRequest) -> Result<GetAnswer> {
    let (looked, ()) = look_up(store, request, |_, _| ())?;
    if !request.peek {
        looked.count(store);
    }
    Ok(looked.answer())
}

/// What a look found, before it is counted.
pub(super) struct Looked {
    pub(super) key: Key,
    pub(super) space: Option<Arc<Space>>,
    pub(super) outcome: Lookup,
    pub(super) counted: ReadOutcome,
    pub(super) as_of: AsOf,
    /// Where it was.
    pub(super) tier: TierName,
    pub(super) started: Moment,
}

impl Looked {
    pub(super) fn answer(self) -> GetAnswer {
        GetAnswer { outcome: self.outcome, as_of: self.as_of, tier: self.tier }
    }

    pub(super) fn count(&self, store: &Store) {
        count(store, self.space.as_deref(), &self.key, (&self.outcome, self.counted), self.started);
    }
}

/// What a look saw, while the lock is held.
pub(super) struct Seen<'a> {
    pub(super) key: &'a Key,
    pub(super) outcome: &'a Lookup,
    /// Where the entry is, served or not.
    pub(super) place: Option<(&'a Space, Slot)>,
    pub(super) now: Moment,
}

/// Looks, and does what is to be done then, under the same lock.
pub(super) fn look_up<T>(
    store: &Store,
    request: &GetRequest,
    then: impl FnOnce(&mut Guard<'_>, &Seen<'_>) -> T,
) -> Result<(Looked, T)> {
    let started = store.clock.now();
    let key = Key::new(&request.namespace, &request.key)?;
    let space = store.spaces.find(key.namespace())?;
    let mut shard = store.shard(&key);
    let as_of = store.as_of(&key);
    require(store, &request.min_position, as_of)?;
    let now = store.clock.now();
    let distrusted = space.as_deref().is_some_and(|space| distrusts(store, space, now));
    let slot = space.as_deref().and_then(|space| drop_ended(store, &mut shard, (space, &key), now));
    let slot = slot.filter(|_| !distrusted);
    let record = space.as_deref().zip(slot).and_then(|(space, slot)| look(&shard, (space, slot), now));
    let (outcome, counted) = match record {
        Some(found) => judge(found, &key, request),
        None => {
            let reason = if distrusted { MissReason::TierUnavailable } else { shard.beside.why_missing(&key) };
            (Lookup::Miss(reason), ReadOutcome::Miss(reason))
        }
    };
    if let Some((space, slot)) = space.as_deref().zip(slot).filter(|_| !request.peek && outcome.view().is_some()) {
        touch(&mut shard, (space, slot), now);
    }
    let place = space.as_deref().zip(slot);
    let then = then(&mut shard, &Seen { key: &key, outcome: &outcome, place, now });
    drop(shard);
    let tier = TierName::Memory;
    Ok((Looked { key, space, outcome, counted, as_of, tier, started }, then))
}

/// A record, what is said of it, and how it is looked at.
pub(super) type Found<'a> = (&'a Record, &'a Arc<Description>, Look);

pub(super) fn look<'a>(shard: &'a Guard<'_>, (space, slot): (&Space, Slot), now: Moment) -> Option<Found<'a>> {
    let table = shard.table(&space.shelf)?;
    let record = table.get(slot)?;
    Some((
        record,
        record.description(&shard.beside.shared),
        Look {
            now,
            hits: table.hits(slot),
            order_bytes: space.shelf.order_bytes(),
            pinned_until: table.pin_of(slot).map(|pin| pin.until),
            marked: None,
        },
    ))
}

/// What may be answered with this record, and as what it counts.
pub(super) fn judge((record, said, look): Found<'_>, key: &Key, request: &GetRequest) -> (Lookup, ReadOutcome) {
    let now = look.now;
    let miss = |reason| (Lookup::Miss(reason), ReadOutcome::Miss(reason));
    if request.max_age.is_some_and(|max| now.since(record.stored()) > max) {
        return miss(MissReason::TooOld);
    }
    let stale = record.freshness_if((now, look.marked)) != Freshness::Fresh;
    let marked = record.is_marked() || look.marked.is_some_and(|at| at <= now);
    let over = if marked { MissReason::Invalidated } else { MissReason::Expired };
    let ended = look.marked.is_some_and(|at| at <= now);
    let failed = record.failure().is_some_and(|failure| failure.until > now && !ended);
    let (negative, counted) = match (record.is_negative(), stale, request.stale) {
        (false, true, StalePolicy::Refuse) if failed => {
            return (Lookup::Negative(instead(record.view(key, said, look))), ReadOutcome::Negative);
        }
        (_, true, StalePolicy::Refuse) | (true, true, _) => return miss(over),
        (true, false, _) => (true, ReadOutcome::Negative),
        (false, true, StalePolicy::WhileRevalidate) => (false, ReadOutcome::Stale),
        (false, true, StalePolicy::IfError) if failed => (false, ReadOutcome::Stale),
        (false, true, StalePolicy::IfError) => (false, ReadOutcome::Miss(over)),
        (false, false, _) => (false, ReadOutcome::Hit),
    };
    let view = record.view(key, said, look);
    let unchanged = !request.if_etag_not.is_empty() && *view.facts.etag == *request.if_etag_not;
    let outcome = match (unchanged, stale, negative) {
        (true, false, _) => Lookup::NotModified(view),
        (_, true, _) => Lookup::Stale(view),
        (false, false, true) => Lookup::Negative(view),
        (false, false, false) => Lookup::Hit(view),
    };
    (outcome, counted)
}

/// The failure to renew an entry, as the answer for who takes no stale value. It is in the sets that the entry is in, and
/// ends with it: what drops or marks the entry ends the failure as well, also where a copy is kept.
pub(super) fn instead(view: EntryView) -> EntryView {
    let Some(failure) = view.facts.failure.clone() else { return view };
    let Description { kind, tags, depends_on, .. } = (*view.facts.description).clone();
    let payload = Payload::Negative(failure.negative);
    let content = Content::new(payload.clone(), Description { kind, tags, depends_on, ..Description::default() });
    let lasts = failure.retry_after.min(view.facts.usable_for);
    let facts = Facts {
        etag: Content::etag(true, &content.digest, &content.description),
        description: content.description,
        compute_cost: None,
        cost_source: CostSource::Estimated,
        size_bytes: 0,
        digest: content.digest,
        sha256: Some(content.digest),
        age: failure.age,
        fresh_for: lasts,
        usable_for: lasts,
        marked_stale: false,
        failure: None,
        ..view.facts
    };
    EntryView { payload, facts, ..view }
}

/// Notes the use of an entry that was served.
fn touch(shard: &mut Guard<'_>, (space, slot): (&Space, Slot), now: Moment) {
    if let Some(table) = shard.table_mut(&space.shelf) {
        if let Some(record) = table.get_mut(slot) {
            record.read(now);
        }
        table.used(slot, &space.shelf.age);
    }
}

fn count(store: &Store, space: Option<&Space>, key: &Key, (found, outcome): (&Lookup, ReadOutcome), started: Moment) {
    let elapsed = store.clock.now().since(started);
    if let Some(space) = space {
        let facts = found.view().map(|view| &view.facts);
        let kind = facts.map_or("", |facts| &facts.description.kind);
        space.stats.on_read(key.text(), kind, outcome, facts.and_then(|facts| facts.compute_cost));
        space.stats.on_latency("get", elapsed);
        learn(store, (space, key), (found, outcome));
    }
    store.observer.observe(&Event::Read { namespace: key.namespace().clone(), outcome, elapsed });
}

/// Tells those who draw conclusions what was read.
fn learn(store: &Store, (space, key): (&Space, &Key), (found, outcome): (&Lookup, ReadOutcome)) {
    let facts = found.view().map(|view| &view.facts);
    let cost = facts.and_then(|facts| facts.compute_cost);
    let hit = !matches!(outcome, ReadOutcome::Miss(_));
    let sent = !matches!(found, Lookup::NotModified(_));
    let bytes = facts.filter(|_| sent).map_or(0, |facts| facts.size_bytes);
    if hit {
        space.stats.on_served(bytes, u64::from(cost.is_some()));
    }
    let saved = cost.filter(|_| hit).unwrap_or_default();
    space.insight.top.read((key.text(), key.hash()), TopRead { bytes, cost: saved });
    if let ReadOutcome::Miss(MissReason::Evicted | MissReason::NeverStored) = outcome
        && let Some(ghost) = store.insight.ghosts.take(key.hash())
    {
        space.stats.on_lost(key.text(), &ghost.kind, ghost.cost);
    }
    if store.insight.what_if.samples(key.hash()) {
        let now = store.clock.now();
        let answered = match (outcome, facts) {
            (ReadOutcome::Miss(MissReason::Expired | MissReason::Invalidated), _) => Answered::Gone,
            (ReadOutcome::Miss(MissReason::TooOld), _) => Answered::Unwanted,
            (ReadOutcome::Miss(_), _) | (_, None) => Answered::Absent,
            (_, Some(facts)) => {
                let known = (facts.charged_bytes, facts.compute_cost, now.after(facts.usable_for));
                Answered::Found(item(space, &facts.description.kind, known))
            }
        };
        store.insight.what_if.read((space.shelf.number(), key.hash()), answered, now);
    }
}

impl Lookup {
    /// The entry, unless it is a miss.
    #[must_use]
    pub fn view(&self) -> Option<&EntryView> {
        match self {
            Self::Hit(view) | Self::Stale(view) | Self::Negative(view) | Self::NotModified(view) => Some(view),
            Self::Miss(_) => None,
        }
    }
}
