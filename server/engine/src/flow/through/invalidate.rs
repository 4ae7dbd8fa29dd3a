//! Invalidate through all tiers, in all its modes: first what replicas share, then memory and disk, and the answer once the
//! disk would not bring anything back.

use std::{sync::Arc, time::Duration};

use super::count;
use crate::{
    error::{Error, Kind, Reason, Result},
    flow::{
        anew::{self, RefreshFrom},
        fleet::raise::{Raised, raise},
        invalidate::{self, InvalidateAnswer, InvalidateRequest},
        mark,
        preload::Jobs,
        repeat::Repeats,
    },
    key::namespace_name,
    memory::Store,
};

/// When a caller may ask whether what is owed was told.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const ON_SHARED: &str = "dropped on this server; the tier that replicas share does not answer and is told as soon as it does. \
                         Until then other servers may serve what they hold: repeat the call to see whether it is done";
const ON_DISK: &str = "dropped, and not served by this server any more; its disk cannot write that down now. Until it can, a \
                       restart may bring back what lies there: repeat the call to see whether it is done";
const ON_BOTH: &str = "dropped on this server; the tier that replicas share does not answer and is told as soon as it does, \
                       and the disk cannot write it down now. Until then other servers may serve what they hold, and a \
                       restart may bring back what lies on the disk: repeat the call to see whether it is done";

/// Drops entries.
///
/// # Errors
/// As [`invalidate::invalidate`].
pub async fn drop_entries(
    store: &Arc<Store>,
    repeats: &Repeats,
    request: &InvalidateRequest,
) -> Result<InvalidateAnswer> {
    let raised = raise(store, request, None).await?;
    let answer = invalidate::invalidate(store, repeats, request)?;
    raised.iter().for_each(Raised::applied);
    told(store, request, raised, answer).await
}

/// Marks entries stale.
///
/// # Errors
/// As [`mark::mark_stale`].
pub async fn outdate(
    store: &Arc<Store>,
    repeats: &Repeats,
    request: &InvalidateRequest,
    spread_over: Option<Duration>,
) -> Result<InvalidateAnswer> {
    mark::check_spread(spread_over)?;
    let raised = raise(store, request, Some(spread_over.unwrap_or_default())).await?;
    let answer = mark::mark_stale(store, repeats, request, spread_over)?;
    raised.iter().for_each(Raised::applied);
    told(store, request, raised, answer).await
}

/// Marks entries stale and starts a job that fetches them anew.
///
/// # Errors
/// As [`anew::refresh`].
pub async fn renew_entries(
    store: &Arc<Store>,
    (repeats, jobs): (&Repeats, &Jobs),
    request: &InvalidateRequest,
    from: &RefreshFrom,
) -> Result<InvalidateAnswer> {
    if store.fleet.is_some() {
        // What can be refused is refused before anything is marked anywhere.
        anew::refresh(
            store,
            (repeats, jobs),
            &InvalidateRequest { validate_only: true, ..request.clone() },
            (from, &|| {}),
        )?;
    }
    let raised = raise(store, request, Some(Duration::ZERO)).await?;
    // Between the marks and the job that fetches anew: what that fetches counts from after them.
    let applied = || raised.iter().for_each(Raised::applied);
    let answer = anew::refresh(store, (repeats, jobs), request, (from, &applied))?;
    applied();
    told(store, request, raised, answer).await
}

/// The answer, with what became of the call in slower tiers.
///
/// # Errors
/// `TIER_PENDING` when one of them could not be told, or cannot say that it stays told, unless that is to be answered as done.
async fn told(
    store: &Arc<Store>,
    request: &InvalidateRequest,
    raised: Option<Raised>,
    mut answer: InvalidateAnswer,
) -> Result<InvalidateAnswer> {
    let settled = settled(store, request).await?;
    let kept = match &raised {
        Some(raised) => raised.is_kept().await,
        None => true,
    };
    let shared = raised.as_ref().is_some_and(Raised::is_pending);
    let owed = match (settled && kept, shared) {
        (true, false) => None,
        (true, true) => Some(("SHARED", ON_SHARED)),
        (false, false) => Some(("DISK", ON_DISK)),
        (false, true) => Some(("DISK,SHARED", ON_BOTH)),
    };
    match owed {
        Some((tiers, rule)) if !store.config.fleet.allow_local_ack => {
            let error = Error::new(Kind::Unavailable, Reason::TierPending, rule);
            return Err(error.pending(tiers).retry_after(RETRY_AFTER));
        }
        _ => answer.local_only = shared,
    }
    if let Some(raised) = raised.filter(|raised| !raised.is_pending()) {
        answer.position = raised.positions(&answer.position);
    }
    count::beneath(store, request, &mut answer).await?;
    Ok(answer)
}

/// Waits until what was forgotten would stay so over a restart. False when the disk cannot write that: it serves none of it
/// until the process ends, but what lies there would be found by the next one. Where nothing has to be written it is true at
/// once, whatever state the disk is in.
async fn settled(store: &Store, request: &InvalidateRequest) -> Result<bool> {
    if request.validate_only {
        return Ok(true);
    }
    let space = invalidate::space_of(store, &namespace_name(&request.namespace)?)?;
    let Some(local) = space.as_ref().and_then(|space| store.local_of(space)) else { return Ok(true) };
    // Why not is counted by the tier.
    Ok(local.settled().await.is_ok())
}
