//! Numbers, sizes, durations and foreign text as people read them. Exact forms for programs are in `entry`.

use std::time::Duration;

/// A size with at most one decimal: `17 B`, `1.5 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10 / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        rest => format!("{}.{rest} {}", tenths / 10, UNITS[unit]),
    }
}

/// The two largest units of a duration: `2d 3h`, `29m 58s`, `12 ms`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return match duration.subsec_micros() {
            0 => "0s".to_owned(),
            micros if micros < 1000 => format!("{micros} µs"),
            micros => format!("{} ms", micros / 1000),
        };
    }
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let shown = parts[first..].iter().take(2).filter(|(count, _)| *count > 0);
    shown.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

/// A number in groups of three: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as per cent: `93.1 %`.
pub(crate) fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `1 entry`, `2 entries`.
pub(crate) fn entries(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "entry" } else { "entries" })
}

/// Text of others made safe to show: control characters, which could drive a terminal or break lines, and characters
/// that change the direction of writing are written as escapes.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_dangerous(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// A JSON document made safe to show: what could drive a terminal is written as JSON's own escapes.
pub(crate) fn escape_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for c in document.chars() {
        if c != '\n' && is_dangerous(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Beginning and end of a text that would make every line of a table as long as itself.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    const END: usize = 24;
    let length = text.chars().count();
    if length <= MOST {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(MOST - END - 1).collect();
    let end: String = text.chars().skip(length - END).collect();
    format!("{beginning}…{end}")
}

fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The bytes as text that a terminal can show as it is; `None` for anything else.
pub(crate) fn printable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let fits = |c: char| matches!(c, '\n' | '\t') || !is_dangerous(c);
    text.replace("\r\n", "\n").chars().all(fits).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_change_their_unit_at_its_bound() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1 << 20, "1 MiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "15.9 EiB");
    }

    #[test]
    fn durations_show_two_units() {
        let cases = [(0, "0s"), (12, "12 ms"), (59_000, "59s"), (60_000, "1m"), (1_798_000, "29m 58s")];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_secs(2 * 86_400 + 3 * 3600 + 59)), "2d 3h");
        assert_eq!(duration(Duration::from_micros(7)), "7 µs");
    }

    #[test]
    fn numbers_come_in_groups() {
        assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!((entries(1), entries(1000)), ("1 entry".into(), "1,000 entries".into()));
    }

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(escape("a\x1b[31mb\tc\nd"), "a\\u{1b}[31mb\\tc\\nd");
        assert_eq!(escape("Größe:42"), "Größe:42");
        assert_eq!(escape("\u{202e}x"), "\\u{202e}x");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
    }

    #[test]
    fn a_document_stays_the_same_document() {
        let document = serde_json::json!({"key": "a\u{202e}b\u{9b}c\nd", "n": 1});
        let shown = escape_json(&format!("{document:#}"));
        assert!(shown.contains("a\\u202eb\\u009bc") && shown.lines().count() == 4, "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), document);
    }

    #[test]
    fn long_texts_keep_their_ends() {
        let long = format!("first{}last", "ä".repeat(1000));
        let short = shorten(&long);
        assert!(short.chars().count() == 80 && short.starts_with("first") && short.ends_with("last"), "{short}");
        assert_eq!(shorten(&"k".repeat(80)), "k".repeat(80));
    }

    #[test]
    fn only_harmless_text_is_printable() {
        assert_eq!(printable(b"two\nlines\r\n"), Some("two\nlines\r\n"));
        assert_eq!(printable(b"\x1b[2J"), None);
        assert_eq!(printable(b"over\rwritten"), None);
        assert_eq!(printable(&[0xff, 0xfe]), None);
    }
}
