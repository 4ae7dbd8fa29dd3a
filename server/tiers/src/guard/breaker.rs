//! When a tier is asked: not any more after it failed, and again once it was found to answer. Decides by what it is told
//! and when; it asks nothing, and knows no clock.
//!
//! The states are those of M. Nygard, "Release It!" (2007), with one difference: half open, nobody but a probe gets
//! through, so that no caller pays for finding out. Waiting times double and are drawn from their upper half ("equal
//! jitter" of the AWS Architecture Blog, "Exponential Backoff and Jitter", 2015).

use std::time::Duration;

use hotplate_engine::{clock::Moment, tier::BreakerState};

/// Parts a window is counted in: what happened is forgotten by parts.
const WINDOW_PARTS: usize = 8;

/// When to stop asking, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// So many failures in a row stop it; at least 1.
    pub failures_max: u32,
    /// Over how long failures are compared with all calls.
    pub window: Duration,
    /// How many calls there must have been in it.
    pub window_calls_min: u32,
    /// So many of a hundred of them having failed stop it; 1 to 100.
    pub window_failures_percent: u32,
    /// When it is looked for the first time after it stopped.
    pub wait_min: Duration,
    /// The longest that passes until it is looked for again.
    pub wait_max: Duration,
    /// Probes that have to succeed in a row before it is asked again; at least 1.
    pub probes: u32,
    /// Calls that have to succeed after it came back, before one failure alone does not stop it again.
    pub trial_calls: u32,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window: Duration::from_secs(10),
            window_calls_min: 20,
            window_failures_percent: 50,
            wait_min: Duration::from_millis(200),
            wait_max: Duration::from_secs(1),
            probes: 2,
            trial_calls: 10,
        }
    }
}

/// Leave to make a call. What comes of it is told with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(u64);

#[derive(Clone, Debug)]
enum State {
    /// Asked: failures in a row, good calls until it is trusted again, and what happened lately.
    Closed { row: u32, trial: u32, window: Window },
    /// Not asked until it was looked for at this time. `good`: probes that succeeded in a row.
    Open { good: u32, look: Moment },
}

/// The breaker of one tier.
#[derive(Clone, Debug)]
pub struct Breaker {
    options: BreakerOptions,
    state: State,
    /// Rises with each opening: a call that began before says nothing of what came after.
    opened: u64,
    /// How long to wait when it opens, or a probe fails, the next time.
    wait: Duration,
    random: u64,
}

impl Breaker {
    /// One that asks. The waiting times follow from the seed.
    #[must_use]
    pub fn new(options: BreakerOptions, seed: u64) -> Self {
        let state = State::Closed { row: 0, trial: 0, window: Window::new(options.window) };
        let wait = options.wait_min;
        Self { options, state, opened: 0, wait, random: seed }
    }

    /// Whether a call may be made.
    #[must_use]
    pub fn turn(&self) -> Option<Turn> {
        matches!(self.state, State::Closed { .. }).then_some(Turn(self.opened))
    }

    /// A call has ended. Whether that stopped the asking.
    pub fn ended(&mut self, now: Moment, turn: Turn, good: bool) -> bool {
        if turn.0 != self.opened {
            return false;
        }
        let State::Closed { row, trial, window } = &mut self.state else { return false };
        window.count(now, good);
        let options = &self.options;
        let opens = if good {
            *row = 0;
            // The last good call of the trial: it is trusted as one that never failed.
            if *trial == 1 {
                self.wait = options.wait_min;
            }
            *trial = trial.saturating_sub(1);
            false
        } else {
            *row += 1;
            let often = window.failures_percent(options.window_calls_min) >= Some(options.window_failures_percent);
            *trial > 0 || *row >= options.failures_max || often
        };
        if opens {
            self.opened += 1;
            self.wait_from(now);
        }
        opens
    }

    /// When it has to be looked for; `None` while it is asked.
    #[must_use]
    pub fn look(&self) -> Option<Moment> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { look, .. } => Some(look),
        }
    }

    /// It was looked for. Whether it is asked again.
    pub fn looked(&mut self, now: Moment, found: bool) -> bool {
        let State::Open { good, look } = &mut self.state else { return false };
        if !found {
            self.wait_from(now);
            return false;
        }
        *good += 1;
        if *good < self.options.probes {
            *look = now.after(self.options.wait_min / 4);
            return false;
        }
        let window = Window::new(self.options.window);
        self.state = State::Closed { row: 0, trial: self.options.trial_calls, window };
        if self.options.trial_calls == 0 {
            self.wait = self.options.wait_min;
        }
        true
    }

    /// Whether it is asked.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { good: 0, .. } => BreakerState::Open,
            State::Open { .. } => BreakerState::HalfOpen,
        }
    }

    /// Times it stopped being asked.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    fn wait_from(&mut self, now: Moment) {
        let half = self.wait / 2;
        let look = now.after(half + half.mul_f64(self.fraction()));
        self.state = State::Open { good: 0, look };
        self.wait = (self.wait * 2).min(self.options.wait_max);
    }

    /// From 0 up to 1, by SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Good and failed calls of the last while.
#[derive(Clone, Debug)]
struct Window {
    part: Duration,
    /// Which part of time each slot counts, and its good and failed calls.
    slots: [(u64, u32, u32); WINDOW_PARTS],
    now: u64,
}

impl Window {
    fn new(window: Duration) -> Self {
        let part = (window / 8).max(Duration::from_nanos(1));
        Self { part, slots: [(0, 0, 0); WINDOW_PARTS], now: 0 }
    }

    fn count(&mut self, now: Moment, good: bool) {
        let part = u64::try_from(u128::from(now.0) / self.part.as_nanos()).unwrap_or(u64::MAX);
        self.now = self.now.max(part);
        let index = usize::try_from(part % WINDOW_PARTS as u64).unwrap_or(0);
        let slot = &mut self.slots[index];
        if slot.0 != part {
            *slot = (part, 0, 0);
        }
        let count = if good { &mut slot.1 } else { &mut slot.2 };
        *count = count.saturating_add(1);
    }

    /// `None` when there were fewer calls than these.
    fn failures_percent(&self, calls_min: u32) -> Option<u32> {
        let recent = self.slots.iter().filter(|slot| slot.0 + (WINDOW_PARTS as u64) > self.now);
        let (good, failed) =
            recent.fold((0_u64, 0_u64), |sum, slot| (sum.0 + u64::from(slot.1), sum.1 + u64::from(slot.2)));
        if good + failed < u64::from(calls_min.max(1)) {
            return None;
        }
        u32::try_from(failed * 100 / (good + failed)).ok()
    }
}

#[cfg(test)]
mod tests;
