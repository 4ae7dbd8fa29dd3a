//! ExplainKey: what a Get would say of a key and why, and what happened to the key before. Changes nothing, and counts as
//! no read. Where the history is put together: `trail`; what it says to people: `words`.

mod trail;
mod words;

use std::{sync::Arc, time::Duration};

use super::{
    beneath::Beneath,
    fleet::distrusts,
    get::{GetRequest, Lookup, judge, look},
};
use crate::{
    changes::Author,
    clock::Moment,
    entry::{EntryView, Freshness, Negative},
    error::{Error, Kind, Reason, Result},
    event::MissReason,
    fence::{Fenced, Standing},
    key::Key,
    memory::{Guard, Store, beside::Removal, notes::Note, record::Look, space::Space},
    position::{AsOf, LogId, Position},
    selector::Selector,
    tier::TierName,
};

/// Events of an answer when the request says nothing.
const EVENTS_DEFAULT: usize = 20;
/// Events of an answer at most.
pub const EVENTS_MAX: usize = 100;

/// Which key.
#[derive(Clone, Debug, Default)]
pub struct ExplainRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// Events at most; zero: 20, at most 100.
    pub events_max: usize,
}

/// What a Get would say, and why.
#[derive(Clone, Debug)]
pub struct ExplainAnswer {
    /// What a Get without options would say.
    pub outcome: Lookup,
    /// The same in a sentence.
    pub explanation: String,
    /// What is in the store, served or not, and whether its lifetime allows to serve it.
    pub entry: Option<(EntryView, Freshness)>,
    /// Whether it is the first of its shard to make room.
    pub next_to_go: bool,
    /// What made it missing, as far as that is known.
    pub cause: Option<KeyEvent>,
    /// What happened to it, newest first.
    pub events: Vec<KeyEvent>,
    /// Whether older events were left out for their number.
    pub more_events: bool,
    /// Whether the history reaches back to the beginning.
    pub complete: bool,
    /// How far it reaches back without a gap.
    pub reaches_back: Duration,
    /// How current that is.
    pub as_of: AsOf,
    /// The tiers that have something of it, from fast to slow.
    pub tiers: Vec<TierName>,
    /// The one that `entry` lies in.
    pub tier: TierName,
}

/// What slower tiers have of a key.
pub(super) struct Below {
    /// What a Get is told there that finds nothing in memory.
    pub(super) said: Beneath,
    /// Those that have something of it.
    pub(super) lies_in: Vec<TierName>,
    /// Those that could not be asked, and why, as far as that is known.
    pub(super) silent: Vec<(TierName, Option<String>)>,
}

impl Below {
    /// There is memory alone.
    pub(super) const NOTHING: Self = Self { said: Beneath::Nothing, lies_in: Vec::new(), silent: Vec::new() };
}

/// Something that happened to a key.
#[derive(Clone, Debug)]
pub struct KeyEvent {
    /// What.
    pub what: Happened,
    /// How long ago.
    pub age: Duration,
    /// When, since the Unix epoch.
    pub wall: Duration,
    /// Where, for what is a change of its own.
    pub position: Option<(LogId, Position)>,
    /// On whose behalf.
    pub author: Author,
    /// All of it in a sentence.
    pub sentence: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A value was stored.
    Stored {
        /// Bytes of the value.
        size_bytes: u64,
        /// Its kind; empty for none.
        kind: Arc<str>,
        /// Whether it is a remembered absence or failure.
        negative: bool,
        /// Whether the server fetched it.
        fetched: bool,
    },
    /// The same content came again.
    Refreshed {
        /// Bytes of the value.
        size_bytes: u64,
        /// Its kind; empty for none.
        kind: Arc<str>,
        /// Whether it is a remembered absence or failure.
        negative: bool,
    },
    /// Its end was moved.
    Touched,
    /// A lifetime ran out; of what kind.
    Expired(Arc<str>),
    /// It made room; of what kind.
    Evicted(Arc<str>),
    /// An Invalidate named it, or a set that it is in, if that is still known.
    Invalidated(Option<Selector>, Effect),
    /// A Put was refused: why.
    NotAdmitted(Arc<str>),
    /// An Invalidate marked it stale, or a set that it is in, if that is still known.
    MarkedStale(Option<Selector>, Effect),
    /// Computing it anew failed, and the value stayed.
    RefreshFailed(Negative),
}

/// What an invalidation did to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It dropped an entry.
    Dropped,
    /// It marked an entry stale.
    Marked,
    /// There was nothing to drop.
    NothingThere,
    /// What was there then is not known any more.
    Unknown,
}

/// What a shard knows of a key, taken under its lock.
#[derive(Debug)]
struct Known {
    outcome: Lookup,
    entry: Option<(EntryView, Freshness)>,
    next_to_go: bool,
    /// Why it is missing, as far as that is remembered or can be seen.
    removal: Option<Removal>,
    notes: Vec<Note>,
    notes_forgotten: Option<Moment>,
    as_of: AsOf,
    now: Moment,
    /// Whether what is there counts as missing, because it may lack what others invalidated.
    distrusted: bool,
}

/// What a Get is answered, and the entry behind that.
struct Seen {
    outcome: Lookup,
    entry: Option<(EntryView, Freshness)>,
    tier: TierName,
}

/// Explains one key of a cache that is memory alone.
///
/// # Errors
/// Bad names; `NAMESPACE_UNKNOWN`; `BAD_ARGUMENT` for more than 100 events.
pub fn explain(store: &Store, request: &ExplainRequest, made: Moment) -> Result<ExplainAnswer> {
    let key = checked(request)?;
    let answer = above(store, (&key, request), made, &Below::NOTHING)?;
    answer.ok_or_else(|| Error::new(Kind::Internal, Reason::Bug, "slower tiers were not asked"))
}

/// The key, when all else that is asked can be answered.
pub(super) fn checked(request: &ExplainRequest) -> Result<Key> {
    let key = Key::new(&request.namespace, &request.key)?;
    if request.events_max > EVENTS_MAX {
        let rule = format!("an answer has at most {EVENTS_MAX} events, not {}", request.events_max);
        return Err(Error::invalid(Reason::BadArgument, "max_events", rule));
    }
    Ok(key)
}

/// Explains one key above what slower tiers said of it; `None`: they are to be asked again, it was overtaken.
pub(super) fn above(
    store: &Store,
    (key, request): (&Key, &ExplainRequest),
    made: Moment,
    below: &Below,
) -> Result<Option<ExplainAnswer>> {
    let events_max = if request.events_max == 0 { EVENTS_DEFAULT } else { request.events_max };
    let space = store.spaces.find(key.namespace())?;
    let known = know(store, space.as_deref(), key);
    let Some(seen) = see(store, key, (&known, below)) else { return Ok(None) };
    let trail = trail::follow(store, key, &known, events_max);
    let by_memory = match seen.outcome {
        Lookup::Miss(reason) => seen.tier == TierName::Memory && reason != MissReason::TierUnavailable,
        _ => false,
    };
    let cause = known.removal.filter(|_| by_memory).map(|removal| trail::cause(store, &trail, (&known, removal)));
    let reaches_back = known.now.since(trail.forgotten.unwrap_or(made));
    let memory = known.entry.as_ref().map(|_| TierName::Memory);
    Ok(Some(ExplainAnswer {
        explanation: words::outcome((&known, &seen), cause.as_ref(), below),
        tiers: memory.into_iter().chain(below.lies_in.iter().copied()).collect(),
        outcome: seen.outcome,
        entry: seen.entry,
        tier: seen.tier,
        next_to_go: known.next_to_go,
        cause,
        events: trail.events,
        more_events: trail.more,
        complete: trail.forgotten.is_none(),
        reaches_back,
        as_of: known.as_of,
    }))
}

/// What a Get makes of it: memory answers with what it has, whatever lies below; else the first below that has it.
fn see(store: &Store, key: &Key, (known, below): (&Known, &Below)) -> Option<Seen> {
    let of_memory = |outcome| Seen { outcome, entry: known.entry.clone(), tier: TierName::Memory };
    Some(match &below.said {
        _ if known.answers() => of_memory(known.outcome.clone()),
        Beneath::Unasked => return None,
        Beneath::Nothing => of_memory(known.outcome.clone()),
        Beneath::Unavailable => of_memory(Lookup::Miss(MissReason::TierUnavailable)),
        Beneath::Found(tier, unstored) => {
            let (outcome, _) = unstored.judge(store, key, &GetRequest::default());
            Seen { outcome, entry: Some(unstored.view(store, key)), tier: *tier }
        }
    })
}

/// Looks at a key as a Get does, and leaves everything as it is.
fn know(store: &Store, space: Option<&Space>, key: &Key) -> Known {
    let shard = store.shard(key);
    let as_of = store.as_of(key);
    let now = store.clock.now();
    let removal = shard.beside.removal(key);
    let known = Known {
        outcome: Lookup::Miss(shard.beside.why_missing(key)),
        entry: None,
        next_to_go: false,
        removal,
        notes: shard.beside.notes.of(key).cloned().collect(),
        notes_forgotten: shard.beside.notes.forgotten(),
        as_of,
        now,
        distrusted: false,
    };
    let Some(space) = space else { return known };
    let known = found(store, &shard, (space, key), known);
    match distrusts(store, space, now) {
        true => Known { outcome: Lookup::Miss(MissReason::TierUnavailable), distrusted: true, ..known },
        false => known,
    }
}

/// Adds what is stored, and what a Get would make of it.
fn found(store: &Store, shard: &Guard<'_>, (space, key): (&Space, &Key), known: Known) -> Known {
    let now = known.now;
    let slot = store.find(shard, space, key);
    let Some((slot, found)) = slot.and_then(|slot| Some((slot, look(shard, (space, slot), now)?))) else {
        return known;
    };
    let (record, said, look) = found;
    let standing = store.standing(space, record, said);
    let marked = if let Standing::Marked(at, _) = standing { Some(at) } else { None };
    let found = (record, said, Look { marked, ..look });
    let freshness = record.freshness_if((now, marked));
    let gone = |reason, at, fence| Removal { reason, at, idle: record.idle_at(now), fence };
    let (outcome, removal) = match (freshness, standing) {
        (Freshness::Gone, Standing::Marked(at, number)) if record.freshness(now) != Freshness::Gone => {
            let fence = Some(Fenced { number, floor: false });
            (Lookup::Miss(MissReason::Invalidated), Some(gone(MissReason::Invalidated, at, fence)))
        }
        (Freshness::Gone, _) => {
            let removal = gone(MissReason::Expired, record.gone_since(), None);
            (Lookup::Miss(MissReason::Expired), Some(removal))
        }
        (_, Standing::Dropped) => {
            let fence = store.fences.read().concerning(&space.name, &record.facets(said));
            (Lookup::Miss(MissReason::Invalidated), Some(gone(MissReason::Invalidated, now, fence)))
        }
        (Freshness::Stale | Freshness::Fresh, _) => {
            let outcome = judge(found, key, &GetRequest::default()).0;
            let fresh_until = record.lifetime().deadlines.fresh_until;
            let since = marked.map_or(fresh_until, |at| at.min(fresh_until));
            let removal = if let Lookup::Miss(reason) = &outcome { Some(gone(*reason, since, None)) } else { None };
            (outcome, removal)
        }
    };
    let least = shard.table(&space.shelf).and_then(|table| table.least());
    let next_to_go = least.is_some_and(|least| least.slot == slot);
    let entry = Some((record.view(key, said, found.2), freshness));
    Known { outcome, entry, next_to_go, removal, ..known }
}

impl Known {
    /// The fence that made it missing.
    fn fence(&self) -> Option<Fenced> {
        self.removal.and_then(|removal| removal.fence)
    }

    /// Whether a Get looks no further.
    fn answers(&self) -> bool {
        let ended = self.entry.as_ref().is_some_and(|(_, freshness)| *freshness == Freshness::Gone);
        self.valid() && !ended && !self.distrusted
    }

    /// Whether there is an entry that no invalidation dropped.
    fn valid(&self) -> bool {
        let dropped = matches!(self.outcome, Lookup::Miss(MissReason::Invalidated)) && !self.marked();
        self.entry.is_some() && !dropped
    }

    /// Whether there is an entry that was marked stale and may be served as that.
    fn marked(&self) -> bool {
        self.entry.as_ref().is_some_and(|(view, freshness)| view.facts.marked_stale && *freshness == Freshness::Stale)
    }
}
