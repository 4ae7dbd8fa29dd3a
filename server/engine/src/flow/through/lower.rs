//! The tiers beneath memory, as every verb looks for a key in them: one after the other or each for itself, what is found let
//! into memory or only judged. Who looks, and what follows, is not decided here.

use std::{result::Result, sync::Arc};

use futures::future::join;

use crate::{
    entry::Description,
    fleet::Fleet,
    flights::Joinable,
    flow::{
        condition::Below,
        fill,
        fleet::{self, read::Shared},
        promote::{Promoted, glance, promote},
    },
    key::Key,
    memory::{Store, space::Space},
    tier::{Kept, TierError, TierErrorKind, TierName, local::LocalTier},
};

/// How often slower tiers are asked again, when what they had was overtaken while they were read.
pub(super) const ATTEMPTS_MAX: usize = 4;

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

/// Whether memory has something of a key, whatever that is.
pub(super) fn is_in_memory(store: &Store, key: &Key) -> bool {
    let Ok(Some(space)) = store.spaces.find(key.namespace()) else { return false };
    let shard = store.shard(key);
    store.find(&shard, &space, key).is_some()
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
    async fn local(&self, key: &Key) -> Result<Option<(TierName, Kept)>, Unasked> {
        let Some(tier) = &self.local else { return Ok(None) };
        match tier.get(key).await {
            Ok(kept) => Ok(kept.map(|kept| (tier.name(), kept))),
            Err(error) if is_answer(&error) => Ok(None),
            Err(_) => Err(Unasked),
        }
    }

    /// What replicas share; when that was dropped and still lies there, what is said of it.
    async fn shared(&self, store: &Store, key: &Key) -> Result<OrDropped, Unasked> {
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
