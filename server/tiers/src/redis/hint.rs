//! What replicas tell each other: as text, and back. Lost or invented ones do no harm, because what counts is in the logs.
//! How they travel is not known here.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    entry::Payload,
    position::{LogId, Position},
    tier::{
        Kept,
        shared::{FenceName, Hint, WrittenHint},
    },
};
use serde::{Deserialize, Serialize};

use super::names;

/// Longest message that is told or listened to, in bytes. A change that needs more is found in its log.
pub(super) const HINT_BYTES_MAX: usize = 64 << 10;

/// A message behind the change's epoch and number.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    log: u8,
    replica: String,
    /// The fences' members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    /// The member of the key whose computation ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written: Option<Written>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    marks_ms: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    bytes: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    negative: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// Tells that fences were raised; nothing when that is too long.
pub(super) fn raised(
    log: LogId,
    names: &[&FenceName],
    written: Option<&WrittenHint>,
    marks: Option<Duration>,
    replica: u64,
) -> String {
    let names = names.iter().map(|name| names::member(name)).collect();
    let marks_ms = marks.map(|marks| u64::try_from(marks.as_millis()).unwrap_or(u64::MAX));
    text(&Told { names, settled: None, written: written.map(Written::of), marks_ms, ..Told::of(log, replica) })
}

/// Tells that a computation ended.
pub(super) fn settled(log: LogId, name: &FenceName, written: Option<&WrittenHint>, replica: u64) -> String {
    text(&Told { settled: Some(names::member(name)), written: written.map(Written::of), ..Told::of(log, replica) })
}

/// What is said of a value that was written.
pub(super) fn written(kept: &Kept) -> WrittenHint {
    let description = &kept.description;
    WrittenHint {
        size_bytes: kept.value_bytes(),
        negative: matches!(kept.payload, Payload::Negative(_)),
        kind: Arc::clone(&description.kind),
        tags: description.tags.clone(),
    }
}

/// Reads a message; `None` for what is none.
pub(super) fn read(message: &[u8]) -> Option<Hint> {
    if message.len() > HINT_BYTES_MAX {
        return None;
    }
    let mut parts = std::str::from_utf8(message).ok()?.splitn(3, ' ');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let position = Position { epoch: number()?, number: number()? };
    let told: Told = serde_json::from_str(parts.next()?).ok()?;
    let log = LogId::from_number(u32::from(told.log))?;
    let replica = u64::from_str_radix(&told.replica, 16).ok()?;
    let written = told.written.map(Written::hint);
    if let Some(member) = told.settled {
        let key = names::key_of(&names::fence(member.as_bytes())?)?;
        return Some(Hint::Settled { key, written, replica });
    }
    let names = told.names.iter().map(|name| names::fence(name.as_bytes())).collect::<Option<Vec<_>>>()?;
    // A fence belongs into one log: what says otherwise would be noted in the wrong one.
    if names.is_empty() || names.iter().any(|name| names::log_of(name) != log) {
        return None;
    }
    let marks = told.marks_ms.map(Duration::from_millis);
    Some(Hint::Raised { log, position, names, written, replica, marks })
}

fn text(told: &Told) -> String {
    serde_json::to_string(told).ok().filter(|text| text.len() < HINT_BYTES_MAX - 64).unwrap_or_default()
}

impl Told {
    fn of(log: LogId, replica: u64) -> Self {
        let replica = format!("{replica:016x}");
        Self { log: log.number(), replica, names: Vec::new(), settled: None, written: None, marks_ms: None }
    }
}

impl Written {
    fn of(hint: &WrittenHint) -> Self {
        Self {
            bytes: hint.size_bytes,
            negative: hint.negative,
            kind: hint.kind.to_string(),
            tags: hint.tags.iter().map(ToString::to_string).collect(),
        }
    }

    fn hint(self) -> WrittenHint {
        WrittenHint {
            size_bytes: self.bytes,
            negative: self.negative,
            kind: self.kind.into(),
            tags: self.tags.into_iter().map(Into::into).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hotplate_engine::{key::Key, selector::Selector};

    use super::*;

    fn tag(text: &str) -> FenceName {
        FenceName { namespace: "n".into(), selector: Selector::tag(text).unwrap() }
    }

    #[test]
    fn a_change_comes_back() {
        let (one, two) = (tag("red"), tag("blue"));
        let text = raised(LogId::SELECTOR, &[&one, &two], None, Some(Duration::from_millis(1500)), 0xab);
        let hint = read(format!("7 9 {text}").as_bytes()).unwrap();
        let position = Position { epoch: 7, number: 9 };
        let marks = Some(Duration::from_millis(1500));
        let (log, names) = (LogId::SELECTOR, vec![one, two]);
        assert_eq!(hint, Hint::Raised { log, position, names, written: None, replica: 0xab, marks });
    }

    #[test]
    fn the_end_of_a_computation_comes_back() {
        let key = Key::new("n", "a \"key\"").unwrap();
        let written =
            WrittenHint { size_bytes: 5, negative: true, kind: "k".into(), tags: vec!["x".into(), "y:z".into()] };
        let text = settled(key.log(), &names::of_key(&key), Some(&written), 1);
        let hint = read(format!("0 0 {text}").as_bytes());
        assert_eq!(hint, Some(Hint::Settled { key, written: Some(written), replica: 1 }));
    }

    #[test]
    fn what_is_none_is_refused() {
        let good = raised(LogId::SELECTOR, &[&tag("red")], None, None, 1);
        assert!(read(format!("1 2 {good}").as_bytes()).is_some());
        let wrong_log = good.replace("\"log\":64", "\"log\":3");
        for text in [String::new(), good.clone(), format!("1 x {good}"), format!("1 2 {wrong_log}"), "1 2 {}".into()] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(&[b'1'; HINT_BYTES_MAX + 1]), None);
    }

    #[test]
    fn what_is_too_long_to_tell_is_not_told() {
        let names: Vec<FenceName> = (0..600).map(|n| tag(&format!("{n:0>120}"))).collect();
        assert_eq!(raised(LogId::SELECTOR, &names.iter().collect::<Vec<_>>(), None, None, 1), "");
    }
}
