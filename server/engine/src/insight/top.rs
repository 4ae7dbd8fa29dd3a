//! The keys that are read most, serve most bytes and save most compute, in bounded memory. Who may see keys is decided by
//! those who answer callers.
//!
//! Space-saving (Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data streams",
//! ICDT 2005): a full table gives its least counter to a new key, which inherits its count as a possible error. A count is
//! never too low, and too high by at most the error it is shown with. Reads past the first [`EXACT_READS`] of a namespace
//! are sampled, one in [`SAMPLE_EVERY`]; the error then contains three standard deviations of that, either way.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;

/// So many reads are counted one by one; then one in [`SAMPLE_EVERY`].
pub const EXACT_READS: u64 = 16_384;
/// One read in this many is looked at, and counts for as many.
pub const SAMPLE_EVERY: u64 = 16;

/// In what order keys are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopBy {
    /// Gets of the key, misses included.
    Reads,
    /// Bytes of values it answered with.
    Bytes,
    /// Compute cost of its hits.
    Compute,
}

impl TopBy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reads, Self::Bytes, Self::Compute];
}

/// A key and its count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopKey {
    /// The key.
    pub key: Arc<str>,
    /// Reads, bytes or nanoseconds of compute.
    pub count: u64,
    /// By how much the count may be too high, and where reads are sampled too low as well.
    pub error: u64,
}

/// One Get, as it counts for the keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct TopRead {
    /// Bytes it was answered with.
    pub bytes: u64,
    /// What computing them had cost.
    pub cost: Duration,
}

/// The top keys of one namespace.
#[derive(Debug)]
pub struct Top {
    counters_max: usize,
    reads: AtomicU64,
    tables: Mutex<[Table; TopBy::ALL.len()]>,
}

impl Top {
    /// Keeps this many counters for each order; none: counts nothing.
    #[must_use]
    pub fn new(counters_max: usize) -> Self {
        Self { counters_max, reads: AtomicU64::new(0), tables: Mutex::default() }
    }

    /// A key was read.
    pub fn read(&self, (key, hash): (&str, u64), read: TopRead) {
        let number = self.reads.fetch_add(1, Relaxed);
        let sampled = number >= EXACT_READS;
        if self.counters_max == 0 || (sampled && !chosen(number)) {
            return;
        }
        let times = if sampled { SAMPLE_EVERY } else { 1 };
        // Nanoseconds would reach their end within hours.
        let micros = u64::try_from(read.cost.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        let mut tables = self.tables.lock();
        for (table, amount) in tables.iter_mut().zip([1, read.bytes, micros]) {
            if amount > 0 {
                let step = Step { amount: amount.saturating_mul(times), doubt: doubt(amount, times) };
                table.add((key, hash), step, self.counters_max);
            }
        }
    }

    /// The first keys of an order, the largest count first.
    #[must_use]
    pub fn list(&self, by: TopBy, most: usize) -> Vec<TopKey> {
        let mut keys = self.tables.lock()[by as usize].list();
        keys.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        keys.truncate(most);
        if by == TopBy::Compute {
            for key in &mut keys {
                (key.count, key.error) = (key.count.saturating_mul(1000), key.error.saturating_mul(1000));
            }
        }
        keys
    }
}

/// Whether a read is looked at: one in [`SAMPLE_EVERY`], not in step with anything that repeats.
fn chosen(number: u64) -> bool {
    // splitmix64 (Steele, Lea and Flood, 2014)
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31).is_multiple_of(SAMPLE_EVERY)
}

/// What looking at one read of `times` adds to the variance of a sum.
#[expect(clippy::cast_precision_loss, reason = "a variance")]
fn doubt(amount: u64, times: u64) -> f64 {
    let amount = amount as f64;
    amount * amount * (times * (times - 1)) as f64
}

/// What one read adds to a counter.
#[derive(Clone, Copy)]
struct Step {
    amount: u64,
    doubt: f64,
}

/// The counters of one order.
#[derive(Debug, Default)]
struct Table {
    places: HashMap<u64, usize, ahash::RandomState>,
    counters: Vec<Counter>,
}

#[derive(Debug)]
struct Counter {
    key: Arc<str>,
    hash: u64,
    count: u64,
    inherited: u64,
    variance: f64,
}

impl Table {
    fn add(&mut self, (key, hash): (&str, u64), Step { amount, doubt }: Step, most: usize) {
        if let Some(place) = self.places.get(&hash) {
            let counter = &mut self.counters[*place];
            counter.count = counter.count.saturating_add(amount);
            counter.variance += doubt;
            return;
        }
        let fresh = |inherited: u64| Counter {
            key: Arc::from(key),
            hash,
            count: amount.saturating_add(inherited),
            inherited,
            variance: doubt,
        };
        if self.counters.len() < most {
            self.places.insert(hash, self.counters.len());
            self.counters.push(fresh(0));
            return;
        }
        let least = (0..self.counters.len()).min_by_key(|place| self.counters[*place].count);
        let Some(place) = least else { return };
        let least = &mut self.counters[place];
        self.places.remove(&least.hash);
        self.places.insert(hash, place);
        *least = fresh(least.count);
    }

    fn list(&self) -> Vec<TopKey> {
        let keys = self.counters.iter().map(|counter| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; never negative")]
            let sampling = (3.0 * counter.variance.sqrt()) as u64;
            let error = counter.inherited.saturating_add(sampling);
            TopKey { key: counter.key.clone(), count: counter.count, error }
        });
        keys.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// Keys of a Zipf-like stream: the first is read most.
    fn stream(length: u64, keys: u64) -> impl Iterator<Item = u64> {
        let mut random = StdRng::seed_from_u64(11);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a test"
        )]
        std::iter::repeat_with(move || (keys as f64).powf(random.random::<f64>()) as u64).take(length as usize)
    }

    fn read(top: &Top, key: u64, read: TopRead) {
        top.read((&key.to_string(), key.wrapping_mul(0x9e37_79b9_7f4a_7c15)), read);
    }

    #[test]
    fn counts_are_never_too_low_and_within_their_error() {
        let (top, mut exact) = (Top::new(64), BTreeMap::<u64, u64>::new());
        for key in stream(EXACT_READS, 5_000) {
            read(&top, key, TopRead::default());
            *exact.entry(key).or_default() += 1;
        }
        let listed = top.list(TopBy::Reads, 64);
        assert_eq!(listed.len(), 64);
        for found in &listed {
            let true_count = exact[&found.key.parse::<u64>().unwrap()];
            assert!(found.count >= true_count && found.count - found.error <= true_count, "{found:?} {true_count}");
        }
        let first: Vec<_> = listed.iter().take(5).map(|found| &*found.key).collect();
        assert_eq!(first, ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn a_long_stream_is_sampled_within_its_error() {
        let (top, mut exact) = (Top::new(256), BTreeMap::<u64, u64>::new());
        for key in stream(600_000, 1_000) {
            read(&top, key, TopRead { bytes: 100, cost: Duration::from_millis(key) });
            *exact.entry(key).or_default() += 1;
        }
        for found in top.list(TopBy::Reads, 8) {
            let true_count = exact[&found.key.parse::<u64>().unwrap()];
            assert!(found.count.abs_diff(true_count) <= found.error, "{found:?} {true_count}");
            assert!(found.error < true_count / 5, "{found:?}: an error that says nothing");
        }
        for found in top.list(TopBy::Bytes, 3) {
            let true_bytes = 100 * exact[&found.key.parse::<u64>().unwrap()];
            assert!(found.count.abs_diff(true_bytes) <= found.error, "{found:?} {true_bytes}");
        }
    }

    #[test]
    fn an_order_by_compute_holds_however_much_was_saved() {
        let top = Top::new(4);
        for (key, years) in [(1, 400), (2, 500)] {
            let cost = Duration::from_secs(years * 365 * 86_400);
            (0..3).for_each(|_| read(&top, key, TopRead { bytes: 1, cost }));
        }
        let keys: Vec<_> = top.list(TopBy::Compute, 9).into_iter().map(|found| (found.key, found.count)).collect();
        assert_eq!(keys, [(Arc::from("2"), u64::MAX), (Arc::from("1"), u64::MAX)], "their counts are at the end");
    }

    #[test]
    fn each_order_is_its_own() {
        let top = Top::new(4);
        (0..9).for_each(|_| read(&top, 1, TopRead::default()));
        read(&top, 2, TopRead { bytes: 1000, cost: Duration::from_secs(1) });
        read(&top, 3, TopRead { bytes: 10, cost: Duration::from_secs(2) });
        let first = |by| top.list(by, 1).remove(0);
        assert_eq!((&*first(TopBy::Reads).key, first(TopBy::Reads).count), ("1", 9));
        assert_eq!((&*first(TopBy::Bytes).key, first(TopBy::Bytes).count), ("2", 1000));
        assert_eq!((&*first(TopBy::Compute).key, first(TopBy::Compute).count), ("3", 2_000_000_000));
        assert_eq!(top.list(TopBy::Bytes, 9).len(), 2, "a key that served nothing is not listed");
    }

    #[test]
    fn counters_are_bounded_and_none_counts_nothing() {
        let (top, off) = (Top::new(4), Top::new(0));
        for key in 0..100 {
            read(&top, key, TopRead::default());
            read(&off, key, TopRead::default());
        }
        assert_eq!(top.list(TopBy::Reads, 100).len(), 4);
        assert!(off.list(TopBy::Reads, 100).is_empty());
        assert_eq!(top.tables.lock()[0].places.len(), 4);
    }
}
