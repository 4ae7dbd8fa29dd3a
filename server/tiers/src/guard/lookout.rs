//! The task beside a guarded tier: looks for it while it is away, and logs how it is when that changes. No caller waits
//! for it.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    clock::Moment,
    tier::{TierHealth, TierState},
};

use super::core::{Core, Ward};

/// How often a tier is looked at whose own state may have changed.
const GLANCE: Duration = Duration::from_secs(1);
/// Lines about one tier that are written as it happens; after them one each time this is over, with how often it changed.
const LINES_AT_ONCE: u32 = 8;
const LINES_APART: Duration = Duration::from_secs(10);

/// Runs until it is dropped.
pub(super) async fn run<T: Ward + ?Sized>(core: Arc<Core<T>>) {
    let mut told = Told::nothing(core.clock.now());
    loop {
        let now = core.clock.now();
        let wait = core.look_at().map_or(GLANCE, |look| look.since(now).min(GLANCE));
        tokio::select! {
            () = core.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        let due = core.look_at().is_some_and(|look| look <= core.clock.now());
        if due {
            core.look().await;
        }
        tell(&core, &mut told);
    }
}

/// What failed and what was not stored, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) failed: u64,
    pub(super) dropped: u64,
}

impl Tally {
    fn of(state: &TierState) -> Self {
        let sum = |by_why: &[(&str, u64)]| by_why.iter().map(|(_, many)| many).sum();
        Self { failed: sum(&state.errors), dropped: sum(&state.dropped) }
    }

    fn since(self, before: Self) -> Self {
        let Self { failed, dropped } = before;
        Self { failed: self.failed.saturating_sub(failed), dropped: self.dropped.saturating_sub(dropped) }
    }
}

/// A line that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// How it was at the last line.
    pub(super) before: TierHealth,
    /// How often it changed since.
    pub(super) changes: u64,
    /// For how long it had not been up, and what that cost; told when it is up again.
    pub(super) trouble: Option<(Duration, Tally)>,
}

/// What was logged of a tier.
#[derive(Debug)]
pub(super) struct Told {
    last: TierHealth,
    seen: TierHealth,
    changes: u64,
    /// Since when it is not up, as far as that was told.
    down: Option<(Moment, Tally)>,
    /// Lines that may be written now, and since when one more is due.
    left: u32,
    next: Moment,
}

impl Told {
    /// Nothing; it is being opened.
    pub(super) fn nothing(now: Moment) -> Self {
        let opens = TierHealth::CatchingUp;
        Self { last: opens, seen: opens, changes: 0, down: None, left: LINES_AT_ONCE, next: now }
    }

    /// How it is now, and the line that is due for it.
    pub(super) fn line(&mut self, now: Moment, health: TierHealth, tally: Tally) -> Option<Line> {
        if health != self.seen {
            self.seen = health;
            self.changes += 1;
        }
        if !matches!(health, TierHealth::Up | TierHealth::CatchingUp) {
            self.down.get_or_insert((now, tally));
        }
        while self.left < LINES_AT_ONCE && now.since(self.next) >= LINES_APART {
            self.left += 1;
            self.next = self.next.after(LINES_APART);
        }
        if self.changes == 0 || self.left == 0 {
            return None;
        }
        if self.left == LINES_AT_ONCE {
            self.next = now;
        }
        self.left -= 1;
        let before = std::mem::replace(&mut self.last, health);
        let over = self.down.take_if(|_| health == TierHealth::Up);
        let trouble = over.map(|(since, then)| (now.since(since), tally.since(then)));
        Some(Line { before, changes: std::mem::take(&mut self.changes), trouble })
    }
}

fn tell<T: Ward + ?Sized>(core: &Core<T>, told: &mut Told) {
    let state = core.state();
    let Some(line) = told.line(core.clock.now(), state.health, Tally::of(&state)) else { return };
    let (tier, now, why) = (core.inner.name().word(), state.health.word(), state.why.unwrap_or_default());
    let (before, changes, place) = (line.before.word(), line.changes, state.place.unwrap_or_default());
    match state.health {
        TierHealth::Up => {
            let lasted_seconds = line.trouble.map(|(lasted, _)| lasted.as_secs_f64());
            let calls_failed = line.trouble.map(|(_, tally)| tally.failed);
            let not_stored = line.trouble.map(|(_, tally)| tally.dropped);
            tracing::info!(tier, place, before, now, changes, lasted_seconds, calls_failed, not_stored, "tier: up");
        }
        TierHealth::CatchingUp => {
            tracing::info!(tier, place, before, now, changes, why, "tier: catching up, not read until then");
        }
        TierHealth::Degraded => tracing::warn!(tier, place, before, now, changes, why, "tier: answers in part"),
        TierHealth::Away => {
            let message = "tier: away; the cache goes on without it and looks for it";
            tracing::warn!(tier, place, before, now, changes, why, "{message}");
        }
    }
}
