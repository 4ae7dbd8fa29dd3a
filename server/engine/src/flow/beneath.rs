//! A look at memory by who knows, or still has to ask, what slower tiers have.

use std::sync::Arc;

use super::{
    get::{self, GetRequest, Looked, Lookup, Seen},
    promote::Unstored,
};
use crate::{
    error::Result,
    event::{MissReason, ReadOutcome},
    memory::{Guard, Store},
    tier::TierName,
};

/// What slower tiers said of a key.
#[derive(Clone, Debug)]
pub(super) enum Beneath {
    /// They are asked when there is nothing in memory.
    Unasked,
    /// They have nothing.
    Nothing,
    /// One that may have it could not be asked.
    Unavailable,
    /// It was in this one, and is in memory now, unless there is no room.
    Found(TierName, Arc<Unstored>),
}

/// Looks, and does what is to be done then, under the same lock; `None`: nothing is there, and slower tiers are to be asked.
pub(super) fn look_up<T>(
    store: &Store,
    request: &GetRequest,
    beneath: &Beneath,
    then: impl FnOnce(&mut Guard<'_>, &Seen<'_>) -> T,
) -> Result<(Looked, Option<T>)> {
    let (mut looked, (instead, then)) = get::look_up(store, request, |shard, seen| {
        let missing = seen.place.is_none();
        match beneath {
            Beneath::Unasked if missing => (None, None),
            Beneath::Unavailable if missing => {
                let reason = MissReason::TierUnavailable;
                let outcome = (Lookup::Miss(reason), ReadOutcome::Miss(reason));
                let seen = Seen { outcome: &outcome.0, ..*seen };
                let then = then(shard, &seen);
                (Some(outcome), Some(then))
            }
            Beneath::Found(_, unstored) if missing => {
                let outcome = unstored.judge(store, seen.key, request);
                let seen = Seen { outcome: &outcome.0, ..*seen };
                let then = then(shard, &seen);
                (Some(outcome), Some(then))
            }
            _ => (None, Some(then(shard, seen))),
        }
    })?;
    let replaced = instead.is_some();
    if let Some(outcome) = instead {
        (looked.outcome, looked.counted) = outcome;
    }
    match beneath {
        Beneath::Found(tier, unstored) if replaced => (looked.tier, looked.as_of) = (*tier, unstored.as_of),
        Beneath::Found(tier, _) if looked.outcome.view().is_some() => looked.tier = *tier,
        _ => {}
    }
    Ok((looked, then))
}
