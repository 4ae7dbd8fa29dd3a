//! Which key comes next: uniform or Zipf, from a seed. The generator of numbers, and nothing of what is done with the keys.

use rand_distr::{Distribution, Zipf};

/// Scrambles a number: the finalizer of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators",
/// 2014). Every input has another output.
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// SplitMix64: a few instructions a number, which is what choosing a key may cost. Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        let number = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        number
    }

    /// A number below `bound`, which is above zero, by Lemire's multiplication: its bias is below 2^-32 for our bounds.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.roll()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// Whether something of this probability happens.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are enough for a probability")]
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        ((self.roll() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }
}

impl rand::TryRng for Dice {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::try_from(self.roll() >> 32).unwrap_or_default())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.roll())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.roll().to_le_bytes()[..piece.len()]);
        }
        Ok(())
    }
}

/// How keys are chosen.
#[derive(Clone, Debug)]
pub(crate) enum Picks {
    /// Each as often as any other.
    Uniform(u64),
    /// Key number k, from 0, in proportion to 1 / (k + 1)^s.
    Zipf(Zipf<f64>),
}

impl Picks {
    /// Of so many keys, at least one; with `exponent` by Zipf's law.
    ///
    /// # Errors
    /// A sentence, for an exponent that is none.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 keys")]
    pub(crate) fn new(keys: u64, exponent: Option<f64>) -> Result<Self, String> {
        match exponent {
            None => Ok(Self::Uniform(keys)),
            Some(s) => match Zipf::new(keys as f64, s) {
                Ok(zipf) => Ok(Self::Zipf(zipf)),
                Err(wrong) => Err(format!("zipf {s}: {wrong}")),
            },
        }
    }

    /// The next key.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank from 1 to the number of keys")]
    pub(crate) fn pick(&self, dice: &mut Dice) -> u64 {
        match self {
            Self::Uniform(keys) => dice.below(*keys),
            Self::Zipf(zipf) => zipf.sample(dice) as u64 - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws, and how often each key came.
    fn drawn(picks: &Picks, keys: usize, draws: u32) -> Vec<f64> {
        let mut counts = vec![0_u32; keys];
        let mut dice = Dice::new(11);
        for _draw in 0..draws {
            counts[usize::try_from(picks.pick(&mut dice)).expect("a small number")] += 1;
        }
        counts.into_iter().map(|count| f64::from(count) / f64::from(draws)).collect()
    }

    #[test]
    fn zipf_keys_come_in_proportion_to_a_power_of_their_rank() {
        for s in [0.7, 0.99, 1.3] {
            let keys = 1_000;
            let shares = drawn(&Picks::new(keys, Some(s)).expect("an exponent"), 1_000, 400_000);
            let all: f64 = (1..=keys).map(|k| 1.0 / f64::from(u32::try_from(k).expect("small")).powf(s)).sum();
            for rank in [1_u32, 2, 3, 10, 30] {
                let expected = 1.0 / f64::from(rank).powf(s) / all;
                let share = shares[rank as usize - 1];
                assert!((share / expected - 1.0).abs() < 0.08, "s {s} rank {rank}: {share} for {expected}");
            }
            let tail: f64 = shares[500..].iter().sum();
            let expected: f64 = (501..=1_000_u32).map(|k| 1.0 / f64::from(k).powf(s)).sum::<f64>() / all;
            assert!((tail / expected - 1.0).abs() < 0.05, "s {s}: the second half {tail} for {expected}");
        }
    }

    #[test]
    fn uniform_keys_come_equally_often() {
        let shares = drawn(&Picks::new(16, None).expect("keys"), 16, 160_000);
        assert!(shares.iter().all(|share| (share * 16.0 - 1.0).abs() < 0.05), "{shares:?}");
    }

    #[test]
    fn a_seed_says_all() {
        let (mut one, mut other) = (Dice::new(3), Dice::new(3));
        assert!((0..100).all(|_| one.roll() == other.roll()));
        assert_ne!(Dice::new(3).roll(), Dice::new(4).roll());
        assert!(Picks::new(10, Some(-1.0)).is_err());
        let happened = (0..10_000).filter(|_| one.happens(0.25)).count();
        assert!((2_300..2_700).contains(&happened), "{happened}");
    }
}
