//! Waiting for what a caller has seen elsewhere.

use std::{pin::pin, time::Duration};

use super::follow;
use crate::{
    error::{Error, Kind, Reason, Result},
    memory::Store,
    position::{AsOf, LogId, Position, Positions},
};

/// How long what is missing is waited for before it is asked for.
const TOLD: Duration = Duration::from_millis(3);

/// Waits until everything up to these places of the fleet is applied here.
///
/// # Errors
/// `POSITION_NOT_REACHED`: not in time, or of another history.
pub(in crate::flow) async fn reach(store: &Store, asked: &Positions) -> Result<()> {
    let mut places: Vec<(LogId, Position)> =
        asked.iter().filter_map(|(log, place)| Some((log.of_fleet()?, place))).collect();
    let Some(fleet) = store.fleet.as_ref().filter(|_| !places.is_empty()) else { return Ok(()) };
    let until = store.clock.now().after(fleet.rules.position_wait);
    let mut wait = TOLD;
    loop {
        let mut moved = pin!(fleet.moved());
        moved.as_mut().enable();
        places.retain(|(log, place)| fleet.reached(*log, *place) != Some(true));
        let elsewhere =
            |(log, place): &(LogId, Position)| fleet.position(*log).is_some_and(|here| here.epoch != place.epoch);
        if places.is_empty() {
            return Ok(());
        }
        let left = until.since(store.clock.now());
        if left.is_zero() || places.iter().any(elsewhere) {
            return Err(not_reached());
        }
        // A caller may name any place: it is waited for and asked for, and changes nothing of what is known of the logs.
        if tokio::time::timeout(wait.min(left), moved).await.is_err() {
            let logs: Vec<LogId> = places.iter().map(|(log, _)| *log).collect();
            let answered = follow::poll(store, fleet, &logs).await;
            if answered && places.iter().any(|(log, place)| fleet.reached(*log, *place) == Some(false)) {
                // Whoever was told of it was told before this was asked: there is no such place.
                return Err(not_reached());
            }
            wait = fleet.rules.gap;
        }
    }
}

/// Whether this server has reached what a caller has seen elsewhere. Places in another server's own logs count when the
/// same change is named by its place in the fleet's.
pub(in crate::flow) fn reached(store: &Store, asked: &Positions, as_of: AsOf) -> bool {
    let in_fleet = |log: LogId| asked.iter().any(|(other, _)| other == log.in_fleet());
    asked.iter().all(|(log, place)| match log.of_fleet() {
        Some(log) => store.fleet.as_ref().is_some_and(|fleet| fleet.reached(log, place) == Some(true)),
        None => {
            let here = if log == LogId::SELECTOR { as_of.selector } else { store.history.position(log) };
            if here.epoch == place.epoch { here.number >= place.number } else { in_fleet(log) }
        }
    })
}

pub(in crate::flow) fn not_reached() -> Error {
    let rule = "this server has not reached min_position, or it is of another history: ask without it, or ask the \
                server that gave it";
    Error::new(Kind::Unavailable, Reason::PositionNotReached, rule).field("min_position")
}
