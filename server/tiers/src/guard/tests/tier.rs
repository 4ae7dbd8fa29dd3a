//! A tier of either sort that does what it is told, and counts what it was asked.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use hotplate_engine::{
    key::Key,
    position::{LogId, Position},
    selector::Selector,
    tier::{
        Kept, TierError, TierErrorKind, TierHealth, TierName, TierState,
        local::{HandedDown, LocalTier},
        shared::{
            FenceName, FleetStamp, Hint, LeaseTurn, LeaseWish, LogNow, SharedAgain, SharedFill, SharedRead, SharedTier,
            SharedWrite, Since,
        },
        steps::Steps,
    },
};
use parking_lot::Mutex;

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Does {
    #[default]
    Answers,
    /// After so long.
    Takes(Duration),
    /// To what is large in so many steps, each after so long; to others at once.
    Steps(u32, Duration),
    /// For ever.
    Nothing,
    /// To the next call; then it answers.
    NothingOnce,
    /// To calls; pings are answered.
    OnlyPings,
    Fails,
    Refuses,
}

#[derive(Debug, Default)]
struct Seen {
    does: Does,
    health: TierHealth,
    calls: usize,
    pings: usize,
    held: bool,
    forgotten: (usize, usize),
}

#[derive(Debug, Default)]
pub(super) struct Fake(Mutex<Seen>);

pub(super) fn position() -> Position {
    Position { epoch: 1, number: 1 }
}

fn log_now() -> LogNow {
    LogNow { log: LogId::SELECTOR, run: 1, position: position(), since: Since::NotAsked, floor: 0, began: 0 }
}

fn error(kind: TierErrorKind, message: &str) -> TierError {
    TierError { kind, message: message.to_owned() }
}

impl Fake {
    pub(super) fn does(&self, does: Does) {
        self.0.lock().does = does;
    }

    pub(super) fn is(&self, health: TierHealth) {
        self.0.lock().health = health;
    }

    pub(super) fn calls(&self) -> usize {
        self.0.lock().calls
    }

    pub(super) fn pings(&self) -> usize {
        self.0.lock().pings
    }

    pub(super) fn held(&self) -> bool {
        self.0.lock().held
    }

    pub(super) fn forgotten(&self) -> (usize, usize) {
        self.0.lock().forgotten
    }

    fn called(&self) -> BoxFuture<'static, Result<(), TierError>> {
        let does = {
            let mut seen = self.0.lock();
            seen.calls += 1;
            if matches!(seen.does, Does::NothingOnce) {
                std::mem::take(&mut seen.does);
                Does::Nothing
            } else {
                seen.does
            }
        };
        Box::pin(async move {
            match does {
                Does::Answers | Does::Steps(..) => Ok(()),
                Does::Takes(time) => {
                    tokio::time::sleep(time).await;
                    Ok(())
                }
                Does::Nothing | Does::NothingOnce | Does::OnlyPings => std::future::pending().await,
                Does::Fails => Err(error(TierErrorKind::Unreachable, "connection refused")),
                Does::Refuses => Err(error(TierErrorKind::Refused, "no rights")),
            }
        })
    }
}

impl SharedTier for Fake {
    fn read<'a>(
        &'a self,
        _key: &'a Key,
        _at: Option<Position>,
        _lease: Option<LeaseWish>,
    ) -> BoxFuture<'a, Result<SharedRead, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| SharedRead { found: None, now: log_now(), lease: LeaseTurn::None }) })
    }

    fn write<'a>(
        &'a self,
        _key: &'a Key,
        _kept: &'a Kept,
        _selector: Position,
        _at: Option<Position>,
    ) -> BoxFuture<'a, Result<SharedWrite, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| SharedWrite { now: log_now(), stored: true }) })
    }

    fn fill<'a>(
        &'a self,
        _key: &'a Key,
        _kept: &'a Kept,
        _stamp: FleetStamp,
        _token: Option<u128>,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| SharedFill::Stored(log_now())) })
    }

    fn relive<'a>(
        &'a self,
        _key: &'a Key,
        _kept: &'a Kept,
        _stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| SharedFill::Stored(log_now())) })
    }

    fn write_again<'a>(
        &'a self,
        _key: &'a Key,
        _kept: &'a Kept,
        _stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedAgain, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| SharedAgain::TooLate(log_now())) })
    }

    fn raise<'a>(
        &'a self,
        _names: &'a [FenceName],
        _marks: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| vec![log_now()]) })
    }

    fn extend<'a>(&'a self, _key: &'a Key, _token: u128, _for: Duration) -> BoxFuture<'a, Result<bool, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| true) })
    }

    fn release<'a>(&'a self, _key: &'a Key, _token: u128) -> BoxFuture<'a, Result<(), TierError>> {
        self.called()
    }

    fn poll<'a>(&'a self, _at: &'a [(LogId, Option<Position>)]) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| Vec::new()) })
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        futures::stream::once(async { Hint::Lost }).chain(futures::stream::pending()).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), TierError>> {
        let does = {
            let mut seen = self.0.lock();
            seen.pings += 1;
            seen.does
        };
        Box::pin(async move {
            match does {
                Does::Answers | Does::OnlyPings => Ok(()),
                _ => Err(error(TierErrorKind::Unreachable, "connection refused")),
            }
        })
    }

    fn replica(&self) -> u64 {
        7
    }

    fn state(&self) -> TierState {
        TierState { health: self.0.lock().health, ..TierState::default() }
    }
}

impl LocalTier for Fake {
    fn name(&self) -> TierName {
        TierName::Disk
    }

    fn put(&self, _key: &Key, _kept: Kept, _why: HandedDown) -> bool {
        self.0.lock().held = true;
        true
    }

    fn forget(&self, _key: &Key) -> bool {
        let mut seen = self.0.lock();
        seen.forgotten.0 += 1;
        std::mem::take(&mut seen.held)
    }

    fn forget_sets(&self, _namespace: &Arc<str>, _selectors: &[Selector]) {
        self.0.lock().forgotten.1 += 1;
    }

    fn forget_all(&self) {}

    fn settled(&self) -> BoxFuture<'_, Result<(), TierError>> {
        self.called()
    }

    fn get<'a>(&'a self, _key: &'a Key) -> BoxFuture<'a, Result<Option<Kept>, TierError>> {
        let called = self.called();
        Box::pin(async { called.await.map(|()| None) })
    }

    fn is_large(&self, key: &Key) -> bool {
        key.text().starts_with("large")
    }

    fn get_in_steps<'a>(&'a self, _key: &'a Key, steps: &'a Steps) -> BoxFuture<'a, Result<Option<Kept>, TierError>> {
        let (called, does) = (self.called(), self.0.lock().does);
        Box::pin(async move {
            let (many, each) = if let Does::Steps(many, each) = does { (many, each) } else { (0, Duration::ZERO) };
            for _ in 0..many {
                tokio::time::sleep(each).await;
                steps.made();
            }
            called.await.map(|()| None)
        })
    }

    fn holds(&self, _key: &Key) -> bool {
        self.0.lock().held
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn state(&self) -> TierState {
        SharedTier::state(self)
    }
}
