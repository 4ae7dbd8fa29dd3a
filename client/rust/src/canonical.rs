//! One text for one value: JSON as RFC 8785 writes it, restricted to what every language can agree on. Keys are hashed
//! over this text, so a difference of one byte between two clients is a cache that never hits.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};
use unicode_normalization::UnicodeNormalization;

use crate::{Error, Result};

/// Largest integer that every language's floats hold exactly.
const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Deepest nesting of arrays and objects.
const DEPTH_MAX: usize = 64;

/// Text in Unicode normal form C: what looks the same is the same.
pub(crate) fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// The canonical text of a JSON value.
///
/// # Errors
/// An integer beyond ±(2^53 - 1), nesting beyond 64, or two names of an object that are one after normalisation.
pub(crate) fn json(value: &Value) -> Result<String> {
    let mut text = String::new();
    write_value(&mut text, value, 0)?;
    Ok(text)
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::invalid("key", "a key parameter is nested deeper than 64"));
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number_text(number)?),
        Value::String(text) => write_string(out, &nfc(text)),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(members) => write_object(out, members, depth)?,
    }
    Ok(())
}

/// Names in the order of their UTF-16 code units, as RFC 8785 asks.
fn write_object(out: &mut String, members: &Map<String, Value>, depth: usize) -> Result<()> {
    let mut sorted: Vec<(Vec<u16>, String, &Value)> = members
        .iter()
        .map(|(name, value)| {
            let name = nfc(name);
            (name.encode_utf16().collect(), name, value)
        })
        .collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    if sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::invalid("key", "two names of a key parameter are the same in normal form"));
    }
    out.push('{');
    for (index, (_, name, value)) in sorted.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_value(out, value, depth + 1)?;
    }
    out.push('}');
    Ok(())
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number as ECMAScript prints it.
pub(crate) fn number_text(number: &Number) -> Result<String> {
    let too_large = || Error::invalid("key", "an integer in a key is beyond ±(2^53 - 1): pass it as text");
    if let Some(integer) = number.as_i64() {
        return if integer.unsigned_abs() <= INTEGER_MAX { Ok(integer.to_string()) } else { Err(too_large()) };
    }
    match number.as_f64() {
        Some(float) if number.is_f64() && float.is_finite() => Ok(float_text(float)),
        _ => Err(too_large()),
    }
}

/// The shortest digits that read back as the same number, laid out by ECMAScript's rules.
pub(crate) fn float_text(float: f64) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", float.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands after this many digits.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let split = usize::try_from(point).unwrap_or(0);
    let unsigned = match point {
        _ if count <= point && point <= 21 => format!("{digits}{}", zeros(point - count)),
        1..=21 => format!("{}.{}", &digits[..split], &digits[split..]),
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{:+}", point - 1)
        }
    };
    if float < 0.0 { format!("-{unsigned}") } else { unsigned }
}
