//! The text forms of sizes, durations and moments, read and written. Nothing here knows which setting it is for.

use std::time::Duration;

const SIZE_UNITS: [(&str, u64); 9] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("kB", 1000),
    ("B", 1),
    ("", 1),
];

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads `64MiB`, `100 MB` or a number of bytes.
///
/// # Errors
/// A sentence that shows the form.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let form = || format!("`{text}` is no size: write `64MiB`, `100MB` or a number of bytes");
    let (number, unit) = split_number(text.trim());
    let factor = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(form)?.1;
    let number: u64 = number.parse().map_err(|_not_a_number| form())?;
    number.checked_mul(factor).ok_or_else(form)
}

/// Writes a size exactly, in the largest unit that divides it.
pub(crate) fn size_text(bytes: u64) -> String {
    let divides = |unit: &&(&str, u64)| bytes != 0 && bytes.is_multiple_of(unit.1);
    match SIZE_UNITS.iter().find(divides) {
        Some((name, factor)) if *factor > 1 => format!("{}{name}", bytes / factor),
        _ => bytes.to_string(),
    }
}

/// Reads `30m`, `250ms`, `1h30m` or `0`.
///
/// # Errors
/// A sentence that shows the form.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let form = || format!("`{text}` is no duration: write `250ms`, `30s`, `30m`, `2h`, `7d` or `1h30m`");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(form());
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let factor = DURATION_UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(form)?.1;
        let number: u64 = number.parse().map_err(|_not_a_number| form())?;
        total = number.checked_mul(factor).and_then(|part| total.checked_add(part)).ok_or_else(form)?;
        rest = next;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration exactly, in the largest unit that divides it.
pub(crate) fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let divides = |unit: &&(&str, u64)| millis.is_multiple_of(unit.1);
    let (name, factor) = DURATION_UNITS.iter().rev().find(divides).unwrap_or(&DURATION_UNITS[0]);
    format!("{}{name}", millis / factor)
}

/// Reads a moment: `2027-01-31T00:00:00Z`, or a date alone, which means its beginning in UTC.
///
/// # Errors
/// A sentence that shows the form.
pub(crate) fn parse_moment(text: &str) -> Result<Duration, String> {
    let form = || format!("`{text}` is no moment: write `2027-01-31T00:00:00Z` or `2027-01-31`");
    let parsed: toml::value::Datetime = text.trim().parse().map_err(|_not_a_moment| form())?;
    let date = parsed.date.ok_or_else(form)?;
    let days = days_from_civil(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let of_day = parsed.time.map_or(0, |time| {
        i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0))
    });
    let offset = match (parsed.time, parsed.offset) {
        (Some(_), None) => return Err(format!("`{text}` has no time zone: end it with `Z`")),
        (_, Some(toml::value::Offset::Custom { minutes })) => i64::from(minutes) * 60,
        _ => 0,
    };
    let seconds = u64::try_from(days * 86_400 + of_day - offset).map_err(|_before_1970| form())?;
    Ok(Duration::from_secs(seconds))
}

/// Writes a moment in UTC.
pub(crate) fn moment_text(since_epoch: Duration) -> String {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day % 3600 / 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn split_number(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim())
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; years are counted from March, so that the leap day is
/// the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The date of a day, by looking from below: at most a handful of steps.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_from_civil(year, month + 1, 1) <= days {
        month += 1;
    }
    (year, month, days - days_from_civil(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_unit_and_written_exactly() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("64MiB", 64 << 20), ("100 MB", 100_000_000), ("3kb", 3000), ("2GiB", 2 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(parse_size(&size_text(bytes)), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MB", "12 parsecs", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_in_every_unit_and_written_exactly() {
        for (text, millis) in [("0", 0), ("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(parse_duration(&duration_text(Duration::from_millis(millis))), parse_duration(text), "{text}");
        }
        for text in ["", "30", "1.5h", "h", "-3s", "3 fortnights", "99999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_know_leap_years_and_offsets() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2027-01-31T00:00:00+02:00", 1_801_346_400),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            let moment = parse_moment(text).unwrap();
            assert_eq!(moment, Duration::from_secs(seconds), "{text}");
            assert_eq!(parse_moment(&moment_text(moment)), Ok(moment), "{text}");
        }
        assert!(parse_moment("2027-01-31T00:00:00").unwrap_err().contains("time zone"));
        assert!(parse_moment("tomorrow").is_err());
    }
}
