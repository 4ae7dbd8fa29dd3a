//! How many replicas share one truth, as far as one of them knows it: where the fleet's logs are, what it has told, what it
//! has still to tell, and until when it trusts what it holds. What a change does to entries is not known here.

pub mod debt;
pub mod grants;
pub mod journal;
pub mod past;
pub mod releases;
pub mod resume;
pub mod selectors;
pub mod tracker;
pub mod trust;
pub mod waiting;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, futures::Notified};

use self::{
    debt::Debt,
    grants::Grants,
    journal::Journal,
    past::Past,
    releases::Releases,
    resume::Resume,
    selectors::FleetFences,
    tracker::{Heard, Sent, Tracker, Verdict},
    trust::Trust,
    waiting::Waiting,
};
use crate::{
    clock::{Clock, Moment},
    key::Key,
    namespace::FleetRules,
    position::{LOGS, LogId, Position},
    tier::{
        local::LocalTier,
        shared::{FleetStamp, LogNow, SharedTier},
    },
};

/// Selector fences of the fleet that a replica remembers.
const FENCES_MAX: usize = 65_536;
/// Grants whose stamps are remembered.
const GRANTS_MAX: usize = 65_536;
/// Leases to be given back that are remembered.
const RELEASES_MAX: usize = 16_384;

/// What one replica knows of the fleet.
pub struct Fleet {
    /// The tier that replicas share.
    pub tier: Arc<dyn SharedTier>,
    /// How often, how long, how much.
    pub rules: FleetRules,
    /// The fleet's selector fences.
    pub fences: RwLock<FleetFences>,
    /// What was told lately.
    pub journal: Mutex<Journal>,
    /// What has still to be told.
    pub debt: Debt,
    /// Until when it trusts what it holds.
    pub trust: Trust,
    /// Who waits for what another replica computes.
    pub waiting: Waiting,
    /// Where computations began.
    pub grants: Mutex<Grants>,
    /// Where the logs were before this process began, as far as its disk knows.
    pub resume: Resume,
    /// Leases that may be held for nobody.
    pub releases: Mutex<Releases>,
    logs: Vec<Mutex<Tracker>>,
    past: Mutex<Vec<Past>>,
    clock: Clock,
    moved: Notify,
    wake: Notify,
    /// What is to be asked for, because somebody waits for it.
    wanted: Mutex<BTreeSet<LogId>>,
    /// How often it was asked.
    rounds: AtomicU64,
    /// By log: the last of these in which all of it was told.
    told: Vec<AtomicU64>,
}

impl Fleet {
    /// Nothing is known yet but what was before this process.
    #[must_use]
    pub fn new(
        tier: Arc<dyn SharedTier>,
        (resume, local): (Resume, Option<Arc<dyn LocalTier>>),
        rules: FleetRules,
        clock: Clock,
    ) -> Self {
        Self {
            tier,
            rules,
            fences: RwLock::new(FleetFences::new(FENCES_MAX)),
            journal: Mutex::new(Journal::new(rules.journal_names_max, rules.journal_age)),
            debt: Debt::new(local, rules.debt_names_max),
            trust: Trust::default(),
            waiting: Waiting::default(),
            resume,
            grants: Mutex::new(Grants::new(GRANTS_MAX)),
            past: Mutex::new((0..LOGS).map(|_| Past::new(rules.journal_age)).collect()),
            releases: Mutex::new(Releases::new(RELEASES_MAX)),
            logs: (0..LOGS).map(|_| Mutex::new(Tracker::default())).collect(),
            clock,
            moved: Notify::new(),
            wake: Notify::new(),
            wanted: Mutex::default(),
            rounds: AtomicU64::new(0),
            told: (0..LOGS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// All logs of a fleet.
    pub fn each_log() -> impl Iterator<Item = LogId> {
        (0..LOGS).filter_map(|number| LogId::from_number(u32::try_from(number).ok()?))
    }

    /// Where a log is, for a call that is sent next.
    #[must_use]
    pub fn sent(&self, log: LogId) -> Sent {
        self.log(log).lock().sent()
    }

    /// Up to where a log is applied here; `None`: it is not known.
    #[must_use]
    pub fn position(&self, log: LogId) -> Option<Position> {
        self.log(log).lock().position()
    }

    /// Whether the history of a log has been known here for so long that all who live have told again what it lost.
    #[must_use]
    pub fn is_settled(&self, log: LogId) -> bool {
        let known_for = self.log(log).lock().known_for(self.clock.now());
        known_for.is_some_and(|known_for| known_for >= self.rules.quarantine)
    }

    /// Where a computation begins that begins now; `None`: the logs are not known.
    #[must_use]
    pub fn stamp(&self, key: &Key) -> Option<FleetStamp> {
        Some(FleetStamp { key: self.position(key.log())?, selector: self.position(LogId::SELECTOR)? })
    }

    /// Whether an answer may be used. When it shows that the log is not what it was, the log is lost; when it shows that
    /// something is missing here, that is asked for.
    #[must_use]
    pub fn accept(&self, sent: Sent, now: &LogNow) -> bool {
        let mut log = self.log(now.log).lock();
        match log.check(sent, now) {
            Verdict::Good => {
                if log.hear(now.position, self.clock.now()) == Heard::New {
                    self.wake.notify_one();
                }
                true
            }
            Verdict::Outdated => false,
            Verdict::Broken => {
                drop(log);
                self.lose(now.log);
                false
            }
        }
    }

    /// A change was heard of: what it is.
    #[must_use]
    pub fn hear(&self, log: LogId, position: Position) -> Heard {
        let heard = self.log(log).lock().hear(position, self.clock.now());
        if heard == Heard::Foreign {
            self.lose(log);
        }
        heard
    }

    /// A change was applied.
    pub fn note(&self, log: LogId, position: Position) {
        self.log(log).lock().note(position, self.clock.now());
        self.moved.notify_waiters();
    }

    /// Everything is applied that an answer told.
    pub fn advance(&self, log: LogId, sent: Sent, to: Position) {
        let now = self.clock.now();
        let place = {
            let mut log = self.log(log).lock();
            log.advance(sent, to, now);
            log.position()
        };
        if let Some(place) = place {
            self.past.lock()[log.index()].note(place, now);
        }
        self.moved.notify_waiters();
    }

    /// A log is not what it was: nothing is taken from it until it is taken up anew.
    pub fn lose(&self, log: LogId) {
        self.log(log).lock().lose();
        if log == LogId::SELECTOR {
            self.fences.write().lose();
        }
        self.wake.notify_one();
    }

    /// Takes a lost log up where it is.
    pub fn take(&self, log: LogId, sent: Sent, at: (u64, Position)) {
        if self.log(log).lock().take(sent, at, self.clock.now()) {
            self.past.lock()[log.index()].take(at.1);
            self.resume.taken(log);
        }
        self.moved.notify_waiters();
    }

    /// Whether a log that is here now lacks what nobody tells again any more.
    #[must_use]
    pub fn is_beyond(&self, now: &LogNow) -> bool {
        self.past.lock()[now.log.index()].is_beyond(now.position.epoch, now.began, self.heard_last())
    }

    /// When everything was caught up with last, or a little later.
    #[must_use]
    pub fn heard_last(&self) -> Moment {
        self.trust.until().min(self.clock.now())
    }

    /// The logs that are not known.
    #[must_use]
    pub fn lost(&self) -> Vec<LogId> {
        Self::each_log().filter(|log| self.position(*log).is_none()).collect()
    }

    /// Whether any log is not known.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        Self::each_log().any(|log| self.position(log).is_none())
    }

    /// The logs in which something is missing, and for how long.
    #[must_use]
    pub fn missing(&self) -> Vec<(LogId, Duration)> {
        let now = self.clock.now();
        let of = |log: LogId| Some((log, self.log(log).lock().missing_for(now, self.rules.own_grace)?));
        Self::each_log().filter_map(of).collect()
    }

    /// Whether a log is applied up to a place; `None`: that is of another history.
    #[must_use]
    pub fn reached(&self, log: LogId, place: Position) -> Option<bool> {
        self.log(log).lock().reached(place)
    }

    /// Changes of this replica are on their way in these logs, until what comes back is dropped.
    pub fn own(self: &Arc<Self>, logs: Vec<LogId>) -> Own {
        logs.iter().for_each(|log| self.log(*log).lock().begin());
        Own { fleet: self.clone(), logs }
    }

    /// Everything was caught up with by what was sent then.
    pub fn trusted(&self, sent: Moment) {
        // A little less than others give it: its clock may be slower than theirs.
        self.trust.renew(sent, self.rules.trust.mul_f64(0.99));
        self.journal.lock().forget(self.clock.now());
        self.moved.notify_waiters();
    }

    /// Whether it trusts what it holds.
    #[must_use]
    pub fn trusts(&self, now: Moment) -> bool {
        self.trust.holds(now)
    }

    /// Resolves when all logs are known and everything was caught up with.
    pub async fn caught_up(&self) {
        loop {
            let mut moved = std::pin::pin!(self.moved());
            moved.as_mut().enable();
            if self.trusts(self.clock.now()) {
                return;
            }
            moved.await;
        }
    }

    /// Resolves when a position moved after this was called and first polled.
    pub fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }

    /// A lease may be held for nobody: it is given back as soon as may be.
    pub fn release(&self, key: &Key, token: u128) {
        self.grants.lock().end(key, token);
        self.releases.lock().add(key, token, self.clock.now());
        self.wake.notify_one();
    }

    /// Somebody waits for what happened in these logs: it is asked for at once, and told in this round or a later one.
    pub fn want(&self, logs: impl Iterator<Item = LogId>) -> u64 {
        self.wanted.lock().extend(logs);
        // After that: who takes what is wanted begins the round then.
        let round = self.rounds.load(SeqCst) + 1;
        self.wake.notify_one();
        round
    }

    /// Takes what is wanted.
    #[must_use]
    pub fn wanted(&self) -> BTreeSet<LogId> {
        std::mem::take(&mut self.wanted.lock())
    }

    /// It is asked what happened: which round that is.
    pub fn begin_round(&self) -> u64 {
        self.rounds.fetch_add(1, SeqCst) + 1
    }

    /// All that happened in a log before a round began is applied.
    pub fn tell(&self, log: LogId, round: u64) {
        self.told[log.index()].fetch_max(round, SeqCst);
        self.moved.notify_waiters();
    }

    /// The last round in which all of a log was told.
    #[must_use]
    pub fn told(&self, log: LogId) -> u64 {
        self.told[log.index()].load(SeqCst)
    }

    /// Wakes who follows the fleet.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Resolves when there is something to do for who follows the fleet.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    fn log(&self, log: LogId) -> &Mutex<Tracker> {
        &self.logs[log.index()]
    }
}

/// Changes of this replica that are on their way.
#[derive(Debug)]
pub struct Own {
    fleet: Arc<Fleet>,
    logs: Vec<LogId>,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.logs.iter().for_each(|log| self.fleet.log(*log).lock().end());
        self.fleet.wake.notify_one();
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("debt", &self.debt.len())
            .field("lost", &self.lost().len())
            .finish_non_exhaustive()
    }
}
