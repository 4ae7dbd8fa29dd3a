//! How large values are: one size, a range, or a list with weights. Which key has which size follows from the key, so that
//! whoever reads a key knows what must come.

use crate::dice::mix;

/// The largest value a load may have: 1 TiB.
const SIZE_MAX: u64 = 1 << 40;
/// Sizes a list may name.
const CHOICES_MAX: usize = 64;

/// A distribution of sizes, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    text: String,
    spread: Spread,
}

#[derive(Clone, Debug, PartialEq)]
enum Spread {
    Same(u64),
    /// Every power of two between the two ends is as likely as any other.
    LogUniform(u64, u64),
    /// Sizes with the share of keys up to and with each, in 2^-64.
    Weighted(Vec<(u64, u64)>),
}

impl Sizes {
    /// Reads `100`, `64KiB`, `100..1MiB` (log-uniform, both ends with it) or `100:90,64KiB:10` (sizes with weights).
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spread = if let Some((low, high)) = text.split_once("..") {
            let (low, high) = (parse_bytes(low)?, parse_bytes(high)?);
            if low == 0 || low > high {
                return Err(format!("`{text}`: a range goes from 1 byte or more to no less than that"));
            }
            Spread::LogUniform(low, high)
        } else if text.contains(':') {
            Spread::Weighted(weighted(text)?)
        } else {
            Spread::Same(parse_bytes(text)?)
        };
        Ok(Self { text: text.to_owned(), spread })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The size of a key's value.
    pub(crate) fn of(&self, key: u64, seed: u64) -> u64 {
        let dice = mix(key ^ mix(seed ^ 0x5173));
        match &self.spread {
            Spread::Same(size) => *size,
            Spread::LogUniform(low, high) => log_uniform(*low, *high, dice),
            Spread::Weighted(shares) => {
                let found = shares.iter().find(|(_, upto)| dice <= *upto);
                found.or(shares.last()).map_or(0, |(size, _)| *size)
            }
        }
    }

    /// The largest size there is.
    #[must_use]
    pub fn max(&self) -> u64 {
        match &self.spread {
            Spread::Same(size) => *size,
            Spread::LogUniform(_, high) => *high,
            Spread::Weighted(shares) => shares.iter().map(|(size, _)| *size).max().unwrap_or_default(),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size is right when it is right to 15 digits, and is clamped"
)]
fn log_uniform(low: u64, high: u64, dice: u64) -> u64 {
    let share = dice as f64 / u64::MAX as f64;
    let size = (low as f64).ln() + share * ((high as f64).ln() - (low as f64).ln());
    (size.exp().round() as u64).clamp(low, high)
}

fn weighted(text: &str) -> Result<Vec<(u64, u64)>, String> {
    let choices: Vec<&str> = text.split(',').collect();
    if choices.len() > CHOICES_MAX {
        return Err(format!("a list has at most {CHOICES_MAX} sizes"));
    }
    let mut sizes = Vec::new();
    for choice in choices {
        let wrong = || format!("`{choice}`: a size and its weight, such as 64KiB:10");
        let (size, weight) = choice.split_once(':').ok_or_else(wrong)?;
        let weight: u32 = weight.trim().parse().ok().filter(|weight| *weight > 0).ok_or_else(wrong)?;
        sizes.push((parse_bytes(size)?, u128::from(weight)));
    }
    let all: u128 = sizes.iter().map(|(_, weight)| weight).sum();
    let mut upto = 0;
    Ok(sizes
        .into_iter()
        .map(|(size, weight)| {
            upto += weight;
            (size, u64::try_from(upto * u128::from(u64::MAX) / all).unwrap_or(u64::MAX))
        })
        .collect())
}

/// Reads a number of bytes: `100`, `64KiB`, `1MiB`, `2GiB`, or in thousands `64kB`, `1MB`, `2GB`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is no number of bytes: use 100, 64KiB, 1MiB or 2GiB, up to 1 TiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().ok().ok_or_else(wrong)?;
    number.checked_mul(scale).filter(|bytes| *bytes <= SIZE_MAX).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_form() {
        for (text, bytes) in [("0", 0), ("100", 100), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GB", 2_000_000_000)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5KiB", "1PiB", "99999999999999999999", "2048GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        for text in ["10..5", "0..5", "1:0", "1:2,3", "a:b", ".."] {
            assert!(Sizes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_has_as_many_keys_in_each_power_of_ten() {
        let sizes = Sizes::parse("100..1000000").expect("a range");
        let mut decades = [0_u32; 4];
        for key in 0..40_000 {
            let size = sizes.of(key, 7);
            assert!((100..=1_000_000).contains(&size));
            decades[(size.ilog10() - 2).min(3) as usize] += 1;
        }
        assert!(decades.iter().all(|count| (9_500..10_500).contains(count)), "{decades:?}");
        assert_eq!(sizes.max(), 1_000_000);
    }

    #[test]
    fn weights_decide_how_many_keys_have_a_size() {
        let sizes = Sizes::parse("100:90,64KiB:10").expect("a list");
        let small = (0..10_000).filter(|key| sizes.of(*key, 1) == 100).count();
        assert!((8_800..9_200).contains(&small), "{small}");
        assert_eq!((sizes.max(), sizes.of(5, 1)), (65_536, sizes.of(5, 1)));
    }
}
