//! What is counted, noted and told to watchers when something is stored. Whether it may be is settled before.

use super::admit::{Admission, Right};
use crate::{
    changes::{Stored, What},
    entry::Payload,
    event::RemovalReason,
    memory::{Guard, Store, Taken, content::Content, notes::Noted},
};

/// Books what is about to be stored in place of `old`.
pub(super) fn book(
    store: &Store,
    shard: &mut Guard<'_>,
    admission: &Admission<'_>,
    (old, same): (Option<&Taken>, bool),
) {
    let Admission { space, key, content, right, .. } = admission;
    if let Right::Promote(_) = right {
        return;
    }
    // An origin that has nothing new computed nothing.
    let cost = content.cost.filter(|_| !(same && matches!(right, Right::Fill(_))));
    space.stats.on_spent(key.text(), &content.description.kind, cost);
    if same {
        confirm(store, shard, admission);
    } else {
        record_write(store, shard, admission, old);
    }
}

/// Books a write that found its own content.
fn confirm(store: &Store, shard: &mut Guard<'_>, admission: &Admission<'_>) {
    let Admission { space, key, content, right, .. } = admission;
    if matches!(right, Right::Write(_) | Right::Since(..)) {
        shard.beside.confirmations.note(key, store.tick());
    }
    store.note(shard, key, (refreshed(content), right.author()));
    space.stats.on_refresh(key.text(), &content.description.kind);
}

/// A renewal, as it is noted.
pub(super) fn refreshed(content: &Content) -> Noted {
    Noted::Refreshed {
        size_bytes: content.payload.value_bytes(),
        negative: matches!(content.payload, Payload::Negative(_)),
        kind: content.description.kind.clone(),
    }
}

/// Books a write that changed what is stored.
fn record_write(store: &Store, shard: &mut Guard<'_>, admission: &Admission<'_>, old: Option<&Taken>) {
    let Admission { space, key, content, right, .. } = admission;
    if let Some(old) = &old {
        space.stats.on_removed(key.text(), &old.description.kind, RemovalReason::Replaced);
    }
    let previous = old.map(|old| old.description.clone());
    let stored = Stored {
        size_bytes: content.payload.value_bytes(),
        negative: matches!(content.payload, Payload::Negative(_)),
        fetched: matches!(right, Right::Fill(_)),
    };
    let what = What::Put { key: key.text().clone(), description: content.description.clone(), previous, stored };
    let position = store.history.append(key.namespace(), key.log(), what, &right.author());
    if matches!(right, Right::Write(_) | Right::Since(..)) {
        shard.beside.fences.raise(key, position.number);
    }
    space.stats.on_put(key.text(), &content.description.kind);
}
