//! Invalidate: raise the fences, drop what they select, tell the watchers, then answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use super::{
    admit::drop_ended,
    bounds::{ID_BYTES_MAX, REASON_BYTES_MAX, length},
    cascade::{self, Cascade},
    list::usable,
    overtaken,
    repeat::{Answer, Repeats},
};
use crate::{
    changes::{Author, What},
    error::{Error, Reason, Result},
    event::RemovalReason,
    fence::Hit,
    key::{Key, namespace_name},
    memory::{Guard, Store, space::Space, sweep::Weight, walk::FOUND_PER_HOLD},
    position::{LogId, Position, Positions},
    selector::{Facets, SELECTORS_MAX, Selector, check_count},
    tier::TierName,
};

/// What to drop.
#[derive(Clone, Debug)]
pub struct InvalidateRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// What any of these selects; at least one, at most 128.
    pub selectors: Vec<Selector>,
    /// Also drop what was made from what is dropped, directly or over other entries.
    pub cascade: bool,
    /// Only count and show.
    pub validate_only: bool,
    /// Why, for the record.
    pub reason: Option<Arc<str>>,
    /// A repeated id gets the first answer; empty: none.
    pub request_id: String,
    /// Who asks.
    pub client_id: Option<Arc<str>>,
}

/// What was dropped, or would be.
#[derive(Clone, Debug)]
pub struct InvalidateAnswer {
    /// Entries selected.
    pub matched_count: u64,
    /// Whether that is an estimate: sets that select much are counted by a sample.
    pub estimated: bool,
    /// Entries dropped besides, because they were made from what was selected.
    pub cascaded_count: u64,
    /// The first keys in order, at most 100; only when validating.
    pub sample_keys: Vec<Arc<str>>,
    /// Where in the history, for every log touched; empty when validating.
    pub position: Positions,
    /// Leases revoked.
    pub leases_revoked: u32,
    /// Entries that are fetched anew, or would be.
    pub refreshing_count: u64,
    /// The preload job that fetches them; `None`: there is nothing to fetch.
    pub refresh_job_id: Option<Arc<str>>,
    /// Whether it is done on this server alone, and other servers hear of it later: only where that was allowed.
    pub local_only: bool,
    /// Slower tiers that it reaches, or would reach, and whose entries are not in the counts.
    pub uncounted: Vec<TierName>,
}

/// Keys that a validating call shows at most.
pub(super) const SAMPLE_KEYS_MAX: usize = 100;

/// Drops entries. In this order: the fences rise and watchers are told, the caller gets its answer. So whoever has the
/// answer never sees anything older on this server. What sets select is taken out at once when it is little, and after
/// the answer when it is much.
///
/// # Errors
/// `NO_SELECTOR`; too many selectors; texts out of their bounds; `NAMESPACE_UNKNOWN`; `CASCADE_TOO_LARGE`.
pub fn invalidate(store: &Store, repeats: &Repeats, request: &InvalidateRequest) -> Result<InvalidateAnswer> {
    let started = store.clock.now();
    let namespace = namespace_name(&request.namespace)?;
    check(request)?;
    let Some(space) = space_of(store, &namespace)? else { return Ok(nothing()) };
    if let Some(Answer::Invalidate(answer)) = repeats.recall(&namespace, &request.request_id)
        && !request.validate_only
    {
        return Ok(answer);
    }
    let selectors = &request.selectors;
    let cascade = if request.cascade { Cascade::plan(store, &space, selectors)? } else { Cascade::default() };
    if request.validate_only {
        return Ok(validate(store, &space, selectors, &cascade));
    }
    let answer = drop_selected(store, &space, request, cascade);
    repeats.remember(&namespace, &request.request_id, Answer::Invalidate(answer.clone()));
    space.stats.on_latency("invalidate", store.clock.now().since(started));
    Ok(answer)
}

/// Drops what a checked call selects, and what follows by this cascade.
pub(super) fn drop_selected(
    store: &Store,
    space: &Arc<Space>,
    request: &InvalidateRequest,
    cascade: Cascade,
) -> InvalidateAnswer {
    let (selectors, namespace) = (&request.selectors, &space.name);
    let author = Author { client_id: request.client_id.clone(), reason: request.reason.clone(), follows: false };
    let (keys, mut sets): (Vec<_>, Vec<_>) =
        selectors.iter().cloned().partition(|selector| matches!(selector, Selector::Key(_)));
    // What is named twice is told once.
    let mut told = HashSet::new();
    sets.retain(|selector| !matches!(selector, Selector::DependentsOf(_)) && told.insert(selector.clone()));
    let weight = store.weigh(space, &sets);
    let fence = raise_sets(store, space, &sets, &author);
    let dependents = dependents(store, space, selectors);
    // Sets first: a named key that a set selects too is then dropped, and counted, by the set.
    let leases_revoked = revoke(store, namespace, &sets);
    let (swept, estimated) =
        fence.map_or((0, false), |position| sweep(store, space.clone(), sets, (weight, position.number, false)));
    let mut dropped = Changed::default();
    dropped.logs.extend(fence.map(|position| (LogId::SELECTOR, position)));
    let named = dropped.add(drop_keys(store, space, (&keys, SELECTORS_MAX), (&author, request.cascade)));
    let following = author.following();
    let depending = dropped.add(drop_keys(store, space, (&dependents, FOUND_PER_HOLD), (&following, request.cascade)));
    let reached = cascade.keys();
    let mut cascaded_count = dropped.add(drop_keys(store, space, (&reached, FOUND_PER_HOLD), (&following, true)));
    let late = cascade.late(store, space, &dependents, fence.map_or(0, |fence| fence.number));
    if let Some((late, _linking)) = late {
        cascaded_count += dropped.add(drop_keys(store, space, (&late, FOUND_PER_HOLD), (&following, true)));
        cascade::forget(store, space, (selectors, request.cascade), &[&dependents, &reached, &late]);
    } else {
        cascade::forget(store, space, (selectors, request.cascade), &[&dependents, &reached]);
    }
    InvalidateAnswer {
        matched_count: swept + named + depending,
        cascaded_count,
        estimated,
        leases_revoked: dropped.leases + leases_revoked,
        position: Positions::new(dropped.logs.into_iter().collect()),
        ..nothing()
    }
}

/// The namespace, if there is something to invalidate in it. Where slower tiers are, it may be there before anybody used it
/// here.
pub(super) fn space_of(store: &Store, namespace: &Arc<str>) -> Result<Option<Arc<Space>>> {
    if store.tiers.none() { store.spaces.find(namespace) } else { store.open(namespace).map(Some) }
}

pub(super) fn check(request: &InvalidateRequest) -> Result<()> {
    if request.selectors.is_empty() {
        let rule = "an Invalidate says what to drop: set at least one selector";
        return Err(Error::invalid(Reason::NoSelector, "selectors", rule));
    }
    check_count(&request.selectors)?;
    length("reason", request.reason.as_deref().unwrap_or_default(), REASON_BYTES_MAX)?;
    length("request_id", &request.request_id, ID_BYTES_MAX)?;
    length("client_id", request.client_id.as_deref().unwrap_or_default(), ID_BYTES_MAX)
}

pub(super) fn nothing() -> InvalidateAnswer {
    InvalidateAnswer {
        matched_count: 0,
        cascaded_count: 0,
        sample_keys: Vec::new(),
        estimated: false,
        leases_revoked: 0,
        position: Positions::default(),
        refreshing_count: 0,
        refresh_job_id: None,
        local_only: false,
        uncounted: Vec::new(),
    }
}

/// Raises one fence for all sets of the call; recording and raising under one lock keeps answers from claiming a
/// position whose fence they did not test.
fn raise_sets(store: &Store, space: &Space, sets: &[Selector], author: &Author) -> Option<Position> {
    if sets.is_empty() {
        return None;
    }
    let namespace = &space.name;
    let mut fences = store.fences.write();
    let what = What::SetInvalidated(sets.to_vec());
    let position = store.history.append(namespace, LogId::SELECTOR, what, author);
    fences.raise(namespace, sets, position.number);
    store.forget_sets(space, sets);
    Some(position)
}

/// Keys that the call names as dependents, once what is being made from the same is kept out.
pub(super) fn dependents(store: &Store, space: &Space, selectors: &[Selector]) -> Vec<Selector> {
    let targets = || {
        selectors.iter().filter_map(|selector| match selector {
            Selector::DependentsOf(target) => Some(target),
            _ => None,
        })
    };
    if targets().next().is_none() {
        return Vec::new();
    }
    overtaken::raise(store, space, targets());
    // Who asked before has linked what it stored once this is locked.
    let _settled = space.graph.linking();
    targets().flat_map(|target| space.graph.named(target)).map(Selector::Key).collect()
}

/// Hands on the leases of keys that these sets select by their text. What tags and kind a value will have nobody knows
/// yet: the fence refuses it when it comes.
pub(super) fn revoke(store: &Store, namespace: &Arc<str>, sets: &[Selector]) -> u32 {
    let by_text = |set: &&Selector| matches!(set, Selector::Prefix(_) | Selector::Glob(_) | Selector::Everything);
    let sets: Vec<&Selector> = sets.iter().filter(by_text).collect();
    if sets.is_empty() {
        return 0;
    }
    let selects = |key: &Key| {
        let facets = Facets { key: key.text(), kind: "", tags: &[], depends_on: &[] };
        key.namespace() == namespace && sets.iter().any(|set| set.selects(&facets))
    };
    let now = store.clock.now();
    let of = |mut shard: Guard<'_>| shard.beside.leases.revoke_where(selects, now, &mut |key| store.offer(key));
    store.each_shard().map(of).sum()
}

/// What dropping or marking named keys did.
#[derive(Default)]
pub(super) struct Changed {
    pub(super) matched: u64,
    pub(super) leases: u32,
    /// Of several changes in one log, the last one is where the call is.
    pub(super) logs: BTreeMap<LogId, Position>,
}

impl Changed {
    /// Counts what another call did in with this, and says how many entries that were.
    fn add(&mut self, other: Self) -> u64 {
        self.matched += other.matched;
        self.leases += other.leases;
        self.logs.extend(other.logs);
        other.matched
    }
}

/// Drops named keys, so many of one log under one lock and as one change; `with_dependents`: what is being made from them
/// is kept out.
fn drop_keys(
    store: &Store,
    space: &Space,
    (selectors, per_hold): (&[Selector], usize),
    (author, with_dependents): (&Author, bool),
) -> Changed {
    let namespace = &space.name;
    let mut all = Changed::default();
    for (log, keys) in by_hold(namespace, selectors, per_hold) {
        let mut shard = store.shard_of(log);
        let now = store.clock.now();
        let dropped = keys.iter().map(|key| {
            let slot = drop_ended(store, &mut shard, (space, key), now);
            let said = slot.and_then(|slot| store.remove(&mut shard, space, slot, RemovalReason::Invalidated));
            let lay_below = store.forget(&mut shard, (space, key));
            all.matched += u64::from(said.is_some() || lay_below);
            (key.text().clone(), said)
        });
        let what = What::Invalidated(dropped.collect());
        let position = store.history.append(namespace, log, what, author);
        for key in &keys {
            shard.beside.fences.raise(key, position.number);
            if with_dependents {
                shard.beside.dependencies.raise(key, Hit { place: store.tick(), selector: 0 });
            }
            shard.beside.revoke(key, store.tick());
            all.leases += u32::from(shard.beside.leases.revoke(key, now, &mut |key| store.offer(key)));
        }
        all.logs.insert(log, position);
    }
    all
}

/// Named keys, by the log whose lock they need, at most so many in a piece.
pub(super) fn by_hold(namespace: &Arc<str>, selectors: &[Selector], per_hold: usize) -> Vec<(LogId, Vec<Key>)> {
    let mut by_log: BTreeMap<LogId, BTreeSet<Arc<str>>> = BTreeMap::new();
    for selector in selectors {
        if let Selector::Key(text) = selector {
            let log = Key::trusted(namespace.clone(), text.clone()).log();
            by_log.entry(log).or_default().insert(text.clone());
        }
    }
    let key = |text: &Arc<str>| Key::trusted(namespace.clone(), text.clone());
    let pieces = |(log, texts): (LogId, BTreeSet<Arc<str>>)| {
        let texts: Vec<_> = texts.into_iter().collect();
        let pieces = texts.chunks(per_hold).map(|piece| (log, piece.iter().map(key).collect()));
        pieces.collect::<Vec<_>>()
    };
    by_log.into_iter().flat_map(pieces).collect()
}

/// Drops what any set selects and was stored before its fence, or marks it stale, or leaves that for later when it is much:
/// the fence already keeps all of it from being read, or from being read as fresh. How much it is, and whether that is an estimate.
pub(super) fn sweep(
    store: &Store,
    space: Arc<Space>,
    sets: Vec<Selector>,
    (weight, fence, marks): (Weight, u64, bool),
) -> (u64, bool) {
    if weight.light {
        return (store.sweep(&space, &sets, (fence, marks)), false);
    }
    store.sweep_later(space, sets, (fence, marks));
    (weight.estimate, true)
}

/// Counts what would be dropped and shows the first keys.
pub(super) fn validate(store: &Store, space: &Space, selectors: &[Selector], cascade: &Cascade) -> InvalidateAnswer {
    let now = store.clock.now();
    let mut sample = BTreeSet::new();
    let mut matched_count = 0;
    let mut walk = store.walk(space, selectors);
    let mut count = |shard: &mut Guard<'_>, slot| {
        let Some(view) = usable(store, shard, (space, slot), now) else { return };
        matched_count += 1;
        sample.insert(view.key);
        if sample.len() > SAMPLE_KEYS_MAX {
            sample.pop_last();
        }
    };
    while walk.step(&mut count) {}
    InvalidateAnswer {
        matched_count,
        cascaded_count: cascade.count(store, space, selectors),
        sample_keys: sample.into_iter().collect(),
        ..nothing()
    }
}
