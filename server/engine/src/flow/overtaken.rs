//! Whether something that a value was made from was invalidated while it was being computed. Who asks, and what happens
//! then, is decided elsewhere.
//!
//! Whoever stores keeps the namespace's linking locked from asking here until it has stored. Whoever invalidates raises the
//! fences of all it knows, then locks linking, and looks for and drops what was linked meanwhile before others may link
//! again. So of both at least one sees the other, although no two shards are ever locked together.

use std::sync::Arc;

use super::{
    admit::{Admission, Promotion, Right, drop_ended},
    fill::Ticket,
};
use crate::{
    entry::Description,
    fence::{Hit, Stamp},
    key::Key,
    memory::{Store, space::Space},
    selector::{Facets, TAG_PREFIX, is_key, kind_of_fact, tag_of_fact},
};

/// Whether something that this was made from was invalidated since its computation began. What a writer says counts from
/// now on. Call it with the namespace's linking locked and no shard.
pub(super) fn is(store: &Store, admission: &Admission<'_>) -> bool {
    let Admission { space, content, right, .. } = admission;
    let since = match right {
        Right::Write(_) => return false,
        Right::Fill(ticket) | Right::Since(_, ticket) | Right::Promote(Promotion { ticket, .. }) => {
            (ticket.stamp, ticket.place)
        }
        Right::Lease(_, claim) => (claim.stamp, claim.place),
    };
    let names = content.description.depends_on.as_deref();
    names.is_some_and(|names| !untouched(store, space, names.all(), since))
}

/// Whether what began to come in at this ticket may still be stored: nothing that concerns its key, its tags, its kind or
/// what its writer says it is made from was invalidated since.
pub(crate) fn stands(store: &Store, key: &Key, said: &Description, begun: Ticket) -> bool {
    let Ok(space) = store.open(key.namespace()) else { return false };
    let names = said.depends_on.as_deref();
    if names.is_some_and(|names| !untouched(store, &space, names.all(), (begun.stamp, begun.place))) {
        return false;
    }
    let facets = Facets { key: key.text(), kind: &said.kind, tags: &said.tags, depends_on: said.made_from() };
    let is_unrevoked = store.shard(key).beside.is_unrevoked(key, begun.place);
    is_unrevoked && store.fences.read().allow(key.namespace(), &facets, begun.stamp)
}

/// Whether nothing of all this was invalidated since `since`.
fn untouched<'a>(store: &Store, space: &Space, names: impl Iterator<Item = &'a Arc<str>>, since: (Stamp, u64)) -> bool {
    // Tags of what it was made from, all at once: which of them one entry had is not known.
    let mut tags_met = Vec::new();
    for name in names {
        tags_met.extend(tag_of_fact(name).map(Arc::from));
        let tag = name.strip_prefix(TAG_PREFIX).map(|tag| [Arc::from(tag)]);
        let tags = tag.as_ref().map_or(&[][..], |tag| tag);
        let key = if is_key(name) { name } else { "" };
        let facets = Facets { key, kind: kind_of_fact(name).unwrap_or_default(), tags, depends_on: &[] };
        if !store.fences.read().allow(&space.name, &facets, since.0) || !admits(store, space, name, since) {
            return false;
        }
    }
    let facets = Facets { key: "", kind: "", tags: &tags_met, depends_on: &[] };
    tags_met.is_empty() || store.fences.read().allow(&space.name, &facets, since.0)
}

fn admits(store: &Store, space: &Space, name: &Arc<str>, since: (Stamp, u64)) -> bool {
    let key = Key::trusted(space.name.clone(), name.clone());
    let mut shard = store.shard(&key);
    // What is still there although a fence selects it goes now, and is noted.
    let is_here = drop_ended(store, &mut shard, (space, &key), store.clock.now()).is_some();
    let was_here = is_here && shard.beside.is_newest(&key, since.1);
    // What lay on the disk alone went there without a trace here: any fence may have been the one.
    let unnoticed = !was_here
        && is_key(name)
        && store.local_of(space).is_some()
        && store.fences.read().newest_by_meaning(&space.name) > since.0.selector;
    !unnoticed && shard.beside.dependencies.admit(&key, since)
}

/// Whether the fence with this number, or a later one, selected an entry with this key.
pub(super) fn was_hit(store: &Store, space: &Space, name: &Arc<str>, fence: u64) -> bool {
    let key = Key::trusted(space.name.clone(), name.clone());
    let mut shard = store.shard(&key);
    drop_ended(store, &mut shard, (space, &key), store.clock.now());
    shard.beside.dependencies.hit(&key).selector >= fence
}

/// Notes that what is made from these is invalidated, whether they are there or not.
pub(super) fn raise<'a>(store: &Store, space: &Space, names: impl Iterator<Item = &'a Arc<str>>) {
    for name in names {
        let key = Key::trusted(space.name.clone(), name.clone());
        let mut shard = store.shard(&key);
        shard.beside.dependencies.raise(&key, Hit { place: store.tick(), selector: 0 });
    }
}
