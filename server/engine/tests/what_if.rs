//! The curve from a sample in miniature against caches that are really run at each size, over the same stream of keys.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::HashMap, time::Duration};

use hotplate_engine::{
    clock::Moment,
    insight::what_if::{Answered, FACTORS, Item, Measured, Point, Quota, WhatIf, WhatIfConfig, curve},
    memory::{
        plain::{self, Plain},
        pool::PoolConfig,
    },
    policy::{self, Objective},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use xxhash_rust::xxh3::xxh3_64;

const NOW: Moment = Moment(1);
const FOREVER: Moment = Moment(u64::MAX);
const KEYS: usize = 200_000;
const GETS: usize = 600_000;
const BYTES_MAX: u64 = 4_000_000;

/// Keys by a Zipf law with exponent 0.9.
struct Zipf {
    below: Vec<f64>,
    random: StdRng,
}

impl Zipf {
    fn new() -> Self {
        let mut sum = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "a rank")]
        let below = (1..=KEYS).map(|rank| {
            sum += (rank as f64).powf(-0.9);
            sum
        });
        Self { below: below.collect(), random: StdRng::seed_from_u64(5) }
    }

    fn key(&mut self) -> u64 {
        let at = self.random.random::<f64>() * self.below[KEYS - 1];
        self.below.partition_point(|below| *below < at) as u64
    }
}

/// Sizes of 50 to 1,000 bytes and costs of 1 to 2,000 ms, by key.
fn item(key: u64) -> Item {
    let hash = xxh3_64(&[key.to_le_bytes(), [7; 8]].concat());
    let cost = Duration::from_millis(1 + (hash >> 32) % 2000);
    Item { bytes: 50 + hash % 950, worth: cost, saves: cost, ends: FOREVER }
}

struct Exact {
    cache: Plain<()>,
    hits: u32,
    saved: f64,
}

impl Exact {
    fn new(policy: &str, factor: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "exact"
        )]
        let bytes_max = (BYTES_MAX as f64 * factor) as u64;
        let config = PoolConfig { bytes_max, entries_max: u64::MAX, shards: 1, objective: Objective::ComputeSaved };
        Self { cache: Plain::new(config, policy, 3).unwrap(), hits: 0, saved: 0.0 }
    }

    /// Reads through; whether it was a hit.
    fn read(&mut self, key: u64) -> bool {
        let item = item(key);
        let found = self.cache.get(&key.to_le_bytes(), NOW).is_some();
        if found {
            self.hits += 1;
            self.saved += item.saves.as_secs_f64();
        } else {
            let item = plain::Item { bytes: item.bytes, cost: item.worth, ends: FOREVER };
            self.cache.put(&key.to_le_bytes(), (), item);
        }
        found
    }
}

fn sampler(policy: &str, samples_max: usize) -> WhatIf {
    let limits = Quota { bytes: BYTES_MAX, entries: u64::MAX };
    let config = WhatIfConfig { limits, objective: Objective::ComputeSaved, samples_max, sample_every: 4 };
    let what_if = WhatIf::new(config);
    what_if.open(policy::find(policy).unwrap(), Quota { bytes: u64::MAX, entries: u64::MAX }, 1.0);
    what_if
}

/// Runs both over one stream: the true points, those of the sample, and the sampler.
fn compare(policy: &str, samples_max: usize) -> (Vec<Point>, Vec<Point>, WhatIf) {
    let what_if = sampler(policy, samples_max);
    let mut caches: Vec<_> = FACTORS.iter().map(|factor| Exact::new(policy, *factor)).collect();
    let mut zipf = Zipf::new();
    for _ in 0..GETS {
        let key = zipf.key();
        let hits: Vec<bool> = caches.iter_mut().map(|cache| cache.read(key)).collect();
        let hash = xxh3_64(&key.to_le_bytes());
        if what_if.samples(hash) {
            let answered = if hits[1] { Answered::Found(item(key)) } else { Answered::Absent };
            what_if.read((0, hash), answered, NOW);
            if !hits[1] {
                what_if.wrote((0, hash), item(key), NOW);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let reads = GETS as f64;
    let exact = caches.iter().zip(FACTORS).map(|(cache, factor)| Point {
        factor,
        hit_ratio: f64::from(cache.hits) / reads,
        saved: cache.saved,
    });
    let measured = Measured { reads, hits: f64::from(caches[1].hits), saved: caches[1].saved };
    (exact.collect(), curve(measured, &what_if.tally(0)), what_if)
}

#[track_caller]
fn close(policy: &str, samples_max: usize, (ratio_error, saved_error): (f64, f64)) {
    let (exact, found, what_if) = compare(policy, samples_max);
    for (exact, found) in exact.iter().zip(&found) {
        let (ratio, saved) =
            ((exact.hit_ratio - found.hit_ratio).abs(), (exact.saved - found.saved).abs() / exact.saved);
        let case = format!("{policy} at rate {:.4}: {found:?} where {exact:?}", what_if.rate());
        assert!(ratio <= ratio_error, "{case}: the hit ratio is off by {ratio:.4}");
        assert!(saved <= saved_error, "{case}: what is saved is off by {saved:.4}");
    }
    assert!(exact[3].hit_ratio > exact[0].hit_ratio + 0.1, "the curve is worth drawing");
}

#[test]
fn what_if_agrees_with_caches_of_each_size_under_lru() {
    close("lru", 8192, (0.01, 0.02));
}

#[test]
fn what_if_agrees_with_caches_of_each_size_under_the_cost_aware_policy() {
    close("cost_aware", 8192, (0.02, 0.04));
}

#[test]
fn what_if_agrees_with_a_small_sample() {
    close("lru", 1024, (0.03, 0.06));
}

/// Whoever chooses keys can choose their hashes. Where the least of all hashes are more than may be simulated, nothing is.
#[test]
fn chosen_hashes_turn_the_simulation_off_and_no_more() {
    // By Newton's method: what the sampler multiplies with, times this, is one.
    let multiplier = 0x9e37_79b9_7f4a_7c15_u64;
    let inverse = (0..6).fold(1_u64, |x, _| x.wrapping_mul(2_u64.wrapping_sub(multiplier.wrapping_mul(x))));
    let what_if = sampler("lru", 4);
    for least in 0..8_u64 {
        what_if.wrote((0, least.wrapping_mul(inverse)), Item { bytes: 1, ..item(1) }, NOW);
    }
    for least in 0..8_u64 {
        let hash = least.wrapping_mul(inverse);
        what_if.read((0, hash), Answered::Found(Item { bytes: 1, ..item(1) }), NOW);
    }
    let curve = curve(Measured { reads: 8.0, hits: 8.0, saved: 1.0 }, &what_if.tally(0));
    assert!(curve.iter().all(|point| point.hit_ratio.is_finite() && point.saved.is_finite()), "{curve:?}");
}

#[test]
fn what_is_simulated_is_bounded() {
    let what_if = sampler("lru", 200);
    let mut gets: HashMap<bool, u32> = HashMap::new();
    for key in 0..100_000u64 {
        let hash = xxh3_64(&key.to_le_bytes());
        let sampled = what_if.samples(hash);
        *gets.entry(sampled).or_default() += 1;
        if sampled {
            what_if.read((0, hash), Answered::Found(Item { bytes: 1, ..item(key) }), NOW);
        }
    }
    assert!(what_if.rate() < 200.0 / 90_000.0, "{}", what_if.rate());
    assert!(gets[&true] < 3000, "{gets:?}");
}

#[test]
fn what_has_ended_is_no_hit_at_any_size() {
    let what_if = sampler("lru", 8192);
    let sampled: Vec<u64> =
        (0..1000u64).map(|key| xxh3_64(&key.to_le_bytes())).filter(|hash| what_if.samples(*hash)).collect();
    assert!(sampled.len() > 100);
    for hash in &sampled {
        what_if.wrote((0, *hash), Item { ends: Moment(50), ..item(1) }, NOW);
        what_if.read((0, *hash), Answered::Absent, Moment(49));
        what_if.read((0, *hash), Answered::Absent, Moment(50));
    }
    let tally = what_if.tally(0);
    assert_eq!(tally.sampled, 2 * sampled.len() as u64);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let hits = sampled.len() as f64 / what_if.rate();
    assert!(tally.hits.iter().all(|found| (found - hits).abs() < 1e-6 * hits), "{tally:?}");
}

#[test]
fn without_samples_nothing_is_simulated() {
    let what_if = sampler("lru", 0);
    assert!((0..10_000u64).all(|key| !what_if.samples(xxh3_64(&key.to_le_bytes()))));
}
