//! When a namespace gets a dictionary: samples of its small values, what is trained from them and whether it helps, and when
//! that is over. Where a dictionary is kept is not known here.

use hotplate_engine::compress::Said;
use zstd::dict::from_samples;

use super::{
    dictionary::{DICTIONARY_BYTES_MAX, Dictionaries},
    pack::Packer,
};

/// Samples that a dictionary is trained from.
pub(super) const SAMPLES_MAX: usize = 2000;
/// Bytes of samples of one namespace: all namespaces together hold 64 MiB at most.
const SAMPLE_BYTES_MAX: usize = 2 << 20;
/// With fewer bytes than this times its own a dictionary would know the samples by heart.
const SAMPLES_PER_DICTIONARY: usize = 16;
/// Smallest dictionary that is trained.
const DICTIONARY_BYTES_MIN: usize = 4 << 10;
/// One of so many samples is not trained from, but tried with what came of it.
const TRIED_EACH: usize = 8;
/// A dictionary is taken when values become this share of what they become without, or less.
const HELPS_FROM: f64 = 0.9;
/// Values over which the ratio is measured.
const WINDOW_VALUES: u64 = 1000;
/// Trained anew when what is stored has grown by this against the first window.
const WORSE_BY: f64 = 1.2;
/// Values that go by before samples are taken again after a dictionary did not help.
const REST_VALUES: u64 = 100_000;

/// What a namespace's samples are at.
pub(super) enum Sampling {
    /// Being taken.
    Taking(Vec<Vec<u8>>, usize),
    /// Being trained from.
    Training,
    /// There is a dictionary: how it does.
    Watching(Window, Option<f64>),
    /// None helps: for so many more values nothing is tried.
    Resting(u64),
}

/// Sizes of values since it began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    values: u64,
    raw: u64,
    stored: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self::Taking(Vec::new(), 0)
    }
}

impl Sampling {
    pub(super) fn adopted() -> Self {
        Self::Watching(Window::default(), None)
    }

    pub(super) fn resting() -> Self {
        Self::Resting(REST_VALUES)
    }

    /// Bytes of samples that are held.
    pub(super) fn bytes(&self) -> u64 {
        if let Self::Taking(_, bytes) = self { *bytes as u64 } else { 0 }
    }

    /// Notes a value and what it became; the samples, when they are enough.
    pub(super) fn note(&mut self, value: &[u8], stored: u64) -> Option<Vec<Vec<u8>>> {
        match self {
            Self::Taking(samples, bytes) => {
                samples.push(value.to_vec());
                *bytes += value.len();
                if samples.len() < SAMPLES_MAX && *bytes < SAMPLE_BYTES_MAX {
                    return None;
                }
                let samples = std::mem::take(samples);
                *self = Self::Training;
                return Some(samples);
            }
            Self::Training => {}
            Self::Watching(window, first) => {
                let ratio = window.note(value.len() as u64, stored)?;
                match *first {
                    None => *first = Some(ratio),
                    Some(first) if ratio > first * WORSE_BY => *self = Self::default(),
                    Some(_) => {}
                }
            }
            Self::Resting(0) => *self = Self::default(),
            Self::Resting(left) => *left -= 1,
        }
        None
    }
}

impl Window {
    /// The ratio, each time the window is full.
    fn note(&mut self, raw: u64, stored: u64) -> Option<f64> {
        self.values += 1;
        self.raw += raw;
        self.stored += stored;
        if self.values < WINDOW_VALUES {
            return None;
        }
        let ratio = self.stored as f64 / self.raw.max(1) as f64;
        *self = Self::default();
        Some(ratio)
    }
}

/// Trains a dictionary: takes up to some seconds. `None` when it would not help.
pub(super) fn train(samples: &[Vec<u8>], level: i32) -> Option<Vec<u8>> {
    let (tried, trained): (Vec<_>, Vec<_>) = samples.iter().enumerate().partition(|(place, _)| place % TRIED_EACH == 0);
    let trained: Vec<&[u8]> = trained.into_iter().map(|(_, sample)| sample.as_slice()).collect();
    let bytes: usize = trained.iter().map(|sample| sample.len()).sum();
    let size = (bytes / SAMPLES_PER_DICTIONARY).min(DICTIONARY_BYTES_MAX / 2);
    if size < DICTIONARY_BYTES_MIN {
        return None;
    }
    let dictionary = from_samples(&trained, size).ok()?;
    let with = Dictionaries::new(level);
    let name = "samples".into();
    if !with.adopt(&name, &dictionary) {
        return None;
    }
    let encoder = with.namespace(&name)?.current()?;
    let packer = Packer::new(level, 1.0);
    let (mut alone, mut helped) = (0, 0);
    for (_, sample) in tried {
        alone += packer.pack(sample, Said::default()).map_or(sample.len(), |packed| packed.len());
        helped += packer.pack_with(sample, &encoder.dictionary).map_or(sample.len(), |packed| packed.len());
    }
    (helped as f64 <= alone as f64 * HELPS_FROM).then_some(dictionary)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn values_that_have_nothing_in_common_get_no_dictionary() {
        let random = &mut StdRng::seed_from_u64(6);
        let noise = |_| {
            let mut bytes = vec![0; 1024];
            random.fill(&mut bytes[..]);
            bytes
        };
        let samples: Vec<_> = (0..SAMPLES_MAX).map(noise).collect();
        assert_eq!(train(&samples, 1), None);
        assert_eq!(train(&samples[..20], 1), None, "too few");
        assert_eq!(train(&[], 1), None);
    }

    #[test]
    fn after_a_rest_samples_are_taken_again_and_given_out_once() {
        let mut sampling = Sampling::resting();
        for _ in 0..=REST_VALUES {
            assert_eq!(sampling.note(b"value", 5), None);
        }
        for _ in 1..SAMPLES_MAX {
            assert_eq!(sampling.note(b"value", 5), None);
        }
        assert_eq!(sampling.note(b"value", 5).map(|samples| samples.len()), Some(SAMPLES_MAX));
        assert_eq!((sampling.note(b"value", 5), sampling.bytes()), (None, 0));
    }
}
