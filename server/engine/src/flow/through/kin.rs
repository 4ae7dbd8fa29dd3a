//! What that was made from which a writer names: looked for in all tiers before the entry is stored, so that it knows for
//! itself, wherever it will lie, all that it was made from. What follows from an Invalidate is not decided here.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::lower::{ATTEMPTS_MAX, Landed, Lower};
use crate::{
    entry::{Dependencies, Description},
    flow::{
        admit::drop_ended,
        fleet,
        promote::{Promoted, promote},
    },
    key::Key,
    memory::{Store, space::Space},
    selector::{OPEN, fact_of_kind, fact_of_tag, is_key},
};

/// Names looked for at once.
const LOOKS_MAX: usize = 16;
/// How long may be looked for all of them: what is not known then may be anything.
const TIME_MAX: Duration = Duration::from_millis(500);

/// Adds to what a writer says that an entry was made from all that this was made from, and, where tiers are shared, the tags
/// and kinds of that. What lies nowhere is a name and nothing else; what could not be asked for makes it an entry that may be
/// made from anything.
pub(crate) async fn gather(store: &Store, key: &Key, said: &mut Description) {
    let Some(named) = said.depends_on.clone().filter(|_| !store.tiers.none()) else { return };
    let Ok(space) = store.open(key.namespace()) else { return };
    // Of all there: the futures of a stream borrow no closure of their own.
    let keys = named.own.iter().filter(|name| is_key(name)).cloned();
    let looks: Vec<_> = keys.map(|name| look(store, &space, Key::trusted(space.name.clone(), name))).collect();
    let all = stream::iter(looks).buffer_unordered(LOOKS_MAX).concat();
    let known = timeout(TIME_MAX, all).await.unwrap_or_else(|_late| open());
    let own = Dependencies { own: named.own.clone(), inherited: Box::default() };
    said.depends_on = Some(Arc::new(own.with(key.text(), &known)));
}

/// What follows for an entry from being made from this key.
async fn look(store: &Store, space: &Space, key: Key) -> Vec<Arc<str>> {
    let shared = fleet::of(store, space).is_some();
    for _ in 0..ATTEMPTS_MAX {
        if let Some(said) = in_memory(store, space, &key) {
            return facts(&said, shared);
        }
        let tiers = Lower::of(store, &key, None);
        if tiers.none() {
            return Vec::new();
        }
        match tiers.dive(store, &key, (None, promote)).await {
            Landed::Nothing | Landed::Found(_, Promoted::Ended) => return Vec::new(),
            Landed::Found(_, Promoted::Valid(unstored)) => return facts(unstored.said(), shared),
            // Not for its own sake: it was there when a computation read it, which is then refused for what it was made from.
            Landed::Dropped(said) => return facts(&said, shared),
            Landed::Unavailable => return open(),
            Landed::Found(_, Promoted::Newer | Promoted::TooLate) => {}
        }
    }
    open()
}

fn in_memory(store: &Store, space: &Space, key: &Key) -> Option<Arc<Description>> {
    let mut shard = store.shard(key);
    let slot = drop_ended(store, &mut shard, (space, key), store.clock.now())?;
    let record = shard.table(&space.shelf)?.get(slot)?;
    Some(record.description(&shard.beside.shared).clone())
}

fn facts(said: &Description, shared: bool) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = said.depends_on.iter().flat_map(|on| on.all().cloned()).collect();
    if shared {
        names.extend(said.tags.iter().map(|tag| fact_of_tag(tag)));
        names.extend((!said.kind.is_empty()).then(|| fact_of_kind(&said.kind)));
    }
    names
}

fn open() -> Vec<Arc<str>> {
    vec![Arc::from(OPEN)]
}
