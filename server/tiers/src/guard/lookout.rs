//! The task beside a guarded tier: looks for it while it is away, and logs how it is when that changes. No caller waits
//! for it.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{clock::Moment, tier::TierHealth};

use super::core::{Core, Ward};

/// How often a tier is looked at whose own state may have changed.
const GLANCE: Duration = Duration::from_secs(1);
/// Lines about one tier are so far apart; what changed between is said with the next one.
const LINES_APART: Duration = Duration::from_secs(10);

/// Runs until it is dropped.
pub(super) async fn run<T: Ward + ?Sized>(core: Arc<Core<T>>) {
    let mut told = Told::default();
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

/// What was logged of a tier.
#[derive(Debug, Default)]
pub(super) struct Told {
    last: TierHealth,
    seen: TierHealth,
    at: Option<Moment>,
    changes: u64,
}

impl Told {
    /// How it is now. When a line is due: how it was at the last one, and how often it changed since.
    pub(super) fn line(&mut self, now: Moment, health: TierHealth) -> Option<(TierHealth, u64)> {
        if health != self.seen {
            self.seen = health;
            self.changes += 1;
        }
        let quiet = self.at.is_none_or(|at| now.since(at) >= LINES_APART);
        if self.changes == 0 || !quiet {
            return None;
        }
        self.at = Some(now);
        let before = std::mem::replace(&mut self.last, health);
        Some((before, std::mem::take(&mut self.changes)))
    }
}

fn tell<T: Ward + ?Sized>(core: &Core<T>, told: &mut Told) {
    let (health, why) = core.health(&core.inner.own_state());
    let Some((before, changes)) = told.line(core.clock.now(), health) else { return };
    let (tier, before, now, why) = (core.inner.name().word(), before.word(), health.word(), why.unwrap_or_default());
    match health {
        TierHealth::Up => tracing::info!(tier, before, now, changes, "tier: up"),
        TierHealth::CatchingUp => {
            tracing::info!(tier, before, now, changes, why, "tier: catching up, not read until then")
        }
        TierHealth::Degraded => tracing::warn!(tier, before, now, changes, why, "tier: answers in part"),
        TierHealth::Away => {
            tracing::warn!(
                tier,
                before,
                now,
                changes,
                why,
                "tier: away; the cache goes on without it and looks for it"
            );
        }
    }
}
