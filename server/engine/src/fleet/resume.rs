//! How far what a tier of this machine holds was told of what replicas share, before this process began: from there its logs
//! can be gone on with, instead of dropping all of it. What is done with that is not known here.

use std::{collections::BTreeMap, hash::Hasher};

use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3Default;

use crate::{
    namespace::{EngineConfig, NamespaceConfig},
    position::{LogId, Position},
    tier::{
        Tiers,
        local::Saved,
        shared::{LogNow, Since},
    },
};

/// Where the logs were, and what is kept of where they are.
#[derive(Debug)]
pub struct Resume {
    scope: u64,
    /// Of the logs that this process has not taken up yet.
    places: Mutex<BTreeMap<LogId, Position>>,
    kept: Mutex<Kept>,
}

/// What is on its way to the tier.
#[derive(Debug, Default)]
struct Kept {
    /// Where the logs were a while ago. A change may be noted an instant before it takes effect here.
    ripe: Option<Vec<(LogId, Position)>>,
    last: Option<Vec<(LogId, Position)>>,
}

impl Resume {
    /// Goes on from what the tier of this machine saved. What it cannot go on from is void.
    #[must_use]
    pub fn of(tiers: &Tiers, config: &EngineConfig) -> Self {
        let local = tiers.local.as_ref();
        let saved = local.filter(|_| tiers.shared.is_some()).and_then(|local| local.positions());
        let resume = Self::new(saved, scope(config));
        if let Some(local) = local.filter(|_| resume.is_empty()) {
            // What others change from now on it may not be told, or was not told all the time.
            local.save_positions(None);
        }
        resume
    }

    /// Goes on from what was saved, if that was for what is shared now.
    #[must_use]
    fn new(saved: Option<Saved>, scope: u64) -> Self {
        let saved = saved.filter(|saved| saved.scope == scope);
        let places = saved.into_iter().flat_map(|saved| saved.logs).collect();
        Self { scope, places: Mutex::new(places), kept: Mutex::default() }
    }

    fn is_empty(&self) -> bool {
        self.places.lock().is_empty()
    }

    /// Where a log was; `None`: it was taken up by this process, or that is not known.
    #[must_use]
    pub fn place(&self, log: LogId) -> Option<Position> {
        self.places.lock().get(&log).copied()
    }

    /// Whether a log can be gone on with: it has the same history, and tells all that happened in it since.
    #[must_use]
    pub fn goes_on(&self, now: &LogNow) -> bool {
        self.place(now.log).is_some_and(|place| {
            let told = matches!(now.since, Since::Fences(_));
            let same = place.epoch == now.position.epoch && place.number <= now.position.number;
            told && same && now.floor <= place.number
        })
    }

    /// A log was taken up: from here on it is known where it is.
    pub fn taken(&self, log: LogId) {
        self.places.lock().remove(&log);
    }

    /// What is to be saved, when these are the places now: where they were when this was called last, unless `at_once`.
    /// `None`: nothing new.
    #[must_use]
    pub fn next(&self, now: impl Fn(LogId) -> Option<Position>, at_once: bool) -> Option<Saved> {
        let places = self.places.lock();
        let known =
            super::Fleet::each_log().filter_map(|log| Some((log, now(log).or_else(|| places.get(&log).copied())?)));
        let known: Vec<_> = known.collect();
        drop(places);
        let mut kept = self.kept.lock();
        let before = kept.ripe.replace(known.clone());
        let due = if at_once { Some(known) } else { before };
        let logs = due.filter(|logs| !logs.is_empty() && kept.last.as_ref() != Some(logs))?;
        kept.last = Some(logs.clone());
        Some(Saved { scope: self.scope, logs })
    }
}

/// What is shared and lies in a tier of this machine, as a number. What was kept while that was something else may have missed
/// what was told.
#[must_use]
pub fn scope(config: &EngineConfig) -> u64 {
    let mut hasher = Xxh3Default::new();
    let mut add = |name: &str, config: Option<&NamespaceConfig>| {
        hasher.write_usize(name.len());
        hasher.write(name.as_bytes());
        let tiers =
            config.map_or(0, |config| 1 | u8::from(config.tiers.disk) << 1 | u8::from(config.tiers.shared) << 2);
        hasher.write_u8(tiers);
    };
    for (name, config) in &config.namespaces {
        add(name, Some(config));
    }
    add("", config.namespace_default.as_ref());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::Besides;

    fn at(epoch: u64, number: u64) -> Position {
        Position { epoch, number }
    }

    fn now(position: Position, floor: u64, since: Since) -> LogNow {
        LogNow { log: LogId::SELECTOR, run: 1, position, floor, began: 0, since }
    }

    #[test]
    fn only_the_same_history_that_tells_all_is_gone_on_with() {
        let saved = Saved { scope: 3, logs: vec![(LogId::SELECTOR, at(7, 20))] };
        assert!(Resume::new(Some(saved.clone()), 4).is_empty(), "something else is shared now");
        let resume = Resume::new(Some(saved), 3);
        let told = || Since::Fences(Vec::new());
        assert!(resume.goes_on(&now(at(7, 20), 20, told())) && resume.goes_on(&now(at(7, 30), 0, told())));
        for other in [
            now(at(8, 30), 0, told()),
            now(at(7, 19), 0, told()),
            now(at(7, 30), 21, told()),
            now(at(7, 30), 0, Since::Lost),
            now(at(7, 30), 0, Since::NotAsked),
        ] {
            assert!(!resume.goes_on(&other), "{other:?}");
        }
        resume.taken(LogId::SELECTOR);
        assert!(!resume.goes_on(&now(at(7, 30), 0, told())), "once");
    }

    #[test]
    fn what_is_saved_is_where_the_logs_were_a_turn_ago_and_only_what_is_new() {
        let resume = Resume::new(None, 3);
        let number = std::cell::Cell::new(1);
        let next = |at_once| {
            let saved = resume.next(|log| (log == LogId::SELECTOR).then(|| at(7, number.get())), at_once)?;
            Some(saved.logs[0].1.number)
        };
        assert_eq!((next(false), next(false), next(false)), (None, Some(1), None));
        number.set(5);
        assert_eq!((next(false), next(false), next(true)), (None, Some(5), None));
        number.set(6);
        assert_eq!(next(true), Some(6));
    }

    #[test]
    fn another_scope_is_another_number() {
        let with = |disk, shared| {
            let alone = NamespaceConfig { tiers: Besides { disk, shared }, ..NamespaceConfig::default() };
            scope(&EngineConfig { namespaces: [("n".to_owned(), alone)].into(), ..EngineConfig::default() })
        };
        let all = [with(true, true), with(true, false), with(false, true), scope(&EngineConfig::default())];
        assert!(all.iter().enumerate().all(|(at, one)| !all[..at].contains(one)));
        assert_eq!(with(true, true), with(true, true));
    }
}
