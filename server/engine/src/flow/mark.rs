//! Marking stale: what is selected may from now on be served only as stale. Sets are marked by one soft fence, which
//! holds for every look at an entry at once; dropping is the business of `invalidate`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    admit::drop_ended,
    cascade::{self, Cascade},
    invalidate::{
        Changed, InvalidateAnswer, InvalidateRequest, by_hold, check, dependents, nothing, revoke, space_of, sweep,
        validate,
    },
    repeat::{Answer, Repeats},
};
use crate::{
    changes::{Author, What},
    entry::Description,
    error::{Error, Reason, Result},
    fence::{Hit, Mark, SPREAD_MAX},
    key::{Key, namespace_name},
    memory::{Guard, Store, space::Space, walk::FOUND_PER_HOLD},
    position::{LogId, Position, Positions},
    selector::{SELECTORS_MAX, Selector, any_selects},
};

/// Marks entries stale. In this order: the fences rise and watchers are told, what was stored before is marked, the
/// caller gets its answer. So whoever has the answer never gets anything older as fresh from this server.
///
/// # Errors
/// As [`super::invalidate::invalidate`]; `BAD_ARGUMENT` for a spread out of its bounds.
pub fn mark_stale(
    store: &Store,
    repeats: &Repeats,
    request: &InvalidateRequest,
    spread_over: Option<Duration>,
) -> Result<InvalidateAnswer> {
    let started = store.clock.now();
    let namespace = namespace_name(&request.namespace)?;
    check(request)?;
    let spread = check_spread(spread_over)?;
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
    let answer = mark(store, &space, (request, spread), cascade);
    repeats.remember(&namespace, &request.request_id, Answer::Invalidate(answer.clone()));
    space.stats.on_latency("invalidate", store.clock.now().since(started));
    Ok(answer)
}

/// Marks what a checked call selects, and what follows by this cascade.
pub(super) fn mark(
    store: &Store,
    space: &Arc<Space>,
    (request, spread): (&InvalidateRequest, Duration),
    cascade: Cascade,
) -> InvalidateAnswer {
    Marking::new(store, space, request, spread).mark(cascade)
}

pub(super) fn check_spread(spread_over: Option<Duration>) -> Result<Duration> {
    if spread_over.is_some_and(|over| over.is_zero() || over > SPREAD_MAX) {
        let rule = format!("what is marked becomes stale within more than nothing and at most {SPREAD_MAX:?}");
        return Err(Error::invalid(Reason::BadArgument, "spread_over", rule));
    }
    Ok(spread_over.unwrap_or_default())
}

/// One call that marks.
struct Marking<'a> {
    store: &'a Store,
    space: &'a Arc<Space>,
    selectors: &'a [Selector],
    sets: Vec<Selector>,
    cascades: bool,
    author: Author,
    mark: Mark,
    /// Named keys that were counted: one may be named, depend on something named, and follow by cascade.
    counted: HashSet<Arc<str>>,
    changed: Changed,
}

impl<'a> Marking<'a> {
    fn new(store: &'a Store, space: &'a Arc<Space>, request: &'a InvalidateRequest, spread: Duration) -> Self {
        // What is named twice is told once.
        let mut told = HashSet::new();
        let set = |selector: &&Selector| {
            !matches!(selector, Selector::Key(_) | Selector::DependentsOf(_)) && told.insert((*selector).clone())
        };
        Self {
            store,
            space,
            selectors: &request.selectors,
            sets: request.selectors.iter().filter(set).cloned().collect(),
            cascades: request.cascade,
            author: Author { client_id: request.client_id.clone(), reason: request.reason.clone(), follows: false },
            mark: Mark { at: store.clock.now(), spread },
            counted: HashSet::new(),
            changed: Changed::default(),
        }
    }

    fn mark(mut self, cascade: Cascade) -> InvalidateAnswer {
        let Self { store, space, selectors, cascades, .. } = self;
        let weight = store.weigh(space, &self.sets);
        let fence = self.raise_sets();
        let dependents = dependents(store, space, selectors);
        let leases_revoked = revoke(store, &space.name, &self.sets);
        let (swept, estimated) = fence.map_or((0, false), |fence| {
            self.changed.logs.insert(LogId::SELECTOR, fence);
            sweep(store, space.clone(), self.sets.clone(), (weight, fence.number, true))
        });
        let keys: Vec<_> = selectors.iter().filter(|selector| matches!(selector, Selector::Key(_))).cloned().collect();
        let named = self.mark_keys((&keys, SELECTORS_MAX), cascades);
        self.author.follows = true;
        let depending = self.mark_keys((&dependents, FOUND_PER_HOLD), cascades);
        let reached = cascade.keys();
        let mut cascaded_count = self.mark_keys((&reached, FOUND_PER_HOLD), true);
        let fence = fence.map_or(0, |fence| fence.number);
        let late = cascade.late(store, space, &dependents, fence);
        if let Some((late, _linking)) = late {
            cascaded_count += self.mark_keys((&late, FOUND_PER_HOLD), true);
            cascade::forget(store, space, (selectors, cascades), &[&dependents, &reached, &late]);
        } else {
            cascade::forget(store, space, (selectors, cascades), &[&dependents, &reached]);
        }
        InvalidateAnswer {
            matched_count: swept + named + depending,
            cascaded_count,
            estimated,
            leases_revoked: self.changed.leases + leases_revoked,
            position: Positions::new(self.changed.logs.into_iter().collect()),
            ..nothing()
        }
    }

    /// Raises one soft fence for all sets of the call.
    fn raise_sets(&self) -> Option<Position> {
        if self.sets.is_empty() {
            return None;
        }
        let namespace = &self.space.name;
        let mut fences = self.store.fences.write();
        let what = What::SetMarkedStale(self.sets.clone());
        let position = self.store.history.append(namespace, LogId::SELECTOR, what, &self.author);
        fences.mark(namespace, &self.sets, (position.number, self.mark));
        self.store.forget_sets(self.space, &self.sets);
        Some(position)
    }

    /// Marks named keys, so many of one log under one lock; `with_dependents`: what is being made from them is kept out.
    /// How many entries there were besides those counted before.
    fn mark_keys(&mut self, (selectors, per_hold): (&[Selector], usize), with_dependents: bool) -> u64 {
        let mut matched = 0;
        for (log, keys) in by_hold(&self.space.name, selectors, per_hold) {
            let mut shard = self.store.shard_of(log);
            let mut changes = [Vec::new(), Vec::new()];
            for key in &keys {
                let (said, stays) = self.mark_key(&mut shard, key);
                matched += said.as_ref().map_or(0, |said| self.counts(key, said));
                changes[usize::from(stays)].push((key.text().clone(), said));
            }
            let [dropped, marked] = changes;
            let whats = [What::Invalidated(dropped), What::MarkedStale(marked)];
            for what in whats.into_iter().filter(|what| !what.is_empty()) {
                self.append(&mut shard, log, what);
            }
            keys.iter().for_each(|key| self.outdate(&mut shard, key, with_dependents));
        }
        matched
    }

    /// What is being computed of a key, and of what is made from it, is not stored as fresh any more.
    fn outdate(&mut self, shard: &mut Guard<'_>, key: &Key, with_dependents: bool) {
        let (store, now) = (self.store, self.store.clock.now());
        if with_dependents {
            shard.beside.dependencies.raise(key, Hit { place: store.tick(), selector: 0 });
        }
        shard.beside.revoke(key, store.tick());
        let revoked = shard.beside.leases.revoke(key, now, &mut |key| store.offer(key));
        self.changed.leases += u32::from(revoked);
    }

    /// Marks one key: what was said of its entry, if there was one, and whether what there is stays, if only as stale.
    fn mark_key(&self, shard: &mut Guard<'_>, key: &Key) -> (Option<Arc<Description>>, bool) {
        let (store, space) = (self.store, self.space);
        store.forget(shard, (space, key));
        let Some(slot) = drop_ended(store, shard, (space, key), store.clock.now()) else { return (None, true) };
        let record = shard.table(&space.shelf).and_then(|table| table.get(slot));
        let said = record.map(|record| record.description(&shard.beside.shared).clone());
        let stays = store.mark(shard, (space, slot), (self.mark.of(key.text()), None));
        (said, stays)
    }

    fn append(&mut self, shard: &mut Guard<'_>, log: LogId, what: What) {
        let texts: Vec<Arc<str>> = what.keys().cloned().collect();
        let position = self.store.history.append(&self.space.name, log, what, &self.author);
        for text in texts {
            shard.beside.fences.raise(&Key::trusted(self.space.name.clone(), text), position.number);
        }
        self.changed.logs.insert(log, position);
    }

    /// Whether an entry was not counted before by this call.
    fn counts(&mut self, key: &Key, said: &Description) -> u64 {
        let facets = crate::selector::Facets {
            key: key.text(),
            kind: &said.kind,
            tags: &said.tags,
            depends_on: said.made_from(),
        };
        let by_set = !self.sets.is_empty() && any_selects(&self.sets, &facets);
        u64::from(!by_set && self.counted.insert(key.text().clone()))
    }
}
