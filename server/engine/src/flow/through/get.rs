//! Get through all tiers: what memory does not have is looked for further down. Many who miss one key at once cause one
//! read there.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};

use crate::{
    error::Result,
    flights::{Flights, Joinable},
    flow::{
        beneath::Beneath,
        fill,
        get::GetRequest,
        lease::{self, LeasedAnswer, OnMiss, Outcome},
        promote::{Promoted, glance, promote},
    },
    key::Key,
    memory::Store,
    tier::{Kept, TierError, TierErrorKind, TierName, local::LocalTier},
};

/// How often slower tiers are asked again, when what they had was overtaken while they were read.
const ATTEMPTS_MAX: usize = 4;
/// Keys of a batch that are read from slower tiers at once.
const BATCH_READS_MAX: usize = 64;

/// What a slower tier had, once it passed the gate.
#[derive(Clone, Debug)]
pub(crate) enum Landed {
    Nothing,
    Unavailable,
    Found(Promoted),
}

/// Reads of slower tiers under way.
pub(crate) type Descents = Flights<Landed>;

/// Finds one entry; when there is nothing fresh, does what `on_miss` says.
///
/// # Errors
/// As [`lease::get`].
pub(crate) async fn read(
    store: &Arc<Store>,
    descents: &Descents,
    request: &GetRequest,
    on_miss: OnMiss,
) -> Result<LeasedAnswer> {
    let first = if goes_deeper(store, request) { Beneath::Unasked } else { Beneath::Nothing };
    match lease::ask(store, request, on_miss, &first)? {
        Outcome::Missing => Box::pin(descend(store, descents, (request, on_miss))).await,
        asked => lease::finish(store, request, asked).await,
    }
}

/// Finds several entries, each for itself: what memory does not have is read from slower tiers first, several at once, then
/// all are answered in order.
pub(crate) async fn read_many(
    store: &Arc<Store>,
    descents: &Descents,
    items: &[(GetRequest, OnMiss)],
) -> Vec<Result<LeasedAnswer>> {
    if store.tiers.none() {
        return lease::get_many(store, items).await;
    }
    let mut beneath = vec![Beneath::Nothing; items.len()];
    let mut reads: Vec<BoxFuture<'_, (usize, Beneath)>> = Vec::new();
    for (number, (request, _)) in items.iter().enumerate() {
        if goes_deeper(store, request)
            && let Some(key) = missing(store, request)
        {
            reads.push(Box::pin(async move { (number, below(store, descents, (&key, request)).await) }));
        }
    }
    let mut found = stream::iter(reads).buffer_unordered(BATCH_READS_MAX);
    while let Some((number, what)) = found.next().await {
        beneath[number] = what;
    }
    lease::get_many_above(store, items, &beneath).await
}

/// Whether there is anything to ask besides memory.
fn goes_deeper(store: &Store, request: &GetRequest) -> bool {
    !store.tiers.none() && request.slowest != Some(TierName::Memory)
}

/// The key, when memory has nothing of it.
fn missing(store: &Store, request: &GetRequest) -> Option<Key> {
    let key = Key::new(&request.namespace, &request.key).ok()?;
    (!is_in_memory(store, &key)).then_some(key)
}

fn is_in_memory(store: &Store, key: &Key) -> bool {
    let Ok(Some(space)) = store.spaces.find(key.namespace()) else { return false };
    let shard = store.shard(key);
    store.find(&shard, &space, key).is_some()
}

/// Asks slower tiers, and then memory again.
async fn descend(
    store: &Arc<Store>,
    descents: &Descents,
    (request, on_miss): (&GetRequest, OnMiss),
) -> Result<LeasedAnswer> {
    let key = Key::new(&request.namespace, &request.key)?;
    for _ in 0..ATTEMPTS_MAX {
        let beneath = below(store, descents, (&key, request)).await;
        match lease::ask(store, request, on_miss, &beneath)? {
            Outcome::Missing => {}
            asked => return lease::finish(store, request, asked).await,
        }
    }
    let asked = lease::ask(store, request, on_miss, &Beneath::Nothing)?;
    lease::finish(store, request, asked).await
}

/// What slower tiers say of a key that memory does not have, from fast to slow.
async fn below(store: &Arc<Store>, descents: &Descents, (key, request): (&Key, &GetRequest)) -> Beneath {
    local(store, descents, (key, request)).await
}

/// What the tier of this machine says.
async fn local(store: &Arc<Store>, descents: &Descents, (key, request): (&Key, &GetRequest)) -> Beneath {
    let Some(tier) = holder(store, key) else { return Beneath::Nothing };
    if request.peek {
        return said(tier.name(), dive(store, &*tier, key, (None, glance)).await);
    }
    let name = tier.name();
    let flight = descents.join(key, |joinable| {
        let (store, key) = (store.clone(), key.clone());
        async move { dive(&store, &*tier, &key, (Some(joinable), promote)).await }.boxed()
    });
    match flight {
        Some(flight) => said(name, flight.await),
        None => Beneath::Unavailable,
    }
}

/// The tier of this machine, if it may have something of a key.
fn holder(store: &Store, key: &Key) -> Option<Arc<dyn LocalTier>> {
    store.tiers.local.as_ref().filter(|local| local.may_hold(key))?;
    let space = store.open(key.namespace()).ok()?;
    store.local_of(&space).cloned()
}

fn said(tier: TierName, landed: Landed) -> Beneath {
    match landed {
        Landed::Nothing | Landed::Found(Promoted::Ended) => Beneath::Nothing,
        Landed::Unavailable => Beneath::Unavailable,
        Landed::Found(Promoted::Valid(unstored)) => Beneath::Found(tier, unstored),
        Landed::Found(Promoted::Newer | Promoted::TooLate) => Beneath::Unasked,
    }
}

/// What lets in, or only judges, what was found.
type Gate = fn(&Store, &Key, Kept, (TierName, fill::Ticket)) -> Promoted;

/// Reads from the tier of this machine and passes the gate with it. Who would join after the read is not let: it may begin
/// after an Invalidate whose fence the gate is still to see.
async fn dive(
    store: &Store,
    tier: &dyn LocalTier,
    key: &Key,
    (joinable, gate): (Option<Joinable<Landed>>, Gate),
) -> Landed {
    let ticket = fill::Store::ticket(store, key);
    let found = tier.get(key).await;
    if let Some(joinable) = joinable {
        joinable.end();
    }
    match found {
        Ok(Some(kept)) => Landed::Found(gate(store, key, kept, (tier.name(), ticket))),
        Ok(None) => Landed::Nothing,
        Err(TierError { kind: TierErrorKind::Corrupt | TierErrorKind::Refused | TierErrorKind::Full, .. }) => {
            Landed::Nothing
        }
        Err(_) => Landed::Unavailable,
    }
}

/// Brings an entry that memory does not have into it, where there is one and room for it.
pub(crate) async fn bring(store: &Store, key: &Key) {
    for _ in 0..ATTEMPTS_MAX {
        let Some(tier) = holder(store, key).filter(|_| !is_in_memory(store, key)) else { return };
        let landed = dive(store, &*tier, key, (None, promote)).await;
        if !matches!(landed, Landed::Found(Promoted::TooLate)) {
            return;
        }
    }
}
