//! Put through all tiers: checked first, written where replicas share it, then in memory and on the disk.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::{
        fleet::{
            self,
            write::{renewed, share},
        },
        put::{self, Begun, Precondition, PutAnswer, PutRequest},
        repeat::Repeats,
        through::{get::bring, kin},
    },
    memory::Store,
};

/// Stores one entry, under the lease that this token names if there is one.
///
/// # Errors
/// As [`put::put_under`].
pub async fn write(
    store: &Arc<Store>,
    repeats: &Repeats,
    request: PutRequest,
    lease: Option<u128>,
) -> Result<PutAnswer> {
    let mut prepared = match put::prepare(store, repeats, request, lease)? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::Prepared(prepared) => prepared,
    };
    if !store.tiers.none() && prepared.request.precondition != Precondition::Always {
        // What the condition is on may lie further down.
        bring(store, &prepared.key).await;
    }
    if let Some((content, _)) = prepared.new.as_mut().filter(|(content, _)| content.description.depends_on.is_some()) {
        kin::gather(store, &prepared.key, Arc::make_mut(&mut content.description)).await;
    }
    let Some(fleet) = fleet::of(store, &prepared.space).cloned() else {
        return put::finish(store, repeats, prepared);
    };
    let (space, key, id) = (prepared.space.clone(), prepared.key.clone(), prepared.request.request_id.clone());
    let renews = prepared.new.is_none() && lease.is_none();
    let since = fleet.stamp(&key);
    let answer = put::apply(store, prepared)?;
    let answer = if renews {
        renewed(store, &fleet, (&space, &key), (answer, since)).await
    } else {
        share(store, &fleet, (&space, &key), (answer, lease, since)).await?
    };
    // Not before: who gave it up meanwhile asks again because it is not known to be done.
    put::remember(repeats, (&key, &id), &answer);
    Ok(answer)
}
