//! One replica's way to what is shared: late by a little each time, and as broken as is asked. Tells the others what was
//! changed, in any order, or not at all.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use hotplate_engine::{
    clock::Clock,
    key::Key,
    position::{LogId, Position},
    selector::Selector,
    task::Tasks,
    tier::{
        Kept, TierError, TierErrorKind, TierState,
        shared::{
            FenceName, FleetStamp, Hint, LeaseWish, LogNow, SharedAgain, SharedFill, SharedRead, SharedTier,
            SharedWrite, Since,
        },
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::mpsc;

use super::truth::Truth;

/// How bad the way is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// A call takes up to so long, there and back each.
    pub(crate) delay_ms: u64,
    /// What is told takes up to so long.
    pub(crate) hint_delay_ms: u64,
    /// One of so many that are told is lost; zero: none.
    pub(crate) hints_lost: u32,
    /// One of so many answers is lost after the call was done; zero: none.
    pub(crate) answers_lost: u32,
}

impl Weather {
    pub(crate) const FAIR: Self = Self { delay_ms: 1, hint_delay_ms: 1, hints_lost: 0, answers_lost: 0 };
    pub(crate) const FOUL: Self = Self { delay_ms: 6, hint_delay_ms: 12, hints_lost: 4, answers_lost: 25 };
}

/// What a wrong replica or tier would do, to see that it is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wrong {
    #[default]
    Nothing,
    /// Answers where the logs are and leaves out what happened since: positions move before anything is dropped.
    PollTellsNothing,
}

/// All that replicas share, and the ways to it.
pub(crate) struct Net {
    pub(crate) truth: Mutex<Truth>,
    pub(crate) weather: Mutex<Weather>,
    ears: Mutex<Vec<(u64, mpsc::UnboundedSender<Hint>)>>,
    random: Mutex<StdRng>,
    clock: Clock,
    pub(crate) tasks: Tasks,
}

impl Net {
    pub(crate) fn new(seed: u64, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            truth: Mutex::new(Truth::new()),
            weather: Mutex::new(Weather::FAIR),
            ears: Mutex::new(Vec::new()),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            clock,
            tasks: Tasks::new(),
        })
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.random.lock().unwrap().random_range(0..bound.max(1))
    }

    fn one_of(&self, many: u32) -> bool {
        many > 0 && self.below(u64::from(many)) == 0
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    /// Tells everybody, each after a while of its own.
    fn tell(&self, hints: &[Hint], weather: Weather) {
        for (_, ear) in self.ears.lock().unwrap().iter() {
            for hint in hints.iter().filter(|_| !self.one_of(weather.hints_lost)) {
                let late = Duration::from_micros(self.below(weather.hint_delay_ms * 1000));
                self.tasks.spawn("hint", deliver(ear.clone(), hint.clone(), late));
            }
        }
    }

    fn wall(&self) -> Duration {
        self.clock.wall(self.clock.now())
    }
}

async fn deliver(ear: mpsc::UnboundedSender<Hint>, hint: Hint, late: Duration) {
    tokio::time::sleep(late).await;
    let _heard = ear.send(hint);
}

/// One way.
pub(crate) struct Link {
    net: Arc<Net>,
    replica: u64,
    cut: AtomicBool,
    /// Whether its guard lets nothing through, because too much is on its way.
    pub(crate) busy: AtomicBool,
    wrong: Wrong,
    pub(crate) calls: AtomicU64,
    /// A log whose part of the tier is away.
    pub(crate) without: Mutex<Option<LogId>>,
    /// How much later than they are made the next changes arrive, and their answers than they are given.
    pub(crate) changes_late: Mutex<VecDeque<(Duration, Duration)>>,
    /// What becomes of a wish for a lease is not heard: it fails after so long.
    pub(crate) wishes_unheard: Mutex<Option<Duration>>,
    /// How much later than they are given the answers to reads arrive.
    pub(crate) reads_late_ms: AtomicU64,
}

impl Link {
    pub(crate) fn new(net: &Arc<Net>, replica: u64, wrong: Wrong) -> Arc<Self> {
        Arc::new(Self {
            net: net.clone(),
            replica,
            cut: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            wrong,
            calls: AtomicU64::new(0),
            without: Mutex::default(),
            changes_late: Mutex::default(),
            wishes_unheard: Mutex::default(),
            reads_late_ms: AtomicU64::new(0),
        })
    }

    /// From now on nothing gets through, or everything again.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, SeqCst);
        if cut {
            self.net.ears.lock().unwrap().retain(|(replica, _)| *replica != self.replica);
        }
    }

    /// A call that changes something.
    async fn change<T>(&self, does: impl FnOnce(&mut Truth) -> (T, Vec<Hint>)) -> Result<T, TierError> {
        let (there, back) = self.changes_late.lock().unwrap().pop_front().unwrap_or_default();
        tokio::time::sleep(there).await;
        let answer = self.call(does).await;
        tokio::time::sleep(back).await;
        answer
    }

    async fn call<T>(&self, does: impl FnOnce(&mut Truth) -> (T, Vec<Hint>)) -> Result<T, TierError> {
        let net = &self.net;
        self.calls.fetch_add(1, SeqCst);
        if self.busy.load(SeqCst) {
            return Err(error(TierErrorKind::Busy));
        }
        let weather = net.weather();
        tokio::time::sleep(Duration::from_micros(net.below(weather.delay_ms * 1000))).await;
        if self.cut.load(SeqCst) {
            return Err(error(TierErrorKind::Unreachable));
        }
        let (answer, hints) = does(&mut net.truth.lock().unwrap());
        net.tell(&hints, weather);
        tokio::time::sleep(Duration::from_micros(net.below(weather.delay_ms * 1000))).await;
        if self.cut.load(SeqCst) || net.one_of(weather.answers_lost) {
            return Err(error(TierErrorKind::TimedOut));
        }
        Ok(answer)
    }
}

fn error(kind: TierErrorKind) -> TierError {
    TierError { kind, message: "cut".to_owned() }
}

impl SharedTier for Link {
    fn read<'a>(
        &'a self,
        key: &'a Key,
        _at: Option<Position>,
        lease: Option<LeaseWish>,
    ) -> BoxFuture<'a, Result<SharedRead, TierError>> {
        let wall = self.net.wall();
        async move {
            let read = self.call(move |truth| (truth.read(key, lease, wall), Vec::new())).await;
            let late = Duration::from_millis(self.reads_late_ms.load(SeqCst));
            tokio::time::sleep(late).await;
            let unheard = *self.wishes_unheard.lock().unwrap();
            if let (Some(after), Some(_)) = (unheard, lease) {
                tokio::time::sleep(after).await;
                return Err(error(TierErrorKind::TimedOut));
            }
            read
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        selector: Position,
        _at: Option<Position>,
    ) -> BoxFuture<'a, Result<SharedWrite, TierError>> {
        self.change(move |truth| {
            let (written, hint) = truth.write(key, kept, selector, self.replica);
            (written, vec![hint])
        })
        .boxed()
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
        token: Option<u128>,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        self.call(move |truth| {
            let (filled, hint) = truth.fill(key, kept, (stamp, token), self.replica);
            (filled, hint.into_iter().collect())
        })
        .boxed()
    }

    fn relive<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        self.call(move |truth| {
            let (lives, hint) = truth.relive(key, (kept, stamp), self.replica);
            (lives, hint.into_iter().collect())
        })
        .boxed()
    }

    fn write_again<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedAgain, TierError>> {
        self.change(move |truth| {
            let (again, hint) = truth.write_again(key, (kept, stamp), self.replica);
            (again, hint.into_iter().collect())
        })
        .boxed()
    }

    fn raise<'a>(
        &'a self,
        names: &'a [FenceName],
        marks: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        let of_key = |name: &FenceName| match &name.selector {
            Selector::Key(text) => Key::trusted(name.namespace.clone(), text.clone()).log(),
            _ => LogId::SELECTOR,
        };
        if self.without.lock().unwrap().is_some_and(|away| names.iter().any(|name| of_key(name) == away)) {
            return async { Err(error(TierErrorKind::Unreachable)) }.boxed();
        }
        self.change(move |truth| truth.raise(names, marks, self.replica)).boxed()
    }

    fn extend<'a>(&'a self, key: &'a Key, token: u128, duration: Duration) -> BoxFuture<'a, Result<bool, TierError>> {
        let until = self.net.wall() + duration;
        self.call(move |truth| (truth.extend(key, token, until), Vec::new())).boxed()
    }

    fn release<'a>(&'a self, key: &'a Key, token: u128) -> BoxFuture<'a, Result<(), TierError>> {
        self.call(move |truth| ((), truth.release(key, token, self.replica).into_iter().collect())).boxed()
    }

    fn poll<'a>(&'a self, at: &'a [(LogId, Option<Position>)]) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        let silent = self.wrong == Wrong::PollTellsNothing;
        self.call(move |truth| {
            let mut logs = truth.poll(at);
            let told = logs.iter_mut().filter(|now| silent && matches!(now.since, Since::Fences(_)));
            told.for_each(|now| now.since = Since::Fences(Vec::new()));
            (logs, Vec::new())
        })
        .boxed()
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        let (tell, ear) = mpsc::unbounded_channel();
        let _first = tell.send(Hint::Lost);
        if !self.cut.load(SeqCst) {
            self.net.ears.lock().unwrap().push((self.replica, tell));
        }
        stream::unfold(ear, |mut ear| async { Some((ear.recv().await?, ear)) }).boxed()
    }

    fn replica(&self) -> u64 {
        self.replica
    }

    fn state(&self) -> TierState {
        TierState::default()
    }
}
