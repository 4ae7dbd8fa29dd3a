//! What computing an entry costs where nobody says: learned from entries of the same kind whose cost is known. Which
//! entries there are is not known here.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::RwLock;

/// Kinds whose costs are told apart at most; entries of further kinds get the default.
pub const KINDS_MAX: usize = 256;
/// A new cost counts for one part in this many of the average.
const WEIGHT: f64 = 8.0;
/// What computing an entry is taken to cost at least when nothing is known.
const COST_MIN: Duration = Duration::from_millis(1);
/// How fast an entry of unknown cost is taken to be made again, in bytes a second.
const BYTES_PER_SECOND: f64 = 100e6;

/// Estimates the costs of one namespace's entries. An exponentially weighted average per kind; shared freely.
#[derive(Debug)]
pub struct Estimator {
    default: Option<Duration>,
    kinds: RwLock<HashMap<Arc<str>, AtomicU64, ahash::RandomState>>,
}

impl Estimator {
    /// Knows nothing yet; `default`: what an entry of a kind without known costs is taken to cost, else 1 ms and what
    /// reading its bytes at 100 MB/s takes.
    #[must_use]
    pub fn new(default: Option<Duration>) -> Self {
        Self { default, kinds: RwLock::default() }
    }

    /// Learns from an entry whose cost was given or measured. Averages of at most [`KINDS_MAX`] kinds are kept.
    pub fn observe(&self, kind: &str, cost: Duration) {
        if let Some(average) = self.kinds.read().get(kind) {
            // Two writers at once may lose one of their costs: an average does not mind.
            let before = f64::from_bits(average.load(Relaxed));
            average.store((before + (cost.as_secs_f64() - before) / WEIGHT).to_bits(), Relaxed);
            return;
        }
        let mut kinds = self.kinds.write();
        if kinds.len() < KINDS_MAX {
            kinds.entry(Arc::from(kind)).or_insert_with(|| AtomicU64::new(cost.as_secs_f64().to_bits()));
        }
    }

    /// What computing an entry of this kind and this many bytes costs, as far as can be told.
    #[must_use]
    pub fn estimate(&self, kind: &str, bytes: u64) -> Duration {
        if let Some(average) = self.kinds.read().get(kind) {
            return Duration::try_from_secs_f64(f64::from_bits(average.load(Relaxed))).unwrap_or(Duration::MAX);
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let reading = || COST_MIN + Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND);
        self.default.unwrap_or_else(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn without_any_knowledge_the_default_or_the_bytes_decide() {
        assert_eq!(Estimator::new(None).estimate("k", 100_000_000), COST_MIN + Duration::from_secs(1));
        assert_eq!(Estimator::new(None).estimate("k", 0), MS);
        assert_eq!(Estimator::new(Some(7 * MS)).estimate("k", 100_000_000), 7 * MS);
    }

    #[test]
    fn a_kind_is_estimated_by_its_own_costs() {
        let estimator = Estimator::new(Some(MS));
        estimator.observe("slow", 1000 * MS);
        estimator.observe("fast", 10 * MS);
        assert_eq!(estimator.estimate("slow", 5), 1000 * MS);
        assert_eq!(estimator.estimate("fast", 5), 10 * MS);
        assert_eq!(estimator.estimate("other", 5), MS);
        estimator.observe("slow", 200 * MS);
        assert_eq!(estimator.estimate("slow", 5), 900 * MS, "one eighth of the way");
        (0..200).for_each(|_| estimator.observe("slow", 200 * MS));
        let settled = estimator.estimate("slow", 5);
        assert!(settled.abs_diff(200 * MS) < MS, "{settled:?}");
    }

    #[test]
    fn kinds_are_bounded() {
        let estimator = Estimator::new(None);
        for kind in 0..2 * KINDS_MAX {
            estimator.observe(&kind.to_string(), 50 * MS);
        }
        assert_eq!(estimator.kinds.read().len(), KINDS_MAX);
        assert_eq!(estimator.estimate("0", 0), 50 * MS);
        assert_eq!(estimator.estimate(&KINDS_MAX.to_string(), 0), MS, "the first kinds keep their places");
    }
}
