//! The one clock of all processes of a run: what two of them read can be compared. Nothing is measured elsewhere.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the machine's monotonic clock, the same in every process until the machine is started again.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |part: i64| u64::try_from(part).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

/// A duration in nanoseconds.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds in nanoseconds.
#[must_use]
pub const fn milliseconds(milliseconds: u64) -> u64 {
    milliseconds * 1_000_000
}

/// The duration until that moment, zero when it is over.
#[must_use]
pub fn until(moment: u64) -> Duration {
    Duration::from_nanos(moment.saturating_sub(now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on() {
        let earlier = now();
        assert!(earlier > 0 && now() >= earlier);
        assert_eq!(until(earlier), Duration::ZERO);
    }
}
