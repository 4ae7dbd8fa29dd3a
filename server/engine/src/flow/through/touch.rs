//! Touch through all tiers: what this server holds, and what replicas share when that is the same.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::{
        condition::{Below, not_in_memory},
        fleet::{
            self,
            position::reach,
            write::{Lives, relive},
        },
        through::lower::look_below,
        touch::{self, TouchAnswer, TouchRequest},
    },
    key::Key,
    memory::Store,
    position::Positions,
};

/// How often what others stored instead is touched, when it was replaced again meanwhile.
const ATTEMPTS_MAX: usize = 4;

/// Changes a lifetime.
///
/// # Errors
/// As [`touch::touch`].
pub async fn move_end(store: &Arc<Store>, request: &TouchRequest) -> Result<TouchAnswer> {
    let key = Key::new(&request.namespace, &request.key)?;
    if store.tiers.none() {
        return touch::touch(store, request);
    }
    for _ in 0..ATTEMPTS_MAX {
        let space = store.open(key.namespace())?;
        let below = look_below(store, &space, &key).await;
        // Before it is looked for: what is held then is what was valid there.
        let since = store.fleet.as_ref().and_then(|fleet| fleet.stamp(&key));
        let answer = touch::touch(store, request)?;
        if let (TouchAnswer::NotFound, Some(Below::Found(..) | Below::Unasked)) = (&answer, &below) {
            return Err(not_in_memory(below.as_ref()));
        }
        let TouchAnswer::Touched(view) = &answer else { return Ok(answer) };
        let Some(fleet) = fleet::of(store, &space) else { return Ok(answer) };
        let Lives::Replaced(log, at) = relive(store, fleet, (&space, &key), (view, since)).await else {
            return Ok(answer);
        };
        // What is there instead is touched. When that place is not reached in time, it is seen again that it was replaced.
        let _reached = reach(store, &Positions::new(vec![(log.in_fleet(), at)])).await;
    }
    // Replaced each time: what is touched here is there for nobody.
    Ok(TouchAnswer::NotFound)
}
