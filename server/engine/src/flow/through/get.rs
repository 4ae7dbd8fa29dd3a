//! Get through all tiers: what memory does not have is looked for further down.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::{
        get::{self, GetRequest},
        lease::{self, LeasedAnswer, OnMiss},
    },
    memory::Store,
};

/// Finds one entry; when there is nothing fresh, does what `on_miss` says.
///
/// # Errors
/// As [`lease::get`].
pub async fn read(store: &Arc<Store>, request: &GetRequest, on_miss: OnMiss) -> Result<LeasedAnswer> {
    match on_miss {
        OnMiss::Report => Ok(LeasedAnswer::Found(Box::new(get::get(store, request)?), None)),
        OnMiss::Lease => lease::get(store, request, None).await,
        OnMiss::Wait(time) => lease::get(store, request, Some(time)).await,
    }
}

/// Finds several entries, each for itself.
pub async fn read_many(store: &Arc<Store>, items: &[(GetRequest, OnMiss)]) -> Vec<Result<LeasedAnswer>> {
    lease::get_many(store, items).await
}
