//! The kinds of values that AI services cache: how large one is and how long it takes to compute. Which of them a
//! service asks for, and how often, is a mix's.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::IndexedRandom};
use rand_distr::{Distribution, StandardNormal};

use super::{Value, between};

/// One kind.
#[derive(Debug)]
pub struct Kind {
    /// What its keys begin with.
    pub letter: char,
    make: fn(&mut ChaCha8Rng) -> Value,
}

impl Kind {
    /// What a key of this kind stands for: always the same for the same seed.
    pub(super) fn value(&self, seed: u64, key: &str) -> Value {
        // FNV-1a: fixed for all times, which no hasher of a library promises.
        let start = 0xcbf2_9ce4_8422_2325 ^ seed;
        let hash = key.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        (self.make)(&mut ChaCha8Rng::seed_from_u64(hash))
    }
}

/// A number whose logarithm is normal, by its median and the spread of its logarithm.
fn log_normal(random: &mut ChaCha8Rng, median: f64, spread: f64) -> f64 {
    let normal: f64 = StandardNormal.sample(random);
    median * (spread * normal).exp()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held between bounds that fit")]
fn bytes(size: f64, least: f64, most: f64) -> u64 {
    size.clamp(least, most) as u64
}

/// An answer of a language model: 0.4 s to the first token, then about 60 tokens of four bytes a second.
pub(super) const ANSWER: Kind = Kind {
    letter: 'l',
    make: |random| {
        let size = log_normal(random, 3000.0, 1.0).clamp(300.0, 65_536.0);
        let seconds = 0.4 + size / (4.0 * 60.0) * between(random, 0.7, 1.3);
        Value { size: bytes(size, 300.0, 65_536.0), cost: seconds }
    },
};

/// A prediction: hundreds of bytes, tens of milliseconds.
pub(super) const PREDICTION: Kind = Kind {
    letter: 'p',
    make: |random| {
        let size = bytes(log_normal(random, 400.0, 0.6), 100.0, 2048.0);
        Value { size, cost: log_normal(random, 0.08, 0.6) }
    },
};

/// An embedding of 768, 1536 or 3072 numbers of four bytes.
pub(super) const EMBEDDING: Kind = Kind {
    letter: 'e',
    make: |random| {
        let size = [3072, 6144, 6144, 12_288].choose(random).copied().unwrap_or(6144);
        Value { size, cost: log_normal(random, 0.12, 0.4) }
    },
};

/// A generated image: hundreds of kilobytes, seconds.
pub(super) const IMAGE: Kind = Kind {
    letter: 'i',
    make: |random| {
        let size = bytes(log_normal(random, 400e3, 0.9), 60e3, 5e6);
        Value { size, cost: log_normal(random, 6.0, 0.5) }
    },
};

/// A model: loaded, and some of them converted or compiled as well.
const fn model(make: fn(&mut ChaCha8Rng) -> Value) -> Kind {
    Kind { letter: 'm', make }
}

/// A model from a fast disk: 150 MB a second, one in five takes up to 90 s more.
pub(super) const MODEL: Kind = model(|random| loaded(random, 150e6, 0.2, (20.0, 90.0)));

/// A model over the network: 60 MB a second, three in ten take up to 40 s more.
pub(super) const REMOTE_MODEL: Kind = model(|random| loaded(random, 60e6, 0.3, (5.0, 40.0)));

fn loaded(random: &mut ChaCha8Rng, bytes_per_second: f64, converted: f64, seconds: (f64, f64)) -> Value {
    let size = log_normal(random, 80e6, 1.2).clamp(5e6, 1e9);
    let loading = 1.0 + size / bytes_per_second * between(random, 0.7, 1.5);
    let more = if random.random_bool(converted) { between(random, seconds.0, seconds.1) } else { 0.0 };
    Value { size: bytes(size, 5e6, 1e9), cost: loading + more }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(kind: &Kind) -> Vec<Value> {
        (0..4000).map(|number| kind.value(7, &format!("{}{number}", kind.letter))).collect()
    }

    fn median(mut numbers: Vec<f64>) -> f64 {
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    }

    #[test]
    fn medians_are_what_the_kinds_say() {
        let kinds: [(&Kind, f64, f64); 5] = [
            (&ANSWER, 3000.0, 12.9),
            (&PREDICTION, 400.0, 0.08),
            (&EMBEDDING, 6144.0, 0.12),
            (&IMAGE, 400e3, 6.0),
            (&MODEL, 80e6, 1.9),
        ];
        for (kind, size, cost) in kinds {
            let values = values(kind);
            #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^53")]
            let sizes = median(values.iter().map(|value| value.size as f64).collect());
            let costs = median(values.iter().map(|value| value.cost).collect());
            assert!((0.93..1.07).contains(&(sizes / size)), "{}: {sizes} bytes", kind.letter);
            assert!((0.9..1.25).contains(&(costs / cost)), "{}: {costs} s", kind.letter);
        }
    }

    #[test]
    fn a_value_depends_on_seed_and_key_alone() {
        assert_eq!(ANSWER.value(1, "l5"), ANSWER.value(1, "l5"));
        assert_ne!(ANSWER.value(1, "l5"), ANSWER.value(2, "l5"));
        assert_ne!(ANSWER.value(1, "l5"), ANSWER.value(1, "l6"));
    }
}
