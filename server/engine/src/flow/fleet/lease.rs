//! One lease for a key across the fleet: who has it on this server asks for it where replicas share it, and waits when
//! another server has it. When nobody can be asked, each server has its own.

use std::{sync::Arc, time::Duration};

use super::{
    apply::doubt,
    read::{LATER, Shared, find_or_lease, give_back},
};
use crate::{
    entry::Payload,
    error::Result,
    fleet::Fleet,
    flow::{
        fill::{Store as _, Ticket},
        get::{GetRequest, Lookup, StalePolicy},
        lease::{LeasedAnswer, is_held},
        promote::promote,
    },
    key::Key,
    lease::Grant,
    memory::Store,
    tier::{
        Kept, TierName,
        shared::{LeaseTurn, LeaseWish},
    },
};

/// How long who waits is left alone at first when nothing is told; doubled each time.
const LOOK_FIRST: Duration = Duration::from_millis(100);
/// And at most.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// What who got this server's lease is to do.
#[derive(Debug)]
pub(in crate::flow) enum Turn {
    /// Compute.
    Computes,
    /// Take what another server has computed; the ticket was taken before it was looked for.
    Found(Box<Kept>, Ticket),
    /// Another server computes it, for so long.
    Taken(Duration),
    /// This server's lease ended meanwhile: what ended it may be here.
    Over,
}

/// Asks for the lease of the fleet, and waits for it, or for the value, as long as `wait`. `older`: what is here was stored
/// then, and is to be renewed.
pub(in crate::flow) async fn turn(
    store: &Store,
    fleet: &Fleet,
    (key, grant): (&Key, Grant),
    (older, wait): (Option<Duration>, Duration),
) -> Turn {
    let earlier = fleet.grants.lock().of(key).filter(|token| *token != grant.token);
    if let Some(token) = earlier {
        // It was this server's, and is not any more.
        give_back(fleet, key, token).await;
    }
    let wish = LeaseWish {
        token: grant.token,
        duration: grant.duration,
        unless_stored_after: older.map(|older| older + LATER),
    };
    let until = store.clock.now().after(wait);
    let mut look = LOOK_FIRST;
    loop {
        let place = fleet.waiting.place(key);
        let ticket = store.ticket(key);
        let taken = match find_or_lease(store, fleet, key, wish).await {
            Shared::Found(kept) => return Turn::Found(kept, ticket),
            Shared::Nothing(LeaseTurn::Taken(time)) => time,
            Shared::Nothing(LeaseTurn::Granted | LeaseTurn::None) | Shared::Dropped(_) | Shared::Away => {
                return Turn::Computes;
            }
        };
        let left = until.since(store.clock.now());
        if left.is_zero() {
            return Turn::Taken(taken);
        }
        let _told = tokio::time::timeout(look.min(left), place.told()).await;
        look = (look * 2).min(LOOK_MAX);
        // Who waits here waits for who has this server's lease: it lasts while that waits for another server.
        let mut shard = store.shard(key);
        if shard.beside.leases.extend(key, grant.token, store.clock.now()).is_none() {
            return Turn::Over;
        }
    }
}

/// What becomes of an answer that comes with this server's lease: only who has the fleet's, too, computes. `None`: what was
/// looked for may be there now, look again.
///
/// # Errors
/// Bad names.
pub(in crate::flow) async fn agree(
    store: &Arc<Store>,
    request: &GetRequest,
    (answer, wait): (LeasedAnswer, Duration),
) -> Result<Option<LeasedAnswer>> {
    let LeasedAnswer::Found(found, Some(grant)) = answer else { return Ok(Some(answer)) };
    let key = Key::new(&request.namespace, &request.key)?;
    let space = store.open(key.namespace())?;
    let shares = request.slowest.is_none_or(|slowest| slowest == TierName::Shared);
    let Some(fleet) = super::of(store, &space).filter(|_| shares) else {
        return Ok(Some(LeasedAnswer::Found(found, Some(grant))));
    };
    // Who goes meanwhile leaves the lease to the next.
    let mut held = Held { store, key: &key, token: grant.token, ends: true };
    let serves = found.outcome.view().is_some();
    let wait = if serves { Duration::ZERO } else { wait };
    let here = stored_here(store, &key, &found.outcome);
    // What came to this server since it was looked for has ended the lease, and is nothing to be renewed.
    let mut turn = match is_held(store, &key, grant.token) {
        true => turn_for(store, fleet, (&key, grant), (request, here, wait)).await,
        false => Turn::Over,
    };
    if matches!(turn, Turn::Computes) && !is_held(store, &key, grant.token) {
        ended(store, &key, grant.token).await;
        turn = Turn::Over;
    }
    Ok(match turn {
        Turn::Over => serves.then_some(LeasedAnswer::Found(found, None)),
        Turn::Computes => {
            held.ends = false;
            Some(LeasedAnswer::Found(found, Some(grant)))
        }
        Turn::Found(..) if here.is_some() => {
            // It is newer than what is here, which makes room for it.
            doubt(store, &space, &key, None);
            None
        }
        Turn::Found(kept, ticket) => {
            let _promoted = promote(store, &key, *kept, (TierName::Shared, ticket));
            None
        }
        Turn::Taken(time) if !serves => Some(LeasedAnswer::Pending(time.min(LOOK_MAX), found.as_of)),
        Turn::Taken(_) => Some(LeasedAnswer::Found(found, None)),
    })
}

/// When what is here of a key was stored, whether its caller is served by it or not.
fn stored_here(store: &Store, key: &Key, outcome: &Lookup) -> Option<Duration> {
    let age = match outcome.view() {
        Some(view) => Some(view.facts.age),
        None => store.view(key).map(|view| view.facts.age),
    };
    age.map(|age| store.clock.wall(store.clock.now()).saturating_sub(age))
}

/// Asks for the lease of the fleet; an entry that its caller would not take, because it is stale or too old, is to be
/// renewed like one that is here.
async fn turn_for(
    store: &Store,
    fleet: &Fleet,
    (key, grant): (&Key, Grant),
    (request, here, wait): (&GetRequest, Option<Duration>, Duration),
) -> Turn {
    let mut older = here;
    loop {
        let turn = turn(store, fleet, (key, grant), (older, wait)).await;
        match &turn {
            // Each time it is a later one: it ends.
            Turn::Found(kept, _) if older.is_none_or(|older| older < kept.stored) && refuses(store, request, kept) => {
                older = Some(kept.stored);
            }
            _ => return turn,
        }
    }
}

/// Whether a Get would call an entry a miss that lies where replicas share it.
fn refuses(store: &Store, request: &GetRequest, kept: &Kept) -> bool {
    let now = store.clock.wall(store.clock.now());
    let stale = kept.marked || kept.fresh_until <= now;
    let negative = matches!(kept.payload, Payload::Negative(_));
    let too_old = request.max_age.is_some_and(|max| now.saturating_sub(kept.stored) > max);
    too_old || stale && (negative || request.stale == StalePolicy::Refuse)
}

/// This server's lease while its holder asks for the fleet's.
struct Held<'a> {
    store: &'a Arc<Store>,
    key: &'a Key,
    token: u128,
    ends: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.ends {
            let mut shard = self.store.shard(self.key);
            let now = self.store.clock.now();
            shard.beside.leases.release(self.key, (self.token, None), now, &mut |key| self.store.offer(key));
        }
    }
}

/// A lease of this server lasts longer: that of the fleet does, too.
pub(in crate::flow) async fn extended(store: &Store, key: &Key, grant: Grant) {
    let Some(fleet) = &store.fleet else { return };
    let held = fleet.grants.lock().of(key) == Some(grant.token);
    if held {
        // Not held any more, or not heard: then another server may compute the same. What is stored first counts.
        let _held = fleet.tier.extend(key, grant.token, grant.duration).await;
    }
}

/// A lease of this server is over: that of the fleet is, too.
pub(in crate::flow) async fn ended(store: &Store, key: &Key, token: u128) {
    let Some(fleet) = &store.fleet else { return };
    let held = fleet.grants.lock().of(key) == Some(token);
    if held {
        give_back(fleet, key, token).await;
    }
}
