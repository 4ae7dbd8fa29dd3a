//! How long an HTTP answer stays fresh in a shared cache, by its `Cache-Control` and `Age` (RFC 9111, sections 4.2 and
//! 5.2). No clock: everything is a duration.

use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};

/// Longest age in seconds that is told apart from "for ever".
const SECONDS_MAX: u64 = 1 << 31;

/// The lifetime an answer's headers give; `None`: they say nothing. Zero: it is not to be stored.
#[must_use]
pub fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let directives = directives(headers);
    let has = |name: &str| directives.iter().any(|(found, _)| found == name);
    if has("no-store") || has("no-cache") || has("private") {
        return Some(Duration::ZERO);
    }
    let smallest = |name: &str| {
        let ages = directives.iter().filter(|(found, _)| found == name);
        ages.map(|(_, value)| seconds(value.as_deref().unwrap_or_default())).min()
    };
    let seconds = smallest("s-maxage").or_else(|| smallest("max-age"))?;
    Some(Duration::from_secs(seconds.saturating_sub(age(headers))))
}

fn age(headers: &HeaderMap) -> u64 {
    let text = headers.get(AGE).and_then(|age| age.to_str().ok());
    text.map_or(0, |age| seconds(age.trim()))
}

/// Seconds as written. What is no number counts as zero: an answer whose lifetime is unreadable is stale.
fn seconds(text: &str) -> u64 {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX) } else { 0 }
}

/// All directives in lower case, with their values without quotes.
fn directives(headers: &HeaderMap) -> Vec<(String, Option<String>)> {
    let texts = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(split_outside_quotes).filter_map(directive).collect()
}

fn directive(text: &str) -> Option<(String, Option<String>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.trim().trim_matches('"').to_owned())),
        None => (text, None),
    };
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then_some((name, value))
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cache_control: &[&str], age: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in cache_control {
            headers.append(CACHE_CONTROL, value.parse().unwrap());
        }
        if let Some(age) = age {
            headers.insert(AGE, age.parse().unwrap());
        }
        lifetime(&headers).map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn the_lifetime_of_a_shared_cache_is_chosen() {
        assert_eq!(of(&[], None), None);
        assert_eq!(of(&["public"], None), None);
        assert_eq!(of(&["max-age=60"], None), Some(60));
        assert_eq!(of(&["Max-Age=60, S-MaxAge=\"90\""], None), Some(90));
        assert_eq!(of(&["max-age=60", "s-maxage=10"], Some("4")), Some(6));
        assert_eq!(of(&["max-age=60"], Some("61")), Some(0));
        assert_eq!(of(&["max-age=60, max-age=30"], None), Some(30));
    }

    #[test]
    fn what_must_not_be_stored_has_no_lifetime() {
        for forbidden in ["no-store", "no-cache", "private", "max-age=60, no-store", "no-cache=\"a, b\", max-age=9"] {
            assert_eq!(of(&[forbidden], None), Some(0), "{forbidden}");
        }
        assert_eq!(of(&["x=\"no-store, y\", max-age=5"], None), Some(5), "a quoted comma separates nothing");
    }

    #[test]
    fn unreadable_lifetimes_are_over_and_huge_ones_are_cut() {
        for bad in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=abc"] {
            assert_eq!(of(&[bad], None), Some(0), "{bad}");
        }
        assert_eq!(of(&["max-age=99999999999999999999999"], None), Some(SECONDS_MAX));
    }
}
