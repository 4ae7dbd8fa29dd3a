//! Waiting for what a caller has seen elsewhere.

use std::{pin::pin, time::Duration};

use crate::{
    error::{Error, Kind, Reason, Result},
    fleet::Fleet,
    memory::Store,
    position::{AsOf, LogId, Position, Positions},
};

/// How long what is missing is waited for before it is asked for.
const TOLD: Duration = Duration::from_millis(3);

/// What a place is to this server, once it was asked where the logs are.
enum Place {
    /// Not applied yet, or not known.
    Ahead,
    /// Whoever was told of it was told before this was asked, and nobody has got there.
    Nowhere,
    /// In a history that is over.
    Elsewhere,
}

/// Waits until everything up to these places of the fleet is applied here. A caller may name any place: it is waited for and
/// asked for, by who follows the fleet and once for all who wait, and changes nothing of what is known of the logs.
///
/// # Errors
/// `POSITION_NOT_REACHED`: not in time. `POSITION_UNKNOWN`: of another history.
pub(in crate::flow) async fn reach(store: &Store, asked: &Positions) -> Result<()> {
    let mut places: Vec<(LogId, Position)> =
        asked.iter().filter_map(|(log, place)| Some((log.of_fleet()?, place))).collect();
    let Some(fleet) = store.fleet.as_ref().filter(|_| !places.is_empty()) else { return Ok(()) };
    let until = store.clock.now().after(fleet.rules.position_wait);
    let (mut first, mut wait) = (None, TOLD);
    loop {
        let mut moved = pin!(fleet.moved());
        moved.as_mut().enable();
        places.retain(|(log, place)| fleet.reached(*log, *place) != Some(true));
        let Some(left) = (!places.is_empty()).then(|| until.since(store.clock.now())) else { return Ok(()) };
        for place in &places {
            match what_is(fleet, *place, first) {
                Place::Elsewhere => return Err(unknown()),
                Place::Nowhere => return Err(not_reached()),
                Place::Ahead => {}
            }
        }
        if left.is_zero() {
            return Err(not_reached());
        }
        // That a place is not of the history that is known may mean that this is over.
        let strange = first.is_none() && places.iter().any(|(log, place)| fleet.reached(*log, *place).is_none());
        if strange || tokio::time::timeout(wait.min(left), moved).await.is_err() {
            let round = fleet.want(places.iter().map(|(log, _)| *log));
            first.get_or_insert(round);
            wait = fleet.rules.gap;
        }
    }
}

/// `asked`: the round in which it was asked for first.
fn what_is(fleet: &Fleet, (log, place): (LogId, Position), asked: Option<u64>) -> Place {
    let Some(here) = fleet.position(log).filter(|_| asked.is_some_and(|round| fleet.told(log) >= round)) else {
        return Place::Ahead;
    };
    if here.epoch == place.epoch { Place::Nowhere } else { Place::Elsewhere }
}

/// Fails unless this server has reached what a caller has seen elsewhere. Places in another server's own logs count when the
/// same change is named by its place in the fleet's.
///
/// # Errors
/// As [`reach`].
pub(in crate::flow) fn require(store: &Store, asked: &Positions, as_of: AsOf) -> Result<()> {
    let in_fleet = |log: LogId| asked.iter().any(|(other, _)| other == log.in_fleet());
    for (log, place) in asked.iter() {
        match log.of_fleet() {
            Some(log) => match store.fleet.as_ref().map(|fleet| fleet.reached(log, place)) {
                Some(Some(true)) => {}
                // Where nothing is shared nobody ever gets there.
                None => return Err(unknown()),
                Some(_) => return Err(not_reached()),
            },
            None => {
                let here = if log == LogId::SELECTOR { as_of.selector } else { store.history.position(log) };
                match (here.epoch == place.epoch, here.number >= place.number) {
                    (true, true) => {}
                    (true, false) => return Err(not_reached()),
                    (false, _) if in_fleet(log) => {}
                    (false, _) => return Err(unknown()),
                }
            }
        }
    }
    Ok(())
}

fn not_reached() -> Error {
    let rule = "this server has not reached min_position: ask again, ask without it, or ask the server that gave it";
    Error::new(Kind::Unavailable, Reason::PositionNotReached, rule).field("min_position")
}

fn unknown() -> Error {
    let rule = "min_position is of a history that this server does not have: of another server's, or of one that ended with a \
                restart; asking again does not help: ask without it";
    Error::new(Kind::FailedPrecondition, Reason::PositionUnknown, rule).field("min_position")
}
