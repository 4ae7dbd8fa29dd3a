//! How a guarded tier is called: whether at all, with how many others, for how long, and what is made of the answer. Which
//! calls there are is not known here.

use std::{future::Future, pin::pin, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use futures::future::{BoxFuture, Either, select};
use hotplate_engine::{
    clock::{Clock, Moment},
    tier::{BreakerState, CallsState, TierError, TierErrorKind, TierHealth, TierName, TierState, steps::Steps},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    breaker::{Breaker, Turn},
    counts::Counts,
    lane::Lane,
    options::GuardOptions,
};

/// What a guard has to know of any tier.
pub(super) trait Ward: Send + Sync + 'static {
    /// Which one it is.
    fn name(&self) -> TierName;
    /// Whether it answers.
    fn look(&self) -> BoxFuture<'_, Result<(), TierError>>;
    /// Its own state.
    fn own_state(&self) -> TierState;
}

/// Which calls a call is one of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sort {
    /// Values are read or written.
    Values,
    /// The order of things is changed.
    Changes,
    /// It is asked for, leases are kept or given back: what a replica needs to go on trusting what it holds.
    Upkeep,
}

/// Why the tier is not up.
#[derive(Debug, Default)]
struct Trouble {
    /// The last failure that spoke against asking it.
    failure: Option<TierError>,
    /// When it last refused something, and how.
    refusal: Option<(Moment, TierError)>,
}

/// One tier and all that is kept of it.
pub(super) struct Core<T: ?Sized> {
    pub(super) inner: Arc<T>,
    pub(super) options: GuardOptions,
    pub(super) clock: Clock,
    pub(super) counts: Counts,
    /// Told when it is asked no more, and when it refuses.
    pub(super) changed: Notify,
    breaker: Mutex<Breaker>,
    trouble: Mutex<Trouble>,
    values: Lane,
    large: Lane,
    changes: Lane,
    upkeep: Lane,
}

impl<T: Ward + ?Sized> Core<T> {
    pub(super) fn new(inner: Arc<T>, options: GuardOptions, clock: Clock) -> Self {
        let lane = |max| Lane::new(max, options.waiting_max);
        Self {
            breaker: Mutex::new(Breaker::new(options.breaker.clone(), rand::random())),
            values: lane(options.calls_max),
            large: lane(options.calls_max),
            changes: lane(options.changes_max),
            upkeep: lane(options.changes_max),
            inner,
            clock,
            options,
            counts: Counts::default(),
            changed: Notify::new(),
            trouble: Mutex::default(),
        }
    }

    /// Makes a call, if calls are made at all: otherwise it fails at once. While many are on their way it waits for them,
    /// within its own time; when that is over, it was not made, and is `Busy`.
    pub(super) async fn call<R, F>(&self, sort: Sort, limit: Duration, make: impl FnOnce() -> F) -> Result<R, TierError>
    where
        F: Future<Output = Result<R, TierError>>,
    {
        let came = self.clock.now();
        self.turn()?;
        let entered = tokio::time::timeout(limit, self.lane(sort).enter()).await;
        let Some(_permit) = entered.ok().flatten() else { return Err(self.busy()) };
        // Who waited may have waited for calls that showed that it is away.
        let turn = self.turn()?;
        let left = limit.saturating_sub(self.clock.now().since(came));
        if left.is_zero() {
            return Err(self.busy());
        }
        self.made(Some(turn), (limit, left), make()).await
    }

    /// Makes a call that has to reach the tier whatever is known of it, and however many are on their way: one that waits
    /// for what the tier does anyway, and costs it nothing.
    pub(super) async fn always<R, F>(&self, limit: Duration, make: impl FnOnce() -> F) -> Result<R, TierError>
    where
        F: Future<Output = Result<R, TierError>>,
    {
        let turn = self.breaker.lock().turn();
        self.made(turn, (limit, limit), make()).await
    }

    /// Waits for the answer for as long as is left of what it may take.
    async fn made<R>(
        &self,
        turn: Option<Turn>,
        (limit, left): (Duration, Duration),
        call: impl Future<Output = Result<R, TierError>>,
    ) -> Result<R, TierError> {
        let on_its_way = OnItsWay::new(self, turn, limit);
        match tokio::time::timeout(left, call).await {
            Ok(answer) => on_its_way.ended(answer),
            Err(_elapsed) => Err(on_its_way.late()),
        }
    }

    /// A read that comes in steps: it may take as long as it has to while each comes in the time of a call, also those of
    /// who is ahead of it. What is large is slow without that saying anything of the tier.
    pub(super) async fn in_steps<R, F>(&self, steps: &Steps, make: impl FnOnce() -> F) -> Result<R, TierError>
    where
        F: Future<Output = Result<R, TierError>>,
    {
        self.turn()?;
        // Each of those that are ahead ends in its time, or shows that it is away.
        let Some(_permit) = self.large.enter().await else { return Err(self.busy()) };
        let turn = self.turn()?;
        let limit = self.options.timeout;
        let mut on_its_way = OnItsWay::new(self, Some(turn), limit);
        on_its_way.steps = Some((steps, steps.count()));
        let mut call = pin!(make());
        loop {
            match tokio::time::timeout(limit, call.as_mut()).await {
                Ok(answer) => return on_its_way.ended(answer),
                Err(_elapsed) if on_its_way.has_come_on() => {}
                Err(_elapsed) => return Err(on_its_way.late()),
            }
        }
    }

    /// A read, sent twice where that is asked for.
    pub(super) async fn read<R, F>(&self, make: impl Fn() -> F) -> Result<R, TierError>
    where
        F: Future<Output = Result<R, TierError>>,
    {
        let limit = self.options.timeout;
        match self.options.hedge_after {
            Some(after) if after < limit => self.call(Sort::Values, limit, || self.hedged(after, make)).await,
            _ => self.call(Sort::Values, limit, make).await,
        }
    }

    /// The second one is sent only while less than half of what may be on its way is: a slow tier is not asked twice as
    /// much.
    async fn hedged<R, F>(&self, after: Duration, make: impl Fn() -> F) -> Result<R, TierError>
    where
        F: Future<Output = Result<R, TierError>>,
    {
        let mut first = Box::pin(make());
        if let Ok(answer) = tokio::time::timeout(after, &mut first).await {
            return answer;
        }
        let Some(_permit) = self.values.spare() else { return first.await };
        self.counts.hedged.fetch_add(1, Relaxed);
        match select(first, Box::pin(make())).await {
            Either::Left((Ok(answer), _)) | Either::Right((Ok(answer), _)) => Ok(answer),
            Either::Left((Err(_), second)) => second.await,
            Either::Right((Err(_), first)) => first.await,
        }
    }

    /// Whether it is asked at present.
    pub(super) fn asked(&self) -> bool {
        self.breaker.lock().turn().is_some()
    }

    fn turn(&self) -> Result<Turn, TierError> {
        self.breaker.lock().turn().ok_or_else(|| {
            self.counts.failed(TierErrorKind::Away);
            let message = format!("the {} tier is not asked at present, because it failed", self.inner.name().word());
            TierError { kind: TierErrorKind::Away, message }
        })
    }

    fn lane(&self, sort: Sort) -> &Lane {
        match sort {
            Sort::Values => &self.values,
            Sort::Changes => &self.changes,
            Sort::Upkeep => &self.upkeep,
        }
    }

    fn busy(&self) -> TierError {
        self.counts.failed(TierErrorKind::Busy);
        let name = self.inner.name().word();
        let message = format!("as many calls of the {name} tier as are allowed are on their way, and too many wait");
        TierError { kind: TierErrorKind::Busy, message }
    }

    fn timed_out(&self, limit: Duration) -> TierError {
        let message = format!("the {} tier did not answer within {limit:?}", self.inner.name().word());
        TierError { kind: TierErrorKind::TimedOut, message }
    }

    fn learn(&self, turn: Turn, error: Option<&TierError>) {
        let now = self.clock.now();
        let good = match error.map(|error| error.kind) {
            Some(TierErrorKind::TimedOut | TierErrorKind::Unreachable | TierErrorKind::Away) => false,
            Some(TierErrorKind::Busy) => return,
            Some(TierErrorKind::Full | TierErrorKind::Refused) => {
                self.trouble.lock().refusal = error.map(|error| (now, error.clone()));
                self.changed.notify_one();
                true
            }
            Some(TierErrorKind::Corrupt) | None => true,
        };
        if !good {
            self.trouble.lock().failure = error.cloned();
        }
        if self.breaker.lock().ended(now, turn, good) {
            self.changed.notify_one();
        }
    }

    /// When it has to be looked for; `None` while it is asked.
    pub(super) fn look_at(&self) -> Option<Moment> {
        self.breaker.lock().look()
    }

    /// Looks for it.
    pub(super) async fn look(&self) {
        let limit = self.options.timeout;
        let answer = tokio::time::timeout(limit, self.inner.look()).await;
        let answer = answer.unwrap_or_else(|_elapsed| Err(self.timed_out(limit)));
        let found = answer.is_ok();
        if let Err(error) = answer {
            self.trouble.lock().failure = Some(error);
        }
        self.breaker.lock().looked(self.clock.now(), found);
    }

    /// How it is, and why when it is not up.
    pub(super) fn health(&self, own: &TierState) -> (TierHealth, Option<String>) {
        if own.health == TierHealth::CatchingUp {
            return (own.health, own.why.clone());
        }
        let trouble = self.trouble.lock();
        if !self.asked() {
            // What it says of itself is nearer to the cause than that a call had no answer.
            let own = own.why.clone().filter(|_| own.health == TierHealth::Away);
            let why = own.or_else(|| trouble.failure.as_ref().map(|error| error.message.clone()));
            return (TierHealth::Away, why);
        }
        if own.health != TierHealth::Up {
            return (own.health, own.why.clone());
        }
        let recent = |at: Moment| self.clock.now().since(at) < self.options.degraded_for;
        match &trouble.refusal {
            Some((at, error)) if recent(*at) => (TierHealth::Degraded, Some(error.message.clone())),
            _ => (TierHealth::Up, None),
        }
    }

    /// Its state, with what was seen of it here.
    pub(super) fn state(&self) -> TierState {
        let mut state = self.inner.own_state();
        (state.health, state.why) = self.health(&state);
        self.counts.add_errors(&mut state.errors);
        let not_put = self.counts.not_put.load(Relaxed);
        if not_put > 0 {
            state.dropped.push((TierErrorKind::Away.word(), not_put));
        }
        state.calls = Some(self.calls_state());
        state
    }

    fn calls_state(&self) -> CallsState {
        let lanes = [&self.values, &self.large, &self.changes, &self.upkeep].map(Lane::taken);
        let (breaker, opened): (BreakerState, u64) = {
            let breaker = self.breaker.lock();
            (breaker.state(), breaker.opened())
        };
        CallsState {
            breaker,
            opened,
            in_flight: lanes.iter().map(|(taken, _)| taken).sum(),
            in_flight_max: lanes.iter().map(|(_, max)| max).sum(),
            hedged: self.counts.hedged.load(Relaxed),
            latency: self.counts.latency(),
        }
    }
}

/// A call that is on its way. Dropped before it ended, it says nothing of the tier, except when it had waited for half of
/// what it may: otherwise callers in a hurry would hide that a tier is away.
struct OnItsWay<'a, T: Ward + ?Sized> {
    core: &'a Core<T>,
    /// `None`: it was not asked otherwise.
    turn: Option<Turn>,
    began: Moment,
    /// Since when there is nothing of it; and the steps it had come on by then, where it comes in steps.
    silent: Moment,
    steps: Option<(&'a Steps, u64)>,
    limit: Duration,
    ended: bool,
}

impl<'a, T: Ward + ?Sized> OnItsWay<'a, T> {
    fn new(core: &'a Core<T>, turn: Option<Turn>, limit: Duration) -> Self {
        let now = core.clock.now();
        Self { core, turn, began: now, silent: now, steps: None, limit, ended: false }
    }

    /// Whether it has come on since this was asked last.
    fn has_come_on(&mut self) -> bool {
        let Some((steps, seen)) = &mut self.steps else { return false };
        let now = steps.count();
        let has = now != *seen;
        if has {
            *seen = now;
            self.silent = self.core.clock.now();
        }
        has
    }

    fn ended<R>(mut self, answer: Result<R, TierError>) -> Result<R, TierError> {
        self.ended = true;
        self.core.counts.took(self.core.clock.now().since(self.began));
        let error = answer.as_ref().err();
        if let Some(error) = error {
            self.core.counts.failed(error.kind);
        }
        self.says(error);
        answer
    }

    /// It did not answer in time. One that had waited for others before it was sent had less than that, and says as little
    /// as one whose caller went away.
    fn late(mut self) -> TierError {
        self.ended = true;
        let (core, waited) = (self.core, self.core.clock.now().since(self.silent));
        let error = core.timed_out(self.limit);
        core.counts.took(waited);
        core.counts.failed(error.kind);
        if waited >= self.limit / 2 {
            self.says(Some(&error));
        }
        error
    }

    fn says(&self, error: Option<&TierError>) {
        if let Some(turn) = self.turn {
            self.core.learn(turn, error);
        }
    }
}

impl<T: Ward + ?Sized> Drop for OnItsWay<'_, T> {
    fn drop(&mut self) {
        if self.ended || self.has_come_on() {
            return;
        }
        let waited = self.core.clock.now().since(self.silent);
        if waited >= self.limit / 2 {
            let name = self.core.inner.name().word();
            let message = format!("the {name} tier had not answered after {waited:?}, when its caller went away");
            self.says(Some(&TierError { kind: TierErrorKind::TimedOut, message }));
        }
    }
}
