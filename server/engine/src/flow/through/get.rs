//! Get through all tiers: what memory does not have is looked for further down. Many who miss one key at once cause one
//! read there.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join, join_all},
    stream,
};

use crate::{
    entry::Description,
    error::Result,
    fleet::Fleet,
    flights::{Flights, Joinable},
    flow::{
        beneath::Beneath,
        condition::Below,
        fill,
        fleet::{self, position::reach, read::Shared},
        get::GetRequest,
        lease::{self, LeasedAnswer, OnMiss, Outcome},
        promote::{Promoted, glance, promote},
    },
    key::Key,
    memory::{Store, space::Space},
    tier::{Kept, TierError, TierErrorKind, TierName, local::LocalTier},
};

/// How often slower tiers are asked again, when what they had was overtaken while they were read.
pub(super) const ATTEMPTS_MAX: usize = 4;
/// Keys of a batch that are read from slower tiers at once.
const BATCH_READS_MAX: usize = 64;

/// What a slower tier had, once it passed the gate.
#[derive(Clone, Debug)]
pub(crate) enum Landed {
    Nothing,
    /// Nothing that may be used: what is said of what was dropped and still lies there.
    Dropped(Arc<Description>),
    Unavailable,
    Found(TierName, Promoted),
}

/// A tier did not say what it has.
struct Unasked;

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
        if let Some(answer) = fleet::lease::agree(store, request, (answer, wait)).await? {
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
    match fleet::lease::agree(store, request, (found, Duration::ZERO)).await? {
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

pub(super) fn is_in_memory(store: &Store, key: &Key) -> bool {
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

/// What lets in, or only judges, what was found.
pub(super) type Gate = fn(&Store, &Key, Kept, (TierName, fill::Ticket)) -> Promoted;

/// What a tier has, or what is said of what was dropped there.
type OrDropped = (Option<(TierName, Kept)>, Option<Arc<Description>>);

/// The tiers beneath memory that may have something of a key.
pub(super) struct Lower {
    local: Option<Arc<dyn LocalTier>>,
    shared: Option<Arc<Fleet>>,
}

impl Lower {
    pub(super) fn of(store: &Store, key: &Key, slowest: Option<TierName>) -> Self {
        let none = Self { local: None, shared: None };
        let Ok(space) = store.open(key.namespace()) else { return none };
        // What may lack the changes of others is not read: what they share knows.
        let distrusted = fleet::distrusts(store, &space, store.clock.now());
        let local = store.local_of(&space).filter(|local| !distrusted && local.may_hold(key));
        let shared = fleet::of(store, &space).filter(|_| slowest.is_none_or(|slowest| slowest == TierName::Shared));
        Self { local: local.cloned(), shared: shared.cloned() }
    }

    pub(super) fn none(&self) -> bool {
        self.local.is_none() && self.shared.is_none()
    }

    /// What this machine's tier has.
    async fn local(&self, key: &Key) -> std::result::Result<Option<(TierName, Kept)>, Unasked> {
        let Some(tier) = &self.local else { return Ok(None) };
        match tier.get(key).await {
            Ok(kept) => Ok(kept.map(|kept| (tier.name(), kept))),
            Err(error) if is_answer(&error) => Ok(None),
            Err(_) => Err(Unasked),
        }
    }

    /// What replicas share; when that was dropped and still lies there, what is said of it.
    async fn shared(&self, store: &Store, key: &Key) -> std::result::Result<OrDropped, Unasked> {
        let Some(fleet) = &self.shared else { return Ok((None, None)) };
        match fleet::read::find(store, fleet, key, None).await {
            Shared::Found(kept) => Ok((Some((TierName::Shared, *kept)), None)),
            Shared::Nothing(_) => Ok((None, None)),
            Shared::Dropped(said) => Ok((None, Some(said))),
            Shared::Away => Err(Unasked),
        }
    }

    /// Reads from one after the other and passes the gate with what the first has. Who would join after the last read is
    /// not let: it may begin after an Invalidate whose fence the gate is still to see.
    pub(super) async fn dive(
        &self,
        store: &Store,
        key: &Key,
        (joinable, gate): (Option<Joinable<Landed>>, Gate),
    ) -> Landed {
        let ticket = fill::Store::ticket(store, key);
        let (mut found, mut failed) = match self.local(key).await {
            Ok(found) => (found, false),
            Err(Unasked) => (None, true),
        };
        let mut dropped = None;
        if found.is_none() {
            match self.shared(store, key).await {
                Ok((kept, said)) => (found, dropped) = (kept, said),
                Err(Unasked) => failed = true,
            }
        }
        if let Some(joinable) = joinable {
            joinable.end();
        }
        match found {
            Some((tier, kept)) => Landed::Found(tier, gate(store, key, kept, (tier, ticket))),
            None if failed => Landed::Unavailable,
            None => dropped.map_or(Landed::Nothing, Landed::Dropped),
        }
    }
}

/// What each tier beneath memory has of a key.
pub(crate) struct Survey {
    /// What came of asking, from fast to slow; `None`: it could not be asked.
    pub(crate) said: Vec<(TierName, Option<Landed>)>,
}

/// Asks every tier beneath memory at once, each for itself, and only looks: also where the first has it.
pub(crate) async fn survey(store: &Store, key: &Key) -> Survey {
    let tiers = Lower::of(store, key, None);
    let ticket = fill::Store::ticket(store, key);
    let (local, shared) = join(tiers.local(key), tiers.shared(store, key)).await;
    let landed = |found: Option<(TierName, Kept)>| match found {
        Some((tier, kept)) => Landed::Found(tier, glance(store, key, kept, (tier, ticket))),
        None => Landed::Nothing,
    };
    let local = tiers.local.as_ref().map(|tier| (tier.name(), local.ok().map(landed)));
    let shared = tiers.shared.as_ref().map(|_| (TierName::Shared, shared.ok().map(|(found, _dropped)| landed(found))));
    Survey { said: local.into_iter().chain(shared).collect() }
}

/// Whether a failure says that there is nothing to be had.
fn is_answer(error: &TierError) -> bool {
    matches!(error.kind, TierErrorKind::Corrupt | TierErrorKind::Refused | TierErrorKind::Full)
}

/// Brings an entry that memory does not have into it, where there is one and room for it.
pub(crate) async fn bring(store: &Store, key: &Key) {
    for _ in 0..ATTEMPTS_MAX {
        let tiers = Lower::of(store, key, None);
        if tiers.none() || is_in_memory(store, key) {
            return;
        }
        let landed = tiers.dive(store, key, (None, promote)).await;
        if !matches!(landed, Landed::Found(_, Promoted::TooLate)) {
            return;
        }
    }
}

/// Looks for what a call is about that is not about what memory alone has, and brings it there where there is room; `None`: there
/// is nowhere to look. Where what replicas share does not answer, what is here decides.
pub(crate) async fn look_below(store: &Store, space: &Space, key: &Key) -> Option<Below> {
    if store.local_of(space).is_none() && fleet::of(store, space).is_none() {
        return None;
    }
    for _ in 0..ATTEMPTS_MAX {
        let ticket = fill::Store::ticket(store, key);
        if is_in_memory(store, key) {
            return Some(Below::Memory);
        }
        let tiers = Lower::of(store, key, None);
        let Ok(here) = tiers.local(key).await else { return Some(Below::Unasked) };
        let found = match here {
            Some(found) => Some(found),
            None => tiers.shared(store, key).await.unwrap_or_default().0,
        };
        let Some((tier, kept)) = found else { return Some(Below::Nothing(ticket)) };
        match promote(store, key, kept, (tier, ticket)) {
            Promoted::Valid(_) | Promoted::Newer if is_in_memory(store, key) => return Some(Below::Memory),
            Promoted::Valid(found) => return Some(Below::Found(ticket, found)),
            Promoted::Ended => return Some(Below::Nothing(ticket)),
            Promoted::Newer | Promoted::TooLate => {}
        }
    }
    Some(Below::Memory)
}
