//! How long entries live: exact durations, the server's named classes, and durations as people write them.

use std::{fmt, str::FromStr, time::Duration};

use crate::{Error, Result, v1};

/// A lifetime class that every server knows. The server resolves it, so operators can retune it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TtlClass {
    /// 300 s unless the server says otherwise.
    VeryShort,
    /// 900 s.
    Short,
    /// 1,800 s.
    Medium,
    /// 3,600 s.
    Long,
    /// 7,200 s.
    VeryLong,
    /// 86,400 s.
    Day,
    /// 604,800 s.
    Week,
}

impl TtlClass {
    /// All of them, shortest first.
    pub const ALL: [Self; 7] =
        [Self::VeryShort, Self::Short, Self::Medium, Self::Long, Self::VeryLong, Self::Day, Self::Week];

    /// The name sent to the server.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VeryShort => "very_short",
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
            Self::VeryLong => "very_long",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// Its length on a server that keeps the defaults.
    #[must_use]
    pub fn default_duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::VeryShort => 300,
            Self::Short => 900,
            Self::Medium => 1_800,
            Self::Long => 3_600,
            Self::VeryLong => 7_200,
            Self::Day => 86_400,
            Self::Week => 604_800,
        })
    }
}

/// How long an entry stays fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// One of the classes every server knows.
    Class(TtlClass),
    /// A class by name, for those a server adds.
    Named(String),
    /// Exactly this long, at least 1 ms.
    Duration(Duration),
}

impl Ttl {
    pub(crate) fn lifetime(&self) -> Result<v1::expiration::Lifetime> {
        Ok(match self {
            Self::Class(class) => v1::expiration::Lifetime::TtlClass(class.name().to_owned()),
            Self::Named(name) => v1::expiration::Lifetime::TtlClass(name.clone()),
            Self::Duration(duration) => v1::expiration::Lifetime::Ttl(wire_duration("ttl", *duration)?),
        })
    }
}

impl From<TtlClass> for Ttl {
    fn from(class: TtlClass) -> Self {
        Self::Class(class)
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self::Duration(duration)
    }
}

impl FromStr for Ttl {
    type Err = Error;

    /// Reads a class by name in any case (`long`, `VERY_LONG`), or a duration such as `1d2h3m50s`, `250ms` or a plain
    /// number of seconds.
    fn from_str(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        if let Some(class) = TtlClass::ALL.into_iter().find(|class| class.name() == lower) {
            return Ok(Self::Class(class));
        }
        if lower.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(Self::Named(lower));
        }
        parse_duration(&lower).map(Self::Duration)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => f.write_str(class.name()),
            Self::Named(name) => f.write_str(name),
            Self::Duration(duration) => f.write_str(&format_duration(*duration)),
        }
    }
}

/// Units in the order in which they may appear, with their milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `1w2d3h4m5s6ms`: each unit at most once, largest first; or a plain number of seconds, which may have a
/// fraction down to the millisecond (`1.5`).
///
/// # Errors
/// `InvalidArgument` for anything else, for zero, and for more than 100 years.
pub fn parse_duration(text: &str) -> Result<Duration> {
    const MAX_MS: u64 = 100 * 365 * 86_400_000;
    let text = text.trim();
    let millis = match text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        true => plain_seconds(text),
        false => with_units(text),
    };
    match millis {
        Some(0) => Err(Error::invalid("duration", "a duration of zero is no lifetime: use at least 1ms")),
        Some(millis) if millis <= MAX_MS => Ok(Duration::from_millis(millis)),
        Some(_) => Err(Error::invalid("duration", "a duration is at most 100 years")),
        None => Err(Error::invalid("duration", "not a duration: write for example `1d2h3m50s`, `250ms` or `90`")),
    }
}

fn plain_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let millis: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(millis)
}

fn with_units(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let length = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (_, millis) = units.find(|(unit, _)| *unit == &after[..length])?;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = &after[length..];
    }
    Some(total)
}

/// Writes a duration the way [`parse_duration`] reads it, cut to the millisecond.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, length) in UNITS {
        let count = millis / length;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
            millis %= length;
        }
    }
    if text.is_empty() { "0ms".to_owned() } else { text }
}

/// A duration as the contract carries it.
pub(crate) fn wire_duration(field: &str, duration: Duration) -> Result<prost_types::Duration> {
    prost_types::Duration::try_from(duration)
        .map_err(|cause| Error::invalid(field, format!("the duration does not fit: {cause}")))
}

/// A duration of an answer; one that is unset or negative is none.
pub(crate) fn from_wire(duration: Option<&prost_types::Duration>) -> Option<Duration> {
    duration.and_then(|duration| Duration::try_from(*duration).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let good = [
            ("1d2h3m50s", 93_830_000),
            ("250ms", 250),
            ("1ms", 1),
            ("90", 90_000),
            ("1.5", 1_500),
            ("0.001", 1),
            ("1w", 604_800_000),
            (" 2h30m ", 9_000_000),
            ("36500d", 3_153_600_000_000),
        ];
        for (text, millis) in good {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        let bad = [
            "",
            "0",
            "0s",
            "-1s",
            "1x",
            "1s1s",
            "1s1h",
            "h",
            "1h 5m",
            "1.5h",
            ".5",
            "1.",
            "1.2345",
            "1.2.3",
            "36501d",
            "99999999999999999999s",
            "18446744073709551615w",
            "infinite",
            "1m5",
            "\u{661}s",
        ];
        for text in bad {
            assert_eq!(
                parse_duration(text).map_err(|error| error.kind),
                Err(crate::ErrorKind::InvalidArgument),
                "{text}"
            );
        }
    }

    #[test]
    fn a_written_duration_reads_as_the_same() {
        for millis in [1, 999, 1_000, 61_001, 93_830_000, 604_800_000, 1_234_567_890] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        assert_eq!(format_duration(Duration::from_micros(1)), "0ms");
    }

    #[test]
    fn a_ttl_is_a_class_a_name_or_a_duration() {
        assert_eq!("VERY_LONG".parse(), Ok(Ttl::Class(TtlClass::VeryLong)));
        assert_eq!("nightly".parse(), Ok(Ttl::Named("nightly".to_owned())));
        assert_eq!("2h".parse(), Ok(Ttl::Duration(Duration::from_secs(7_200))));
        for class in TtlClass::ALL {
            assert_eq!(class.name().parse(), Ok(Ttl::Class(class)));
            assert_eq!(Ttl::from(class).to_string(), class.name());
        }
        let seconds: Vec<_> = TtlClass::ALL.iter().map(|class| class.default_duration().as_secs()).collect();
        assert_eq!(seconds, [300, 900, 1_800, 3_600, 7_200, 86_400, 604_800]);
    }
}
