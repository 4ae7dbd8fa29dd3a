//! Deadlines of calls and of streams: what `grpc-timeout` says. Which call gets which deadline is decided by the gate.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::grpc::status::Failure;

/// A name that is text is read anew at each look.
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Digits of a `grpc-timeout` at most, as the protocol says.
const DIGITS_MAX: usize = 8;

/// The time a caller gives, from the `grpc-timeout` header; `None` when it gives none.
///
/// # Errors
/// A header that is not 1 to 8 digits and a unit.
pub(crate) fn asked_for(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get(&GRPC_TIMEOUT) else { return Ok(None) };
    let rule = "grpc-timeout is 1 to 8 digits and a unit: H, M, S, m, u or n";
    let parsed = value.to_str().ok().and_then(parse).ok_or_else(|| Failure::new("BAD_ARGUMENT", rule))?;
    Ok(Some(parsed))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("0m"), Some(Duration::ZERO));
        for bad in ["", "5", "m", "x", "123456789m", "-1S", "+1S", "1 S", "1s", "1é", "é"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
