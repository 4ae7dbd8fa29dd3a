//! The only source of "now". Real time follows tokio's clock; tests drive a manual one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How far back a real clock tells moments before it was made: what lies on a disk may be that old.
const REACHES_BACK: Duration = Duration::from_secs(730 * 86_400);

/// A moment on this process's monotonic time line, in nanoseconds since its beginning: that of a manual clock is when it was
/// made, that of a real one two years before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Later than everything that happens: what ends here never ends.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment this much later; far futures end at the last representable one.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Time from `earlier` to here, zero when that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time. Cheap to clone; clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// `start`: when it was made; `wall_start`: the wall-clock time at its beginning.
    System {
        start: tokio::time::Instant,
        wall_start: Duration,
    },
    Manual {
        nanos: Arc<AtomicU64>,
        wall_start: Duration,
    },
}

impl Clock {
    /// Real time, or tokio's paused time in tests that pause it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clocks")]
    pub fn system() -> Self {
        let wall_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(REACHES_BACK);
        Self(Source::System { start: tokio::time::Instant::now(), wall_start })
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual() -> Self {
        let wall_start = Duration::from_secs(1_750_000_000);
        Self(Source::Manual { nanos: Arc::new(AtomicU64::new(0)), wall_start })
    }

    /// Now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clocks")]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System { start, .. } => {
                let elapsed = tokio::time::Instant::now().duration_since(*start);
                Moment(0).after(REACHES_BACK + elapsed)
            }
            Source::Manual { nanos, .. } => Moment(nanos.load(Ordering::SeqCst)),
        }
    }

    /// The wall-clock time of a moment, since the Unix epoch: for people, and for what outlives the process.
    #[must_use]
    pub fn wall(&self, moment: Moment) -> Duration {
        let (Source::System { wall_start, .. } | Source::Manual { wall_start, .. }) = &self.0;
        *wall_start + moment.since(Moment(0))
    }

    /// The moment of a wall-clock time since the Unix epoch; `None`: before the beginning.
    #[must_use]
    pub fn moment(&self, wall: Duration) -> Option<Moment> {
        let (Source::System { wall_start, .. } | Source::Manual { wall_start, .. }) = &self.0;
        wall.checked_sub(*wall_start).map(|since| Moment(0).after(since))
    }

    /// Moves a manual clock forward. Real time is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { nanos, .. } = &self.0 {
            nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }
}
