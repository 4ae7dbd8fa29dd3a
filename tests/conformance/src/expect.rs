//! Whether something is as it must be: objects in part, lists item by item, `$name` captures or compares, and the few words
//! that begin with `$` say how else. What is expected where is not known here.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Number, Value, json};
use sha2::{Digest, Sha256};

use crate::{fill, scope::is_name};

/// Bytes that drivers answer as they are; of longer ones, their hash.
const ANSWERED_MAX: usize = 4_096;

/// What `$name` stands for, and what was captured on the way.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    /// Known before.
    pub known: BTreeMap<String, Value>,
    /// Captured now.
    pub new: BTreeMap<String, Value>,
}

/// Compares; says where something is otherwise.
///
/// # Errors
/// What is otherwise, or an expectation that makes no sense.
pub fn compare(expected: &Value, actual: &Value, captures: &mut Captures) -> Result<(), String> {
    at("", expected, actual, captures)
}

fn at(path: &str, expected: &Value, actual: &Value, captures: &mut Captures) -> Result<(), String> {
    let differs = |what: &str| {
        let place = if path.is_empty() { String::new() } else { format!("`{}`: ", path.trim_start_matches('.')) };
        Err(format!("{place}expected {what}, got {}", short(actual)))
    };
    match (expected, actual) {
        (Value::String(text), _) if text.strip_prefix('$').is_some_and(is_name) => {
            let name = text.trim_start_matches('$');
            match captures.known.get(name).or_else(|| captures.new.get(name)) {
                Some(known) if known == actual => Ok(()),
                Some(known) => differs(&format!("{} (${name})", short(known))),
                None => {
                    captures.new.insert(name.to_owned(), actual.clone());
                    Ok(())
                }
            }
        }
        (Value::Object(fields), _) if fields.keys().any(|name| is_word(name)) => {
            words(fields, (path, actual), captures).or_else(|what| differs(&what))
        }
        (Value::Object(fields), Value::Object(actual)) => fields.iter().try_for_each(|(name, expected)| {
            let path = format!("{path}.{name}");
            match actual.get(name) {
                Some(actual) => at(&path, expected, actual, captures),
                None => Err(format!("`{}`: it is not there", path.trim_start_matches('.'))),
            }
        }),
        (Value::Array(items), Value::Array(actual)) if items.len() == actual.len() => {
            let mut pairs = items.iter().zip(actual).enumerate();
            pairs.try_for_each(|(place, (item, actual))| at(&format!("{path}[{place}]"), item, actual, captures))
        }
        (Value::Number(one), Value::Number(other)) if same_number(one, other) => Ok(()),
        _ if expected == actual => Ok(()),
        _ => differs(&short(expected)),
    }
}

/// Whether two numbers are the same: 10 and 10.0 are, what a double cannot tell apart is not, nor are 0 and -0.
fn same_number(one: &Number, other: &Number) -> bool {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.as_f64().map(f64::to_bits) == other.as_f64().map(f64::to_bits),
        _ => false,
    }
}

/// A number that is whole, and not -0.
fn whole(number: &Number) -> Option<i128> {
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && !(*float == 0.0 && float.is_sign_negative()));
    // What is larger is no integer of any client.
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the bounds of an i128")]
    exact.or_else(|| float.filter(|float| float.abs() < 1e37).map(|float| float as i128))
}

/// Refuses an expectation with a word that is not known.
pub(crate) fn check(expected: &Value) -> Result<(), String> {
    match expected {
        Value::Array(items) => items.iter().try_for_each(check),
        // What drivers answer of bytes.
        Value::Object(fields) => fields.iter().try_for_each(|(name, inner)| match name.as_str() {
            "$bytes" | "$sha256" => Ok(()),
            name if name.starts_with('$') && !is_word(name) => Err(format!("there is no word `{name}`")),
            _ => check(inner),
        }),
        _ => Ok(()),
    }
}

fn is_word(name: &str) -> bool {
    const WORDS: [&str; 11] =
        ["$min", "$max", "$one_of", "$not", "$contains", "$starts", "$length", "$any", "$fill", "$all", "$unordered"];
    WORDS.contains(&name)
}

type Place<'a> = (&'a str, &'a Value);

/// All words of an object must hold; the one that does not is told.
fn words(fields: &Map<String, Value>, place: Place<'_>, captures: &mut Captures) -> Result<(), String> {
    fields.iter().try_for_each(|(name, value)| match word(name, value, place, captures) {
        true => Ok(()),
        false => Err(format!("{} {}", name.trim_start_matches('$'), short(value))),
    })
}

fn word(name: &str, value: &Value, (path, actual): Place<'_>, captures: &mut Captures) -> bool {
    let number = |compare: fn(f64, f64) -> bool| match (actual.as_f64(), value.as_f64()) {
        (Some(actual), Some(bound)) => compare(actual, bound),
        _ => false,
    };
    let mut holds = |expected: &Value, actual: &Value| {
        let mut tried = captures.clone();
        let same = at(path, expected, actual, &mut tried).is_ok();
        if same {
            *captures = tried;
        }
        same
    };
    let (items, wanted) = (actual.as_array(), value.as_array());
    match name {
        "$min" => number(|actual, bound| actual >= bound),
        "$max" => number(|actual, bound| actual <= bound),
        "$any" => actual.is_null() != (*value == true),
        "$not" => !holds(value, actual),
        "$one_of" => wanted.is_some_and(|wanted| wanted.iter().any(|expected| holds(expected, actual))),
        "$all" => items.is_some_and(|items| items.iter().all(|item| holds(value, item))),
        "$starts" => value.as_str().is_some_and(|start| actual.as_str().is_some_and(|text| text.starts_with(start))),
        "$length" => items.is_some_and(|items| holds(value, &json!(items.len()))),
        "$fill" => filled(value, &captures.known).is_some_and(|expected| expected == *actual),
        "$contains" => match (actual, value) {
            (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
            (Value::Array(items), _) => items.iter().any(|item| holds(value, item)),
            _ => false,
        },
        "$unordered" => match (items, wanted) {
            (Some(items), Some(wanted)) if items.len() == wanted.len() => {
                let mut left: Vec<_> = items.iter().collect();
                wanted.iter().all(|expected| {
                    let found = left.iter().position(|item| holds(expected, item));
                    found.map(|place| left.remove(place)).is_some()
                })
            }
            _ => false,
        },
        _ => false,
    }
}

/// How a driver answers the bytes that `$fill` stands for.
fn filled(value: &Value, known: &BTreeMap<String, Value>) -> Option<Value> {
    let number = |name: &str| match &value[name] {
        Value::String(text) => known.get(text.trim_start_matches('$'))?.as_u64(),
        other => other.as_u64(),
    };
    let (count, seed) = (number("bytes")?, number("seed").unwrap_or_default());
    let bytes = fill::bytes(count, seed);
    Some(match bytes.len() {
        0..=ANSWERED_MAX => json!({ "$bytes": BASE64_STANDARD.encode(&bytes) }),
        count => json!({ "$sha256": hex::encode(Sha256::digest(&bytes)), "bytes": count }),
    })
}

/// What is told of a value: the beginning.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(expected: &Value, actual: &Value) -> bool {
        compare(expected, actual, &mut Captures::default()).is_ok()
    }

    #[test]
    fn objects_are_compared_in_part_and_lists_as_a_whole() {
        assert!(holds(&json!({ "a": 1 }), &json!({ "a": 1.0, "b": 2 })));
        assert!(!holds(&json!({ "a": 1 }), &json!({ "b": 2 })));
        assert!(!holds(&json!({ "a": null }), &json!({ "a": 0 })) && !holds(&json!([1]), &json!([1, 2])));
        assert!(holds(&json!([{ "a": 1 }]), &json!([{ "a": 1, "b": 2 }])));
    }

    #[test]
    fn numbers_are_compared_exactly() {
        assert!(
            holds(&json!(10), &json!(10.0)) && holds(&json!(1e300), &json!(1e300)) && holds(&json!(0.1), &json!(0.1))
        );
        assert!(!holds(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert!(!holds(&json!(u64::MAX), &json!(18_446_744_073_709_551_615.0)));
        assert!(!holds(&json!(0), &json!(-0.0)) && holds(&json!(-0.0), &json!(-0.0)) && !holds(&json!(1), &json!(1.5)));
    }

    #[test]
    fn words_say_how_else() {
        assert!(
            holds(&json!({ "$min": 1, "$max": 3 }), &json!(3)) && !holds(&json!({ "$min": 1, "$max": 3 }), &json!(4))
        );
        assert!(
            holds(&json!({ "$one_of": ["a", "b"] }), &json!("b")) && !holds(&json!({ "$one_of": ["a"] }), &json!("b"))
        );
        assert!(holds(&json!({ "$any": true }), &json!(0)) && !holds(&json!({ "$any": true }), &json!(null)));
        assert!(holds(&json!({ "$contains": { "k": 2 } }), &json!([{ "k": 1 }, { "k": 2, "j": 3 }])));
        assert!(
            holds(&json!({ "$unordered": [2, 1] }), &json!([1, 2]))
                && !holds(&json!({ "$unordered": [1, 1] }), &json!([1, 2]))
        );
        assert!(holds(&json!({ "$length": { "$min": 2 } }), &json!([1, 2])) && holds(&json!({ "$not": 1 }), &json!(2)));
        assert!(holds(&json!({ "$fill": { "bytes": 3, "seed": 1 } }), &json!({ "$bytes": "ASA/" })));
        assert!(
            !holds(&json!({ "$starts": "b" }), &json!("abc"))
                && holds(&json!({ "$all": { "$min": 1 } }), &json!([1, 2]))
        );
    }

    #[test]
    fn what_is_captured_is_compared_afterwards() {
        let mut captures = Captures::default();
        compare(&json!({ "etag": "$e", "again": "$e" }), &json!({ "etag": "x", "again": "x" }), &mut captures)
            .expect("equal");
        assert_eq!(captures.new["e"], "x");
        let why = compare(&json!({ "again": "$e" }), &json!({ "again": "y" }), &mut captures).expect_err("another");
        assert!(why.contains("`again`") && why.contains("\"x\"") && why.contains("\"y\""), "{why}");
    }
}
