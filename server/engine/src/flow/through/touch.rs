//! Touch through all tiers.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::touch::{self, TouchAnswer, TouchRequest},
    memory::Store,
};

/// Changes a lifetime.
///
/// # Errors
/// As [`touch::touch`].
pub async fn move_end(store: &Arc<Store>, request: &TouchRequest) -> Result<TouchAnswer> {
    touch::touch(store, request)
}
