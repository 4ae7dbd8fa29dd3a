//! Touch through all tiers.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::{
        fleet::write::lives_on,
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
    let key = Key::new(&request.namespace, &request.key)?;
    if !store.tiers.none() {
        bring(store, &key).await;
    }
    let answer = touch::touch(store, request)?;
    if let TouchAnswer::Touched(view) = &answer {
        lives_on(store, &key, view).await?;
    }
    Ok(answer)
}
