//! What replicas share, in memory: one server that answers, and one that follows it later. Does what the port says, at once
//! and all at once; nothing is late or lost here.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use hotplate_engine::{
    key::Key,
    position::{LogId, Position},
    selector::Selector,
    tier::{
        Kept,
        shared::{
            FenceName, FleetStamp, Found, Hint, LeaseTurn, LeaseWish, LogNow, SharedAgain, SharedFill, SharedRead,
            SharedWrite, Since, TURN_BITS, WrittenHint,
        },
    },
};

/// Fences that a log remembers.
const FENCES_MAX: usize = 512;

#[derive(Clone, Debug, Default)]
struct Log {
    epoch: u64,
    number: u64,
    floor: u64,
    /// Where an epoch took over from another first.
    began: u64,
    /// The process that wrote last.
    run: u64,
    fences: HashMap<FenceName, u64>,
}

/// One server.
#[derive(Clone, Debug, Default)]
struct Server {
    run: u64,
    logs: BTreeMap<u8, Log>,
    values: HashMap<Key, (Kept, FleetStamp)>,
    leases: HashMap<Key, (u128, Duration)>,
}

/// Both.
#[derive(Debug)]
pub(crate) struct Truth {
    master: Server,
    follower: Server,
    /// Where the next run and epoch come from.
    next: u64,
    /// Fills are stored whatever was invalidated since: what must never be, to see that it is noticed.
    pub(crate) fills_unfenced: bool,
}

impl Truth {
    pub(crate) fn new() -> Self {
        let mut truth = Self { master: Server::default(), follower: Server::default(), next: 1, fills_unfenced: false };
        truth.master.run = truth.another();
        truth
    }

    fn another(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The follower has everything now.
    pub(crate) fn replicate(&mut self) {
        self.follower = self.master.clone();
    }

    /// The follower has everything but what happened in one log since: another process has that.
    pub(crate) fn replicate_all_but(&mut self, log: LogId) {
        let older = self.follower.logs.get(&log.number()).cloned();
        self.replicate();
        self.follower.logs.extend(older.map(|older| (log.number(), older)));
    }

    /// The follower takes over: what it did not have is lost.
    pub(crate) fn fail_over(&mut self) {
        self.master = self.follower.clone();
        self.master.run = self.another();
    }

    /// Everything is lost.
    pub(crate) fn flush(&mut self) {
        self.master.logs.clear();
        self.master.values.clear();
        self.master.leases.clear();
    }

    /// What lies there of a key.
    pub(crate) fn value(&self, key: &Key) -> Option<&Kept> {
        self.master.values.get(key).map(|(kept, _)| kept)
    }

    /// A value makes room for others.
    pub(crate) fn evict(&mut self, key: &Key) {
        self.master.values.remove(key);
    }

    fn log(&mut self, log: LogId) -> &mut Log {
        let (run, epoch) = (self.master.run, self.next + 1);
        let entry = self.master.logs.entry(log.number());
        if let std::collections::btree_map::Entry::Vacant(_) = entry {
            self.next = epoch;
        }
        self.master.logs.entry(log.number()).or_insert_with(|| Log { epoch: epoch << TURN_BITS, run, ..Log::default() })
    }

    /// A log that is asked for: another process than the last begins another epoch, of the same lineage.
    fn turned(&mut self, log: LogId) -> &mut Log {
        let run = self.master.run;
        if self.log(log).run != run {
            let turn = self.another();
            let log = self.log(log);
            (log.run, log.epoch) = (run, log.epoch >> TURN_BITS << TURN_BITS | turn);
            log.began = if log.began == 0 { log.number } else { log.began.min(log.number) };
        }
        self.log(log)
    }

    fn now(&mut self, log: LogId, at: Option<Position>) -> LogNow {
        let run = self.master.run;
        let Log { epoch, number, floor, began, fences, .. } = self.turned(log);
        let position = Position { epoch: *epoch, number: *number };
        let since = match at {
            None => Since::NotAsked,
            Some(at) if at.epoch != *epoch || at.number > *number || at.number < *floor => Since::Lost,
            Some(at) => {
                let newer = fences.iter().filter(|(_, raised)| **raised > at.number);
                let mut newer: Vec<_> = newer.map(|(name, number)| (name.clone(), *number)).collect();
                newer.sort_by_key(|(_, number)| *number);
                Since::Fences(newer)
            }
        };
        LogNow { log, run, position, floor: *floor, began: *began, since }
    }

    fn raise_in(&mut self, log: LogId, names: &[FenceName]) -> Position {
        let log = self.turned(log);
        log.number += 1;
        for name in names {
            log.fences.insert(name.clone(), log.number);
        }
        while log.fences.len() > FENCES_MAX {
            let oldest = log.fences.iter().min_by_key(|(_, number)| **number).map(|(name, at)| (name.clone(), *at));
            let Some((name, at)) = oldest else { break };
            log.fences.remove(&name);
            log.floor = log.floor.max(at);
        }
        Position { epoch: log.epoch, number: log.number }
    }

    pub(crate) fn read(&mut self, key: &Key, wish: Option<LeaseWish>, wall: Duration) -> SharedRead {
        let now = self.now(key.log(), None);
        let found = self.master.values.get(key).map(|(kept, stamp)| Found { kept: kept.clone(), stamp: *stamp });
        let wanted = wish.filter(|wish| {
            found.as_ref().is_none_or(|found| wish.unless_stored_after.is_some_and(|at| found.kept.stored <= at))
        });
        let lease = match (wanted, self.master.leases.get(key)) {
            (None, _) => LeaseTurn::None,
            (Some(wish), Some((token, until))) if *until > wall && *token != wish.token => {
                LeaseTurn::Taken(*until - wall)
            }
            (Some(wish), _) => {
                self.master.leases.insert(key.clone(), (wish.token, wall + wish.duration));
                LeaseTurn::Granted
            }
        };
        SharedRead { found, now, lease }
    }

    pub(crate) fn write(&mut self, key: &Key, kept: &Kept, selector: Position, replica: u64) -> (SharedWrite, Hint) {
        let name = name(key);
        let position = self.raise_in(key.log(), std::slice::from_ref(&name));
        self.master.values.insert(key.clone(), (kept.clone(), FleetStamp { key: position, selector }));
        self.master.leases.remove(key);
        let written = Some(hint(kept));
        let log = key.log();
        let hint = Hint::Raised { log, position, names: vec![name], written, replica, marks: None };
        (SharedWrite { now: self.now(log, None), stored: true }, hint)
    }

    pub(crate) fn fill(
        &mut self,
        key: &Key,
        kept: &Kept,
        (stamp, token): (FleetStamp, Option<u128>),
        replica: u64,
    ) -> (SharedFill, Option<Hint>) {
        let name = name(key);
        let unfenced = self.fills_unfenced;
        let log = self.turned(key.log());
        let fence = log.fences.get(&name).copied().unwrap_or(0);
        let late = stamp.key.epoch != log.epoch || stamp.key.number < fence.max(log.floor);
        if late && !unfenced {
            return (SharedFill::TooLate(self.now(key.log(), None)), None);
        }
        let stamp = if unfenced {
            FleetStamp { key: Position { epoch: log.epoch, number: log.number }, ..stamp }
        } else {
            stamp
        };
        self.master.values.insert(key.clone(), (kept.clone(), stamp));
        if self.master.leases.get(key).is_some_and(|(held, _)| Some(*held) == token) {
            self.master.leases.remove(key);
        }
        let hint = Hint::Settled { key: key.clone(), written: Some(hint(kept)), replica };
        (SharedFill::Stored(self.now(key.log(), None)), Some(hint))
    }

    pub(crate) fn write_again(
        &mut self,
        key: &Key,
        (kept, stamp): (&Kept, FleetStamp),
        replica: u64,
    ) -> (SharedAgain, Option<Hint>) {
        let log = self.turned(key.log());
        let fence = log.fences.get(&name(key)).copied().unwrap_or(0);
        let (epoch, late) = (log.epoch, stamp.key.epoch != log.epoch || stamp.key.number < fence.max(log.floor));
        if !late {
            let (written, hint) = self.write(key, kept, stamp.selector, replica);
            return (SharedAgain::There { change: written.now.position, now: written.now }, Some(hint));
        }
        let now = self.now(key.log(), None);
        let newest = Position { epoch, number: fence };
        let there = self.master.values.get(key).is_some_and(|(there, was)| there.is_same(kept) && was.key == newest);
        (if there { SharedAgain::There { change: newest, now } } else { SharedAgain::TooLate(now) }, None)
    }

    pub(crate) fn relive(
        &mut self,
        key: &Key,
        (kept, stamp): (&Kept, FleetStamp),
        replica: u64,
    ) -> (SharedFill, Option<Hint>) {
        let epoch = self.turned(key.log()).epoch;
        match self.master.values.get(key) {
            None => self.fill(key, kept, (stamp, None), replica),
            Some((there, was)) if there.is_same(kept) && was.key.epoch == epoch => {
                let stamp = FleetStamp { key: was.key, ..stamp };
                self.master.values.insert(key.clone(), (kept.clone(), stamp));
                let hint = Hint::Settled { key: key.clone(), written: Some(hint(kept)), replica };
                (SharedFill::Stored(self.now(key.log(), None)), Some(hint))
            }
            Some(_) => (SharedFill::TooLate(self.now(key.log(), None)), None),
        }
    }

    pub(crate) fn raise(
        &mut self,
        names: &[FenceName],
        marks: Option<Duration>,
        replica: u64,
    ) -> (Vec<LogNow>, Vec<Hint>) {
        let mut by_log: BTreeMap<LogId, Vec<FenceName>> = BTreeMap::new();
        for name in names {
            let log = key_of(name).map_or(LogId::SELECTOR, |key| key.log());
            by_log.entry(log).or_default().push(name.clone());
        }
        let (mut logs, mut hints) = (Vec::new(), Vec::new());
        for (log, names) in by_log {
            let position = self.raise_in(log, &names);
            for key in names.iter().filter_map(key_of) {
                self.master.values.remove(&key);
                self.master.leases.remove(&key);
            }
            logs.push(self.now(log, None));
            hints.push(Hint::Raised { log, position, names, written: None, replica, marks });
        }
        (logs, hints)
    }

    pub(crate) fn extend(&mut self, key: &Key, token: u128, until: Duration) -> bool {
        let held = self.master.leases.get_mut(key).filter(|(held, _)| *held == token);
        held.map(|lease| lease.1 = until).is_some()
    }

    pub(crate) fn release(&mut self, key: &Key, token: u128, replica: u64) -> Option<Hint> {
        self.master.leases.get(key).filter(|(held, _)| *held == token)?;
        self.master.leases.remove(key);
        Some(Hint::Settled { key: key.clone(), written: None, replica })
    }

    pub(crate) fn poll(&mut self, at: &[(LogId, Option<Position>)]) -> Vec<LogNow> {
        at.iter().map(|(log, at)| self.now(*log, *at)).collect()
    }
}

fn key_of(name: &FenceName) -> Option<Key> {
    let Selector::Key(text) = &name.selector else { return None };
    Some(Key::trusted(name.namespace.clone(), text.clone()))
}

fn name(key: &Key) -> FenceName {
    FenceName { namespace: key.namespace().clone(), selector: Selector::Key(key.text().clone()) }
}

fn hint(kept: &Kept) -> WrittenHint {
    WrittenHint {
        size_bytes: kept.value_bytes(),
        negative: false,
        kind: kept.description.kind.clone(),
        tags: kept.description.tags.clone(),
    }
}
