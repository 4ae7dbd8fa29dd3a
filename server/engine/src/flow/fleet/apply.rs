//! A change of another replica becomes a change of this one: in its history, with its fences, so that everything that holds
//! for own changes holds for it. Doing it twice does no harm.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    changes::{Author, Stored, What},
    entry::Description,
    event::RemovalReason,
    fleet::Fleet,
    flow::{
        admit::drop_ended,
        cascade::Cascade,
        invalidate::{self, InvalidateRequest},
        mark,
    },
    key::Key,
    memory::{Store, record::Record, space::Space},
    position::LogId,
    selector::{Selector, kind_of_fact, tag_of_fact},
    tier::{
        Kept, TierHealth,
        local::LocalTier,
        shared::{FenceName, WrittenHint},
    },
};

/// Why something was dropped that nobody dropped here.
pub(in crate::flow) const ELSEWHERE: &str = "on another server";
/// Why what this server changed is dropped once more.
pub(in crate::flow) const OWED: &str =
    "changed here while the tier that servers share did not answer, and perhaps elsewhere";
/// Why one that was changed here while others changed it is dropped.
const CROSSED: &str = "changed here and elsewhere at once: what servers share counts";
/// And why everything was.
const LOST: &str = "what other servers changed meanwhile is not known";

/// Nobody in particular, because of this.
pub(in crate::flow) fn because(why: &str) -> Author {
    Author { reason: Some(Arc::from(why)), ..Author::default() }
}

/// Drops what these name, or marks it stale, each over as long as is given, and says why.
pub(in crate::flow) fn dropped(store: &Store, names: &[FenceName], (marks, author): (Option<Duration>, &Author)) {
    let mut by_namespace: BTreeMap<&Arc<str>, Vec<Selector>> = BTreeMap::new();
    for FenceName { namespace, selector } in names {
        by_namespace.entry(namespace).or_default().push(selector.clone());
    }
    for (namespace, selectors) in by_namespace {
        select(store, namespace, selectors, (marks, author));
    }
}

/// Drops everything that is shared: it may have been changed meanwhile. Also what the disk holds of namespaces that nobody has
/// used since this process began.
pub(in crate::flow) fn everything(store: &Store, fleet: &Fleet) {
    if let Some(local) = store.tiers.local.as_ref().filter(|local| may_lie_unopened(store, &***local)) {
        if store.config.shares_all_that_is_on_disk() {
            local.forget_all();
        } else {
            // Those lose it when they are opened. Before they are listed: who is opened after that, and is not among
            // them, sees it.
            fleet.trust.doubt_what_was_there();
        }
    }
    for space in store.spaces.all().into_iter().filter(|space| space.config.tiers.shared) {
        select(store, &space.name, vec![Selector::Everything], (None, &because(LOST)));
    }
}

fn may_lie_unopened(store: &Store, local: &dyn LocalTier) -> bool {
    let state = local.state();
    let empty = state.entries == Some(0) && state.health == TierHealth::Up;
    store.config.may_lie_unopened() && !empty
}

fn select(store: &Store, namespace: &Arc<str>, selectors: Vec<Selector>, (marks, author): (Option<Duration>, &Author)) {
    // A namespace that is not here yet is opened: who follows it is to hear of this, and its fences begin with it. Where
    // there may be no more, there is nothing of it here.
    let Ok(space) = store.open(namespace) else {
        // The disk may have something of it all the same.
        if let Some(local) = &store.tiers.local {
            local.forget_sets(namespace, &selectors);
        }
        return;
    };
    let (selectors, sets) = parted(selectors);
    let cascade = Cascade::follow(store, &space, &origins(&selectors, &sets));
    let request = InvalidateRequest {
        namespace: namespace.to_string(),
        selectors,
        cascade: false,
        validate_only: false,
        reason: author.reason.clone(),
        request_id: String::new(),
        client_id: author.client_id.clone(),
    };
    match marks {
        Some(spread) => drop(mark::mark(store, &space, (&request, spread), cascade)),
        None => drop(invalidate::drop_selected(store, &space, &request, cascade)),
    }
    // What is here is dropped by key, and the disk was told of what one name says. The rest it knows for itself.
    let sets: Vec<Selector> = sets.into_iter().filter(|set| matches!(set, Selector::MadeFrom(_))).collect();
    if !sets.is_empty() {
        let _raised = store.fences.write();
        store.forget_sets(&space, &sets);
    }
}

/// What is dropped as what it is, with what named dependents were made from; and all that selects by what things were made
/// from.
fn parted(selectors: Vec<Selector>) -> (Vec<Selector>, Vec<Selector>) {
    let is_of = |selector: &Selector| matches!(selector, Selector::DependentsOf(_) | Selector::MadeFrom(_));
    let sets = selectors.iter().filter(|selector| is_of(selector)).cloned().collect();
    (selectors.into_iter().filter(|selector| !matches!(selector, Selector::MadeFrom(_))).collect(), sets)
}

/// Whose dependents go as well, as the graph of this server knows them: it may know more than each entry does of itself.
fn origins(selectors: &[Selector], sets: &[Selector]) -> Vec<Selector> {
    let origin = |set: &Selector| match set {
        Selector::MadeFrom(of) => (**of).clone(),
        Selector::DependentsOf(name) => match (tag_of_fact(name), kind_of_fact(name)) {
            (Some(tag), _) => Selector::Tag(Arc::from(tag)),
            (_, Some(kind)) => Selector::Kind(Arc::from(kind)),
            (None, None) => set.clone(),
        },
        other => other.clone(),
    };
    // Everything goes anyway.
    let sets = sets.iter().filter(|_| !selectors.contains(&Selector::Everything));
    sets.map(origin).collect()
}

/// A value was stored elsewhere: what is here of the key is older, and who follows it hears of the new one. `replaces`:
/// whether a writer said so, and not who computed what was missing.
pub(in crate::flow) fn written(store: &Store, key: &Key, written: &WrittenHint, replaces: bool) {
    let Ok(space) = store.open(key.namespace()) else { return };
    let mut shard = store.shard(key);
    let now = store.clock.now();
    let slot = drop_ended(store, &mut shard, (&space, key), now);
    let previous = slot.and_then(|slot| store.remove(&mut shard, &space, slot, RemovalReason::Invalidated));
    store.forget(&mut shard, (&space, key));
    let description = Description { kind: written.kind.clone(), tags: written.tags.clone(), ..Description::default() };
    let stored = Stored { size_bytes: written.size_bytes, negative: written.negative, fetched: false };
    let what = What::Put { key: key.text().clone(), description: Arc::new(description), previous, stored };
    let position = store.history.append(key.namespace(), key.log(), what, &because(ELSEWHERE));
    if replaces {
        shard.beside.fences.raise(key, position.number);
        shard.beside.leases.revoke(key, now, &mut |key| store.offer(key));
    } else {
        shard.beside.confirmations.note(key, store.tick());
    }
}

/// Refuses what was asked for of one key before, and drops what is here of it: what the shared tier has counts. `unless`:
/// what may stay, when it is that, and when that was handed to slower tiers of this server.
pub(in crate::flow) fn doubt(store: &Store, space: &Space, key: &Key, unless: Option<(&Kept, u64)>) {
    let mut shard = store.shard(key);
    let slot = drop_ended(store, &mut shard, (space, key), store.clock.now());
    shard.beside.confirmations.note(key, store.tick());
    let record = slot.and_then(|slot| shard.table(&space.shelf)?.get(slot));
    let same = |record: &Record, kept: &Kept| {
        let said = record.description(&shard.beside.shared);
        record.content(said).digest == kept.digest && *said == kept.description
    };
    let stays = record.zip(unless).is_some_and(|(record, (kept, _))| same(record, kept));
    if !unless.is_some_and(|(_, place)| shard.beside.is_newest(key, place)) {
        store.forget(&mut shard, (space, key));
    }
    if stays {
        return;
    }
    let was = slot.and_then(|slot| store.remove(&mut shard, space, slot, RemovalReason::Invalidated));
    let Some(was) = was else { return };
    let what = What::Invalidated(vec![(key.text().clone(), Some(was))]);
    let position = store.history.append(key.namespace(), key.log(), what, &because(CROSSED));
    shard.beside.fences.raise(key, position.number);
}

/// The log that records what a name selects.
pub(in crate::flow) fn log_of(name: &FenceName) -> LogId {
    match &name.selector {
        Selector::Key(text) => Key::trusted(name.namespace.clone(), text.clone()).log(),
        _ => LogId::SELECTOR,
    }
}

/// The same names, those of each log together: what answers for one may not answer for another.
pub(in crate::flow) fn by_log(names: &[FenceName]) -> BTreeMap<LogId, Vec<FenceName>> {
    let mut logs: BTreeMap<LogId, Vec<FenceName>> = BTreeMap::new();
    for name in names {
        logs.entry(log_of(name)).or_default().push(name.clone());
    }
    logs
}
