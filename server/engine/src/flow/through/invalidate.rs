//! Invalidate through all tiers, in all its modes: first what replicas share, then memory and disk, and the answer once the
//! disk would not bring anything back.

use std::{sync::Arc, time::Duration};

use crate::{
    error::Result,
    flow::{
        anew::{self, RefreshFrom},
        fleet::raise::{Raised, raise},
        invalidate::{self, InvalidateAnswer, InvalidateRequest},
        mark,
        preload::Jobs,
        repeat::Repeats,
    },
    memory::Store,
};

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
    settled(store).await;
    told(raised, answer)
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
    settled(store).await;
    told(raised, answer)
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
        anew::refresh(store, (repeats, jobs), &InvalidateRequest { validate_only: true, ..request.clone() }, from)?;
    }
    let raised = raise(store, request, Some(Duration::ZERO)).await?;
    // Before: the job that fetches anew begins with the marks, and what it fetches counts from after them.
    raised.iter().for_each(Raised::applied);
    let answer = anew::refresh(store, (repeats, jobs), request, from)?;
    settled(store).await;
    told(raised, answer)
}

/// The answer, with what became of the call where replicas share.
fn told(raised: Option<Raised>, answer: InvalidateAnswer) -> Result<InvalidateAnswer> {
    match raised {
        Some(raised) => raised.answer(answer),
        None => Ok(answer),
    }
}

/// Waits until what was forgotten would stay so over a crash. Where the disk cannot write that, it knows itself what it may
/// still serve; the answer does not depend on it.
async fn settled(store: &Store) {
    if let Some(local) = &store.tiers.local {
        // A failure is counted by the tier, which serves nothing any more that it cannot vouch for.
        let _told = local.settled().await;
    }
}
