//! The one clock of a run. What is measured by it is not known here.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

/// Nanoseconds since the program asked for the first time; never 0.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a run is measured in real time, and nothing else")]
pub fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    nanoseconds(elapsed).saturating_add(1)
}

/// A duration in nanoseconds.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Time since then, in milliseconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "milliseconds for people")]
pub fn milliseconds_since(then: u64) -> f64 {
    now().saturating_sub(then) as f64 / 1e6
}

/// The number below which this part of them lies; 0 when there are none. `part` is from 0 to 1.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among few"
)]
pub fn quantile(numbers: &mut [f64], part: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let rank = (numbers.len() as f64 * part).ceil() as usize;
    numbers.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}
