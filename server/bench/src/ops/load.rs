//! Keys, values and the order in which they are asked for. Made before anything is measured.

use std::sync::Arc;

use clap::ValueEnum;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Zipf};

use super::{Asked, Operation, Plan};

/// Exponent of the Zipf distribution of keys.
const SKEW: f64 = 0.99;
/// Part of the capacity that the keys of `hit` fill: less than all of it, so that caches which divide it among shards
/// hold every one of them.
const RESIDENT: f64 = 0.8;
/// Bytes of a value, and how many different ones there are: so many that two threads seldom share one's count.
const VALUE_BYTES: usize = 64;
const VALUES: usize = 1 << 16;
const SEED: u64 = 20_261_121;

/// What keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyKind {
    /// Numbers of 64 bits
    U64,
    /// Strings of 49 bytes
    Str49,
}

impl KeyKind {
    /// Its name in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::U64 => "u64",
            Self::Str49 => "str49",
        }
    }
}

/// A value.
pub type Value = Arc<[u8]>;

/// Everything a store is asked for and given.
pub struct Load {
    /// What keys are.
    pub kind: KeyKind,
    /// Keys as numbers, most popular first.
    pub numbers: Vec<u64>,
    /// The same keys as strings.
    pub strings: Vec<Box<str>>,
    /// Values, to be taken in turn.
    pub values: Vec<Value>,
    /// How many of the most popular keys `hit` asks for.
    pub resident: usize,
    /// For each thread: which keys, of all; a stretch for each round and one to warm up.
    all: Vec<Vec<u32>>,
    /// For each thread: which keys, of the resident; one stretch.
    held: Vec<Vec<u32>>,
}

impl Load {
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of keys are small and positive"
    )]
    pub(super) fn new(kind: KeyKind, plan: &Plan) -> Self {
        let numbers: Vec<u64> = (0..plan.keys as u64).map(scrambled).collect();
        let strings = match kind {
            KeyKind::U64 => Vec::new(),
            KeyKind::Str49 => numbers.iter().map(|number| string(*number)).collect(),
        };
        let resident = ((plan.capacity as f64 * RESIDENT) as usize).clamp(1, plan.keys);
        let threads = plan.threads.iter().copied().max().unwrap_or(1);
        let orders = |keys: usize, rounds: usize, seed: u64| {
            (0..threads).map(|thread| order(keys, rounds * plan.operations, seed + thread as u64)).collect()
        };
        Self {
            kind,
            numbers,
            strings,
            values: (0..VALUES).map(|number| Value::from([number as u8; VALUE_BYTES])).collect(),
            resident,
            all: orders(plan.keys, plan.rounds + 1, SEED),
            held: orders(resident, 1, SEED + 1000),
        }
    }

    /// The keys a thread asks for in a round, by number.
    #[must_use]
    pub(super) fn order(&self, asked: &Asked<'_>, thread: usize, round: usize) -> &[u32] {
        match asked.operation {
            Operation::Hit => &self.held[thread],
            _ => &self.all[thread][round * asked.operations..][..asked.operations],
        }
    }

    /// The value of the key with this number.
    #[inline]
    #[must_use]
    pub fn value(&self, number: u32) -> Value {
        self.values[number as usize % VALUES].clone()
    }
}

/// Numbers in an order in which neighbours have nothing in common (the finaliser of splitmix64).
fn scrambled(number: u64) -> u64 {
    let mixed = (number.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn string(number: u64) -> Box<str> {
    format!("tenant/embeddings/v3/sha256:{number:021}").into()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are whole, positive and small"
)]
fn order(keys: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    match Zipf::new(keys as f64, SKEW) {
        Ok(zipf) => (0..count).map(|_| zipf.sample(&mut random) as u32 - 1).collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn strings_have_49_bytes_and_keys_are_different() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(string(number).len(), 49);
        }
        let numbers: HashSet<_> = (0..100_000).map(scrambled).collect();
        assert_eq!(numbers.len(), 100_000);
    }

    #[test]
    fn orders_are_skewed_seeded_and_within_bounds() {
        let keys = order(1000, 20_000, 5);
        assert_eq!(keys, order(1000, 20_000, 5));
        assert_ne!(keys, order(1000, 20_000, 6));
        assert!(keys.iter().all(|key| *key < 1000));
        let first = keys.iter().filter(|key| **key == 0).count();
        assert!((2000..3500).contains(&first), "{first}");
    }
}
