//! How long calls took: a fixed set of buckets, two per octave, so that counting is one atomic addition.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::Quantiles;

/// Two buckets per octave of nanoseconds up to 2^40 ns (18 minutes): an error of at most a quarter of the value.
const BUCKETS: usize = 82;

/// A histogram of durations.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max_nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), max_nanos: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts a duration so many times.
    pub(super) fn record(&self, elapsed: Duration, times: u64) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(times, Relaxed);
        if nanos > self.max_nanos.load(Relaxed) {
            self.max_nanos.fetch_max(nanos, Relaxed);
        }
    }

    /// Quantiles of what was counted in any of these.
    pub(super) fn quantiles<'a>(histograms: impl IntoIterator<Item = &'a Self>) -> Quantiles {
        let mut counts = [0u64; BUCKETS];
        let mut max = 0;
        for histogram in histograms {
            for (sum, bucket) in counts.iter_mut().zip(&histogram.buckets) {
                *sum += bucket.load(Relaxed);
            }
            max = histogram.max_nanos.load(Relaxed).max(max);
        }
        let count = counts.iter().sum();
        let at = |percent: u64| Duration::from_nanos(upper_bound(&counts, count, percent).min(max));
        Quantiles { count, p50: at(50), p90: at(90), p99: at(99), max: Duration::from_nanos(max) }
    }
}

/// The upper bound of the bucket in which the given share of all counts is reached.
fn upper_bound(counts: &[u64; BUCKETS], count: u64, percent: u64) -> u64 {
    let rank = (count * percent).div_ceil(100).max(1);
    let mut below = 0;
    for (index, bucket) in counts.iter().enumerate() {
        below += bucket;
        if below >= rank {
            return bound(index);
        }
    }
    0
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1);
    let octave = nanos.ilog2() as usize;
    let half = if octave == 0 { 0 } else { usize::from(nanos >> (octave - 1) & 1 == 1) };
    (octave * 2 + half).min(BUCKETS - 1)
}

/// The largest duration of a bucket.
fn bound(index: usize) -> u64 {
    let octave = 1u64 << (index / 2);
    if index.is_multiple_of(2) { octave + octave / 2 } else { octave * 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_half_too_high_and_never_too_low() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.record(Duration::from_micros(micros), 1));
        let quantiles = Histogram::quantiles([&histogram]);
        assert_eq!(quantiles.count, 1000);
        assert_eq!(quantiles.max, Duration::from_micros(1000));
        for (found, exact) in [(quantiles.p50, 500), (quantiles.p90, 900), (quantiles.p99, 990)] {
            let ratio = found.as_secs_f64() / Duration::from_micros(exact).as_secs_f64();
            assert!((1.0..=1.5).contains(&ratio), "{found:?} for {exact} us");
        }
    }

    #[test]
    fn nothing_counted_is_zero_and_extremes_fit() {
        assert_eq!(Histogram::quantiles([]), Quantiles::default());
        let histogram = Histogram::default();
        histogram.record(Duration::ZERO, 1);
        histogram.record(Duration::MAX, 1);
        assert_eq!(Histogram::quantiles([&histogram]).count, 2);
    }
}
