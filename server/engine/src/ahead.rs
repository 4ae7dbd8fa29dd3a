//! When an entry that is still fresh is due to be renewed. Pure: neither clock nor randomness of its own.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    clock::Moment,
    error::{Error, Reason, Result},
};

/// Largest share of a TTL in which an entry is renewed ahead.
pub const FRACTION_MAX: f64 = 0.9;
/// Largest factor of XFetch.
pub const XFETCH_BETA_MAX: f64 = 100.0;

const PARTS_PER_MILLION: f64 = 1e6;
const PARTS_PER_THOUSAND: f64 = 1e3;

/// When an entry that is still fresh is due to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshAhead {
    /// Not before its end.
    Never,
    /// In this last share of its TTL, in millionths.
    Fraction(u32),
    /// By XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015) with this
    /// factor, in thousandths.
    Xfetch(u32),
}

/// What is known of an entry when it is asked whether it is due.
#[derive(Clone, Copy, Debug)]
pub struct Age {
    /// Now.
    pub now: Moment,
    /// When it was stored or confirmed.
    pub stored: Moment,
    /// When it stops being fresh.
    pub fresh_until: Moment,
    /// What computing it cost.
    pub cost: Duration,
}

impl RefreshAhead {
    /// In this last share of the TTL, to the millionth; zero: never.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for less than 0 or more than [`FRACTION_MAX`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 900,000")]
    pub fn fraction(share: f64) -> Result<Self> {
        if !(0.0..=FRACTION_MAX).contains(&share) {
            let rule = format!("a fraction of the TTL is from 0 to {FRACTION_MAX}, not {share}");
            return Err(Error::invalid(Reason::BadArgument, "refresh_ahead.fraction", rule));
        }
        let parts = (share * PARTS_PER_MILLION).round() as u32;
        Ok(if parts == 0 { Self::Never } else { Self::Fraction(parts) })
    }

    /// By XFetch with this factor, to the thousandth.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for less than a thousandth or more than [`XFETCH_BETA_MAX`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to 100,000")]
    pub fn xfetch(beta: f64) -> Result<Self> {
        if !(1.0 / PARTS_PER_THOUSAND..=XFETCH_BETA_MAX).contains(&beta) {
            let rule = format!("the factor of XFetch is from 0.001 to {XFETCH_BETA_MAX}, not {beta}");
            return Err(Error::invalid(Reason::BadArgument, "refresh_ahead.xfetch_beta", rule));
        }
        Ok(Self::Xfetch((beta * PARTS_PER_THOUSAND).round() as u32))
    }

    /// The share of the TTL, for a fraction.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        if let Self::Fraction(parts) = self { Some(f64::from(parts) / PARTS_PER_MILLION) } else { None }
    }

    /// The factor, for XFetch.
    #[must_use]
    pub fn beta(self) -> Option<f64> {
        if let Self::Xfetch(parts) = self { Some(f64::from(parts) / PARTS_PER_THOUSAND) } else { None }
    }

    /// Whether a fresh entry is due; `random`, above 0 and at most 1, decides for XFetch.
    #[must_use]
    pub fn is_due(self, age: Age, random: f64) -> bool {
        let left = age.fresh_until.since(age.now);
        match self {
            Self::Never => false,
            Self::Fraction(parts) => {
                let ttl = age.fresh_until.since(age.stored);
                left <= ttl.mul_f64(f64::from(parts) / PARTS_PER_MILLION)
            }
            Self::Xfetch(parts) => {
                let early = age.cost.as_secs_f64() * f64::from(parts) / PARTS_PER_THOUSAND * -random.ln();
                early >= left.as_secs_f64()
            }
        }
    }
}

impl fmt::Display for RefreshAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("off"),
            Self::Fraction(parts) => write!(f, "{}", f64::from(*parts) / PARTS_PER_MILLION),
            Self::Xfetch(parts) => write!(f, "xfetch:{}", f64::from(*parts) / PARTS_PER_THOUSAND),
        }
    }
}

impl FromStr for RefreshAhead {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let form = |_| format!("`{text}` says no time: write `off`, a share of the TTL like `0.2`, or `xfetch:1`");
        let checked = |ahead: Result<Self>| ahead.map_err(|error| error.message().to_owned());
        match text.trim() {
            "off" => Ok(Self::Never),
            "xfetch" => checked(Self::xfetch(1.0)),
            text => match text.strip_prefix("xfetch:") {
                Some(beta) => checked(Self::xfetch(beta.parse().map_err(form)?)),
                None => checked(Self::fraction(text.parse().map_err(form)?)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn age(now_ms: u64, cost_ms: u64) -> Age {
        let at = |ms: u64| Moment(ms * 1_000_000);
        Age { now: at(now_ms), stored: at(0), fresh_until: at(10_000), cost: Duration::from_millis(cost_ms) }
    }

    #[test]
    fn a_fraction_is_due_in_the_last_part_of_the_ttl_and_not_a_moment_earlier() {
        let ahead = RefreshAhead::fraction(0.2).unwrap();
        assert!(!ahead.is_due(age(7999, 0), 0.5) && ahead.is_due(age(8000, 0), 0.5));
        assert_eq!(RefreshAhead::fraction(0.0), Ok(RefreshAhead::Never));
        assert!(!RefreshAhead::Never.is_due(age(9999, 1_000_000), 1e-9));
    }

    #[test]
    fn factors_and_shares_out_of_their_bounds_are_refused() {
        for share in [-0.1, 0.91, f64::NAN, f64::INFINITY] {
            assert_eq!(RefreshAhead::fraction(share).unwrap_err().field_name(), Some("refresh_ahead.fraction"));
        }
        for beta in [0.0, -1.0, 100.1, f64::NAN] {
            assert_eq!(RefreshAhead::xfetch(beta).unwrap_err().field_name(), Some("refresh_ahead.xfetch_beta"));
        }
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        for text in ["off", "0.2", "xfetch:1", "xfetch:2.5"] {
            assert_eq!(text.parse::<RefreshAhead>().unwrap().to_string(), text);
        }
        assert_eq!("xfetch".parse(), Ok(RefreshAhead::Xfetch(1000)));
        for bad in ["", "x", "1", "xfetch:", "xfetch:0", "-0.1", "NaN"] {
            assert!(bad.parse::<RefreshAhead>().is_err(), "{bad}");
        }
    }

    /// The probability that one draw is due is `exp(-left / (cost * beta))`, as in the paper.
    #[test]
    fn xfetch_is_due_as_often_as_the_exponential_distribution_says() {
        let mut random = StdRng::seed_from_u64(7);
        let mut share = |ahead: RefreshAhead, age: Age| {
            let draws = 100_000;
            let due = (0..draws).filter(|_| ahead.is_due(age, 1.0 - random.random::<f64>())).count();
            due as f64 / f64::from(draws)
        };
        for (beta, left_ms, cost_ms) in [(1.0, 1000, 1000), (1.0, 3000, 1000), (2.0, 1000, 500), (0.5, 200, 400)] {
            let expected = (-f64::from(left_ms) / (f64::from(cost_ms) * beta)).exp();
            let found = share(RefreshAhead::xfetch(beta).unwrap(), age(10_000 - left_ms as u64, cost_ms as u64));
            assert!((found - expected).abs() < 0.01, "beta {beta}: {found} and not {expected}");
        }
        assert_eq!(
            share(RefreshAhead::xfetch(1.0).unwrap(), age(1, 0)),
            0.0,
            "what costs nothing is not renewed ahead"
        );
    }
}
