//! Durations on the command line and in the contract. How people write them is defined by the client library.

use std::time::Duration;

/// Reads a duration from the command line.
///
/// # Errors
/// A sentence that says what is accepted.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    hotplate::parse_duration(text).map_err(|error| error.message)
}

/// As the contract carries it; beyond its range the longest it can carry, which the server refuses.
pub(crate) fn to_proto(duration: Duration) -> prost_types::Duration {
    let nanos = i32::try_from(duration.subsec_nanos()).unwrap_or_default();
    prost_types::Duration { seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), nanos }
}

/// From the contract; unset or negative counts as zero.
pub(crate) fn from_proto(duration: Option<&prost_types::Duration>) -> Duration {
    duration.and_then(|duration| Duration::try_from(*duration).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_the_form() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        for text in ["", "h", "1x", "-1s", "0"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_contract_carries_it_both_ways() {
        let duration = Duration::from_millis(1500);
        assert_eq!(from_proto(Some(&to_proto(duration))), duration);
        assert_eq!(from_proto(None), Duration::ZERO);
        assert_eq!(from_proto(Some(&prost_types::Duration { seconds: -1, nanos: 0 })), Duration::ZERO);
    }
}
