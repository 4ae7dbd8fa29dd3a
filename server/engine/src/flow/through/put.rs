//! Put through all tiers: checked first, written where replicas share it, then in memory and on the disk.

use std::sync::Arc;

use crate::{
    error::{Reason, Result},
    flow::{
        condition::Below,
        fleet::{
            self,
            write::{renewed, share},
        },
        put::{self, Begun, Means, Precondition, Prepared, PutAnswer, PutRequest},
        repeat::Repeats,
        through::{kin, lower::look_below},
    },
    memory::Store,
};

/// How often what lies below is looked for, when it changed before the condition on it was tested.
const ATTEMPTS_MAX: usize = 8;

/// Stores one entry, under the lease that a token names and in the room that is held for it, if there are such.
///
/// # Errors
/// As [`put::put_under`].
pub(crate) async fn write(
    store: &Arc<Store>,
    repeats: &Repeats,
    request: PutRequest,
    means: Means,
) -> Result<PutAnswer> {
    let lease = means.lease;
    let mut prepared = match put::prepare(store, repeats, request, means)? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::Prepared(prepared) => prepared,
    };
    if let Some((content, _)) = prepared.new.as_mut().filter(|(content, _)| content.description.depends_on.is_some()) {
        kin::gather(store, &prepared.key, Arc::make_mut(&mut content.description)).await;
    }
    let Some(fleet) = fleet::of(store, &prepared.space).cloned() else {
        let (key, id) = (prepared.key.clone(), prepared.request.request_id.clone());
        let answer = here(store, prepared).await?;
        put::remember(repeats, (&key, &id), &answer);
        return Ok(answer);
    };
    let (space, key, id) = (prepared.space.clone(), prepared.key.clone(), prepared.request.request_id.clone());
    let renews = prepared.new.is_none() && lease.is_none();
    let since = fleet.stamp(&key);
    let answer = here(store, prepared).await?;
    let answer = if renews {
        renewed(store, &fleet, (&space, &key), (answer, since)).await
    } else {
        share(store, &fleet, (&space, &key), (answer, lease, since)).await?
    };
    // Not before: who gave it up meanwhile asks again because it is not known to be done.
    put::remember(repeats, (&key, &id), &answer);
    Ok(answer)
}

/// Makes a write in the tiers of this server.
async fn here(store: &Arc<Store>, prepared: Prepared) -> Result<PutAnswer> {
    if store.tiers.none() || prepared.request.precondition == Precondition::Always {
        return put::apply(store, prepared);
    }
    Box::pin(tested(store, prepared)).await
}

/// Makes a write whose condition may be on what lies further down: that is looked for there, and anew when it changed before the
/// condition was tested.
async fn tested(store: &Arc<Store>, mut prepared: Prepared) -> Result<PutAnswer> {
    for _ in 0..ATTEMPTS_MAX {
        prepared.below = look_below(store, &prepared.space, &prepared.key).await;
        match put::apply(store, prepared.clone()) {
            Err(error) if error.reason() == Reason::NotInMemory && is_worth_another_look(&prepared) => {}
            answered => return answered,
        }
    }
    put::apply(store, prepared)
}

/// Whether looking again may find something else: not where it cannot be asked, nor where what is there cannot be changed.
fn is_worth_another_look(prepared: &Prepared) -> bool {
    let renews = prepared.new.is_none();
    !matches!((&prepared.below, renews), (Some(Below::Unasked), _) | (Some(Below::Found(..)), true))
}
