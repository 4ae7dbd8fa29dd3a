//! Get through all tiers: what memory does not have is looked for further down. Many who miss one key at once cause one
//! read there.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream,
};

use super::lower::{ATTEMPTS_MAX, Landed, Lower, is_in_memory};

use crate::{
    error::Result,
    flights::Flights,
    flow::{
        beneath::Beneath,
        fleet::{lease::agree, position::reach},
        get::GetRequest,
        lease::{self, LeasedAnswer, OnMiss, Outcome},
        promote::{Promoted, glance, promote},
    },
    key::Key,
    memory::Store,
    tier::TierName,
};

/// Keys of a batch that are read from slower tiers at once.
const BATCH_READS_MAX: usize = 64;

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
    reach(store, &request.min_position).await?;
    let started = store.clock.now();
    for _ in 0..ATTEMPTS_MAX {
        let answer = look(store, descents, (request, on_miss)).await?;
        let wait = match on_miss {
            OnMiss::Wait(time) => time.saturating_sub(store.clock.now().since(started)),
            OnMiss::Report | OnMiss::Lease => Duration::ZERO,
        };
        if let Some(answer) = agree(store, request, (answer, wait)).await? {
            return Ok(answer);
        }
    }
    look(store, descents, (request, OnMiss::Report)).await
}

/// Looks in all tiers, and gets this server's lease or waits for it.
async fn look(
    store: &Arc<Store>,
    descents: &Descents,
    (request, on_miss): (&GetRequest, OnMiss),
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
    let places: Vec<BoxFuture<'_, Result<()>>> =
        items.iter().map(|(request, _)| reach(store, &request.min_position).boxed()).collect();
    let reached = join_all(places).await;
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
    let answers = lease::get_many_above(store, items, &beneath).await;
    let mut agreed: Vec<BoxFuture<'_, (usize, Result<LeasedAnswer>)>> = Vec::new();
    for (number, (answer, reached)) in answers.into_iter().zip(reached).enumerate() {
        let request = &items[number].0;
        agreed.push(Box::pin(async move {
            let answer = match (answer, reached) {
                // Who may have several leases waits for no other server.
                (Ok(found), _) => one_of_many(store, descents, request, found).await,
                (Err(_), Err(late)) => Err(late),
                (failed, Ok(())) => failed,
            };
            (number, answer)
        }));
    }
    let mut answers: Vec<_> = stream::iter(agreed).buffer_unordered(BATCH_READS_MAX).collect().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// An item of a batch: who got this server's lease for it asks for the fleet's.
async fn one_of_many(
    store: &Arc<Store>,
    descents: &Descents,
    request: &GetRequest,
    found: LeasedAnswer,
) -> Result<LeasedAnswer> {
    match agree(store, request, (found, Duration::ZERO)).await? {
        Some(answer) => Ok(answer),
        None => look(store, descents, (request, OnMiss::Report)).await,
    }
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
    let tiers = Lower::of(store, key, request.slowest);
    if tiers.none() {
        return Beneath::Nothing;
    }
    if request.peek {
        return said(tiers.dive(store, key, (None, glance)).await);
    }
    if request.slowest.is_some() {
        return said(tiers.dive(store, key, (None, promote)).await);
    }
    let flight = descents.join(key, |joinable| {
        let (store, key) = (store.clone(), key.clone());
        async move { tiers.dive(&store, &key, (Some(joinable), promote)).await }.boxed()
    });
    match flight {
        Some(flight) => said(flight.await),
        None => Beneath::Unavailable,
    }
}

fn said(landed: Landed) -> Beneath {
    match landed {
        Landed::Nothing | Landed::Dropped(_) | Landed::Found(_, Promoted::Ended) => Beneath::Nothing,
        Landed::Unavailable => Beneath::Unavailable,
        Landed::Found(tier, Promoted::Valid(unstored)) => Beneath::Found(tier, unstored),
        Landed::Found(_, Promoted::Newer | Promoted::TooLate) => Beneath::Unasked,
    }
}
