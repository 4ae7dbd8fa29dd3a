//! Makes up traffic of AI services, from a seed: sizes, costs and popularity of the kinds of values such services cache.
//!
//! No public trace has both sizes and seconds of computing, so these stand in for one; each kind's numbers are in
//! `kinds`, each mix in a file of its own. Made once and kept, because a million requests take a moment.

mod ai_mix;
mod kinds;
mod model_serving;

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Zipf};

use crate::trace::ENDING;

/// Every mix there is.
pub const MIXES: [&Mix; 2] = [&ai_mix::MIX, &model_serving::MIX];
/// Raised when the same seed would no longer make the same bytes, so that a kept file of before is not taken.
const REVISION: u32 = 2;
/// Requests after which a kind's popular keys have drifted by its `drift`.
const DRIFT_EVERY: f64 = 10_000.0;
const COMPRESSION: i32 = 3;

/// What is asked for by one part of the requests.
#[derive(Debug)]
pub struct Share {
    /// What it is.
    pub kind: &'static kinds::Kind,
    /// Its part of all requests.
    pub share: f64,
    /// Keys that are asked for more than once.
    pub keys: u32,
    /// Exponent of the Zipf distribution over them.
    pub skew: f64,
    /// Part of its requests whose key is never asked for again.
    pub once: f64,
    /// Keys by which the popular ones move in 10,000 requests of the whole mix.
    pub drift: f64,
}

/// A made-up trace.
#[derive(Debug)]
pub struct Mix {
    /// Its name.
    pub name: &'static str,
    /// Where its random numbers begin.
    pub seed: u64,
    /// How many requests.
    pub requests: u32,
    /// Whose shares sum up to 1.
    pub shares: &'static [Share],
}

/// What computing a value gives and takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Bytes.
    pub size: u64,
    /// Seconds.
    pub cost: f64,
}

impl Mix {
    /// Writes the first `requests` of it as lines of a trace.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, requests: u32, out: &mut impl Write) -> std::io::Result<()> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let popularity: Vec<_> = self.shares.iter().map(|share| Zipf::new(f64::from(share.keys), share.skew)).collect();
        let mut once = 0_u64;
        for time in 0..requests {
            let number = pick(self.shares, random.random());
            let (Some(share), Some(Ok(zipf))) = (self.shares.get(number), popularity.get(number)) else {
                return Err(std::io::Error::other(format!("{}: a share has no keys", self.name)));
            };
            let letter = share.kind.letter;
            let key = if random.random_bool(share.once) {
                once += 1;
                format!("{letter}x{once}")
            } else {
                format!("{letter}{}", drifted(zipf.sample(&mut random), share.drift, time))
            };
            let Value { size, cost } = share.kind.value(self.seed, &key);
            writeln!(out, "{time},{key},{size},get,{cost:.3}")?;
        }
        Ok(())
    }
}

/// The share that this fraction of one falls into.
fn pick(shares: &[Share], at: f64) -> usize {
    let mut end = 0.0;
    let found = shares.iter().position(|share| {
        end += share.share;
        at < end
    });
    found.unwrap_or(shares.len().saturating_sub(1))
}

/// The key that has this rank at this time: the popular ones make way for their neighbours.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks are whole, positive and small")]
fn drifted(rank: f64, drift: f64, time: u32) -> u64 {
    rank as u64 - 1 + (f64::from(time) / DRIFT_EVERY * drift) as u64
}

/// The file of a mix in this folder, which is made when there is none.
///
/// # Errors
/// It cannot be written.
pub fn file(mix: &Mix, folder: &Path) -> Result<PathBuf, String> {
    let folder = folder.join(format!("r{REVISION}"));
    let path = folder.join(format!("{}{ENDING}", mix.name));
    if path.is_file() {
        return Ok(path);
    }
    let told = |error: std::io::Error| format!("cannot make {}: {error}", path.display());
    fs::create_dir_all(&folder).map_err(told)?;
    // Under another name until it is whole, so that an interrupted run leaves nothing that looks like a trace.
    let unfinished = folder.join(format!("{}.{}", mix.name, std::process::id()));
    let file = BufWriter::new(File::create(&unfinished).map_err(told)?);
    let mut out = zstd::Encoder::new(file, COMPRESSION).map_err(told)?;
    mix.write(mix.requests, &mut out).map_err(told)?;
    out.finish().and_then(|mut file| file.flush()).map_err(told)?;
    fs::rename(&unfinished, &path).map_err(told)?;
    Ok(path)
}

/// A number between two, from any source of random numbers.
pub(crate) fn between(random: &mut impl Rng, least: f64, most: f64) -> f64 {
    random.random_range(least..most)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::trace::Trace;

    fn text(mix: &Mix, requests: u32) -> Vec<u8> {
        let mut out = Vec::new();
        mix.write(requests, &mut out).unwrap();
        out
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes() {
        for mix in MIXES {
            assert_eq!(text(mix, 5000), text(mix, 5000));
            let other = Mix { seed: mix.seed + 1, shares: mix.shares, ..*mix };
            assert_ne!(text(mix, 5000), text(&other, 5000));
        }
    }

    #[test]
    fn shares_are_whole_and_kept() {
        for mix in MIXES {
            let sum: f64 = mix.shares.iter().map(|share| share.share).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{}", mix.name);
            let text = String::from_utf8(text(mix, 50_000)).unwrap();
            let mut counts: HashMap<char, f64> = HashMap::new();
            for key in text.lines().filter_map(|line| line.split(',').nth(1)) {
                *counts.entry(key.chars().next().unwrap()).or_default() += 1.0 / 50_000.0;
            }
            for share in mix.shares {
                let counted = counts[&share.kind.letter];
                assert!((counted - share.share).abs() < 0.01, "{} {}: {counted}", mix.name, share.kind.letter);
            }
        }
    }

    #[test]
    fn a_key_has_one_size_and_one_cost_and_they_are_within_bounds() {
        for mix in MIXES {
            let trace = Trace::read(mix.name.into(), &text(mix, 50_000)[..]).unwrap();
            let mut known = HashMap::new();
            for request in &trace.requests {
                let value = (request.size, request.cost.to_bits());
                assert_eq!(*known.entry(request.key).or_insert(value), value);
                assert!((100..=1_000_000_000).contains(&request.size), "{request:?}");
                assert!((0.0..=360.0).contains(&request.cost), "{request:?}");
            }
            assert!(trace.has_costs && !trace.is_unit());
        }
    }

    #[test]
    fn few_models_hold_most_bytes() {
        let trace = Trace::read("m".into(), &text(&model_serving::MIX, 100_000)[..]).unwrap();
        let large = |limit| {
            let mut seen = HashMap::new();
            for request in trace.requests.iter().filter(|request| request.size >= limit) {
                seen.insert(request.key, request.size);
            }
            (seen.len(), seen.values().sum::<u64>())
        };
        let (count, bytes) = large(5_000_001);
        assert!((200..320).contains(&count), "{count}");
        assert!(bytes > trace.footprint * 7 / 10, "{bytes} of {}", trace.footprint);
    }

    #[test]
    fn popular_keys_drift() {
        assert_eq!(drifted(1.0, 40.0, 0), 0);
        assert_eq!(drifted(1.0, 40.0, 25_000), 100);
        assert_eq!(drifted(3.0, 0.1, 99_999), 2);
    }

    #[test]
    fn a_file_is_made_once() {
        let small = Mix { requests: 100, shares: ai_mix::MIX.shares, ..ai_mix::MIX };
        let folder = std::env::temp_dir().join(format!("hotplate-bench-made-{}", std::process::id()));
        let path = file(&small, &folder).unwrap();
        let made = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(Trace::open(&path).unwrap().requests.len(), 100);
        assert_eq!(file(&small, &folder).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), made);
        fs::remove_dir_all(folder).unwrap();
    }
}
