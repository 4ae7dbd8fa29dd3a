//! Touch through all tiers.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::{
        through::get::bring,
        touch::{self, TouchAnswer, TouchRequest},
    },
    key::Key,
    memory::Store,
};

/// Changes a lifetime.
///
/// # Errors
/// As [`touch::touch`].
pub async fn move_end(store: &Arc<Store>, request: &TouchRequest) -> Result<TouchAnswer> {
    if !store.tiers.none() {
        bring(store, &Key::new(&request.namespace, &request.key)?).await;
    }
    touch::touch(store, request)
}
