//! What the hit ratio and the compute saved would be at half, once, twice and four times the memory: the configured
//! policies, simulated in miniature (see `miniature`) on a sample of the keys. No key and no value is known here.
//!
//! Keys are sampled by their hash, as in SHARDS (Waldspurger, Park, Garthwaite and Ahmad, "Efficient MRC construction with
//! SHARDS", FAST 2015), with a bound on the entries that are simulated: where there are more, the threshold falls, and what
//! is above it is forgotten (SHARDS-max). A call on a key that is not sampled costs one comparison. The simulations give
//! differences between sizes; these are added to what was measured at the real size, so that keys which are read very often
//! and happen to be in the sample, or not, do not disturb the curve (the correction that paper calls SHARDS-adj).
//!
//! What simulations do not know: invalidations of entries which the real cache has evicted before, and idle lifetimes.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;

use super::miniature::Miniature;
use crate::{
    clock::Moment,
    policy::{Objective, Registered},
};

/// Sizes that are simulated, as parts of the memory there is.
pub const FACTORS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
/// The place of the real size among them.
const REAL: usize = 1;
/// By how much the threshold falls when too much is simulated.
const FALL: u64 = 8;

/// Limits of bytes and entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Charged bytes at most.
    pub bytes: u64,
    /// Entries at most.
    pub entries: u64,
}

/// How a sample is taken.
#[derive(Clone, Copy, Debug)]
pub struct WhatIfConfig {
    /// The server's limits.
    pub limits: Quota,
    /// What a hit is worth.
    pub objective: Objective,
    /// Entries simulated at each size at most.
    pub samples_max: usize,
    /// One key in this many is sampled, or fewer.
    pub sample_every: u64,
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Bytes charged.
    pub bytes: u64,
    /// What computing it cost, known or estimated: what policies compare.
    pub worth: Duration,
    /// What a hit is counted to save: the cost, as far as it is known.
    pub saves: Duration,
    /// When it ends.
    pub ends: Moment,
}

/// What the real cache answered.
#[derive(Clone, Copy, Debug)]
pub enum Answered {
    /// With this entry.
    Found(Item),
    /// With nothing, though a larger memory might have something: a Put will bring it.
    Absent,
    /// With nothing, and no memory would have anything: it has expired or was invalidated.
    Gone,
    /// With nothing that this caller takes.
    Unwanted,
}

/// What simulations of one namespace came to since they began, scaled up to all keys.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Sampled Gets.
    pub sampled: u64,
    /// Hits by size.
    pub hits: [f64; FACTORS.len()],
    /// Seconds of compute saved by size.
    pub saved: [f64; FACTORS.len()],
}

/// What was really counted while a tally was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Gets.
    pub reads: f64,
    /// Hits among them.
    pub hits: f64,
    /// Seconds of compute they saved.
    pub saved: f64,
}

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Times the memory there is.
    pub factor: f64,
    /// Share of Gets that would be hits, 0 to 1.
    pub hit_ratio: f64,
    /// Seconds of compute that would be saved.
    pub saved: f64,
}

/// The sample of one store and its simulations.
#[derive(Debug)]
pub struct WhatIf {
    /// Keys whose mixed hash is below it are sampled.
    threshold: AtomicU64,
    samples_max: usize,
    simulated: Mutex<Simulated>,
}

#[derive(Debug)]
struct Simulated {
    sizes: [Miniature; FACTORS.len()],
    tallies: Vec<Tally>,
}

impl WhatIf {
    /// Simulates nothing yet. With `samples_max` zero it never will.
    #[must_use]
    pub fn new(config: WhatIfConfig) -> Self {
        let threshold = if config.samples_max == 0 { 0 } else { u64::MAX / config.sample_every.max(1) };
        let sizes = FACTORS.map(|factor| Miniature::new(factor, config.limits, config.objective));
        Self {
            threshold: AtomicU64::new(threshold),
            samples_max: config.samples_max,
            simulated: Mutex::new(Simulated { sizes, tallies: Vec::new() }),
        }
    }

    /// Adds the next namespace: they are numbered from zero.
    pub fn open(&self, policy: Registered, quota: Quota, weight: f64) {
        let mut simulated = self.simulated.lock();
        simulated.sizes.iter_mut().for_each(|size| size.open(policy, quota, weight));
        simulated.tallies.push(Tally::default());
    }

    /// Whether a key is sampled: one multiplication and one comparison.
    #[inline]
    #[must_use]
    pub fn samples(&self, hash: u64) -> bool {
        mixed(hash) < self.threshold.load(Relaxed)
    }

    /// A Get of a sampled key. Nothing happens when it is no longer sampled: that may have changed since it was asked.
    pub fn read(&self, place: (usize, u64), answered: Answered, now: Moment) {
        let mut simulated = self.simulated.lock();
        if !self.samples(place.1) {
            return;
        }
        let rate = self.rate();
        let Simulated { sizes, tallies } = &mut *simulated;
        let Some(tally) = tallies.get_mut(place.0) else { return };
        tally.sampled += 1;
        let found = match answered {
            Answered::Found(item) => Some(item),
            Answered::Absent => None,
            Answered::Gone => return sizes.iter_mut().for_each(|size| size.remove(place)),
            Answered::Unwanted => return,
        };
        for (number, size) in sizes.iter_mut().enumerate() {
            if let Some(item) = size.read(place, found.map(|item| item.ends), now) {
                tally.hits[number] += 1.0 / rate;
                tally.saved[number] += item.saves.as_secs_f64() / rate;
            } else if let Some(item) = found {
                size.store(place, item, rate);
            }
        }
        self.bound(&mut simulated, now);
    }

    /// A Put of a sampled key.
    pub fn wrote(&self, place: (usize, u64), item: Item, now: Moment) {
        let mut simulated = self.simulated.lock();
        if !self.samples(place.1) {
            return;
        }
        let rate = self.rate();
        simulated.sizes.iter_mut().for_each(|size| size.store(place, item, rate));
        self.bound(&mut simulated, now);
    }

    /// A sampled key was invalidated, or has ended.
    pub fn dropped(&self, place: (usize, u64)) {
        self.simulated.lock().sizes.iter_mut().for_each(|size| size.remove(place));
    }

    /// Takes out what has ended. Looks at everything that is simulated, which is bounded; call it now and then.
    pub fn sweep(&self, now: Moment) {
        for number in 0..FACTORS.len() {
            self.simulated.lock().sizes[number].retain(now, |_| true);
        }
    }

    /// What the simulations of a namespace came to.
    #[must_use]
    pub fn tally(&self, space: usize) -> Tally {
        self.simulated.lock().tallies.get(space).copied().unwrap_or_default()
    }

    /// Share of the keys that are sampled.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = self.threshold.load(Relaxed) as f64 / u64::MAX as f64;
        share
    }

    /// Lowers the threshold while more is simulated than may be; down to none, if need be.
    fn bound(&self, simulated: &mut Simulated, now: Moment) {
        while simulated.sizes.iter().any(|size| size.entries() > self.samples_max) {
            let before = self.threshold.load(Relaxed);
            let threshold = before - before.div_ceil(FALL);
            self.threshold.store(threshold, Relaxed);
            simulated.sizes.iter_mut().for_each(|size| size.retain(now, |hash| mixed(hash) < threshold));
        }
    }
}

/// Makes the sample independent of how shards and logs split the same hashes.
#[inline]
fn mixed(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The curve: what was measured, plus what the simulations differ by.
#[must_use]
pub fn curve(measured: Measured, tally: &Tally) -> Vec<Point> {
    let points = FACTORS.iter().enumerate().map(|(number, factor)| {
        let more = tally.hits[number] - tally.hits[REAL];
        let ratio = if measured.reads > 0.0 { (measured.hits + more) / measured.reads } else { 0.0 };
        let saved = measured.saved + tally.saved[number] - tally.saved[REAL];
        Point { factor: *factor, hit_ratio: ratio.clamp(0.0, 1.0), saved: saved.max(0.0) }
    });
    points.collect()
}

impl Tally {
    /// With another added.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let add =
            |a: [f64; FACTORS.len()], b: [f64; FACTORS.len()]| std::array::from_fn(|number| a[number] + b[number]);
        Self {
            sampled: self.sampled + other.sampled,
            hits: add(self.hits, other.hits),
            saved: add(self.saved, other.saved),
        }
    }

    /// Since an earlier one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less =
            |a: [f64; FACTORS.len()], b: [f64; FACTORS.len()]| std::array::from_fn(|number| a[number] - b[number]);
        Self {
            sampled: self.sampled.saturating_sub(earlier.sampled),
            hits: less(self.hits, earlier.hits),
            saved: less(self.saved, earlier.saved),
        }
    }
}

impl Quota {
    /// These times a share, at least one entry.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "limits need no more digits")]
    #[expect(clippy::cast_sign_loss, reason = "shares are positive")]
    pub(super) fn scaled(self, share: f64) -> Self {
        Self { bytes: (self.bytes as f64 * share) as u64, entries: ((self.entries as f64 * share) as u64).max(1) }
    }
}
