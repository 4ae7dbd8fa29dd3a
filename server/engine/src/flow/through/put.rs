//! Put through all tiers: checked first, written where replicas share it, then in memory and on the disk.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::{
        put::{self, Begun, Precondition, PutAnswer, PutRequest},
        repeat::Repeats,
        through::get::bring,
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
    let prepared = match put::prepare(store, repeats, request, lease)? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::Prepared(prepared) => prepared,
    };
    if !store.tiers.none() && prepared.request.precondition != Precondition::Always {
        // What the condition is on may lie on the disk.
        bring(store, &prepared.key).await;
    }
    local(store, repeats, prepared)
}

/// Stores what was checked in this process and on its disk.
fn local(store: &Store, repeats: &Repeats, prepared: put::Prepared) -> Result<PutAnswer> {
    put::finish(store, repeats, prepared)
}
