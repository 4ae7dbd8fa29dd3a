//! One event of a watch: as a line for people, as JSON, and as variables for a command.

use hotplate::v1::{self, entry::Payload, watch_response::Message};
use serde_json::{Value, json};

use crate::{
    output::{entry, human},
    verb::select::describe,
};

/// An event, or an entry that was there when the watch began.
pub(super) struct Seen<'a> {
    kind: &'static str,
    pub(super) key: &'a str,
    entry: Option<&'a v1::Entry>,
    event: Option<&'a v1::WatchEvent>,
    resume_token: &'a str,
}

impl<'a> Seen<'a> {
    /// The events that a message carries. Its token continues after all of them, so all but the last get the token
    /// before it: who stops in between sees events again rather than never.
    pub(super) fn all(message: &'a Message, before: &'a str, resume_token: &'a str) -> Vec<Self> {
        let mut all = Self::of(message, before);
        if let Some(last) = all.last_mut() {
            last.resume_token = resume_token;
        }
        all
    }

    fn of(message: &'a Message, resume_token: &'a str) -> Vec<Self> {
        match message {
            Message::Present(present) => {
                let there = |entry: &'a v1::Entry| Self {
                    kind: "PRESENT",
                    key: &entry.key,
                    entry: Some(entry),
                    event: None,
                    resume_token,
                };
                present.entries.iter().map(there).collect()
            }
            Message::Events(events) => {
                let happened = |event: &'a v1::WatchEvent| Self {
                    kind: entry::bare(event.r#type().as_str_name(), "EVENT_TYPE_"),
                    key: &event.key,
                    entry: event.entry.as_ref(),
                    event: Some(event),
                    resume_token,
                };
                events.events.iter().map(happened).collect()
            }
            Message::Discontinuity(_) => {
                vec![Self { kind: "DISCONTINUITY", key: "", entry: None, event: None, resume_token }]
            }
            Message::Created(_) | Message::Synced(_) | Message::Progress(_) => Vec::new(),
        }
    }

    /// The value, when it was sent.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        match self.entry?.payload.as_ref()? {
            Payload::Value(value) => Some(value),
            Payload::Negative(_) | Payload::Large(_) => None,
        }
    }

    fn selector(&self) -> String {
        self.event.and_then(|event| event.selector.as_ref()).map(describe).unwrap_or_default()
    }

    /// Whether an invalidation dropped or marked stale; empty for other events.
    fn mode(&self) -> &'static str {
        match self.event.map(v1::WatchEvent::mode) {
            None | Some(v1::InvalidateMode::Unspecified) => "",
            Some(mode) => entry::bare(mode.as_str_name(), "INVALIDATE_MODE_"),
        }
    }

    fn reason(&self) -> &'a str {
        self.event.map(|event| event.reason.as_str()).unwrap_or_default()
    }

    fn client_id(&self) -> &'a str {
        self.event.map(|event| event.client_id.as_str()).unwrap_or_default()
    }

    fn metadata(&self) -> Option<&'a v1::EntryMetadata> {
        self.entry?.metadata.as_ref()
    }

    /// For people: what happened, to what, and how it looks now.
    pub(super) fn line(&self) -> String {
        let what = if self.key.is_empty() { self.selector() } else { self.key.to_owned() };
        let mut line = format!("{:<15} {}", self.kind, human::escape(&what));
        if let Some(metadata) = self.metadata() {
            line.push_str(&format!("  {}", human::size(metadata.size_bytes)));
        }
        if let Some(text) = self.value().and_then(human::printable).filter(|text| text.len() <= 60) {
            line.push_str(&format!("  {}", human::escape(text)));
        }
        if self.key.is_empty() && self.mode() == "MARK_STALE" {
            line.push_str("  marked stale");
        }
        if !self.reason().is_empty() {
            line.push_str(&format!("  ({})", human::escape(self.reason())));
        }
        line
    }

    /// For programs.
    pub(super) fn json(&self, namespace: &str) -> Value {
        let mut object = self.entry.map(entry::entry).unwrap_or_default();
        object.insert("event".to_owned(), json!(self.kind));
        object.insert("namespace".to_owned(), json!(namespace));
        object.insert("key".to_owned(), json!(self.key));
        object.insert("resume_token".to_owned(), json!(self.resume_token));
        let selector = self.selector();
        let said = [
            ("selector", selector.as_str()),
            ("mode", self.mode()),
            ("reason", self.reason()),
            ("client_id", self.client_id()),
        ];
        for (name, text) in said {
            if !text.is_empty() {
                object.insert(name.to_owned(), json!(text));
            }
        }
        if let Some(position) = self.event.and_then(|event| event.position) {
            let (log, epoch, number) = (position.log, position.epoch, position.number);
            object.insert("position".to_owned(), json!({"log": log, "epoch": epoch, "number": number}));
        }
        Value::Object(object)
    }

    /// For a command.
    pub(super) fn variables(&self, namespace: &str) -> Vec<(String, String)> {
        let metadata = self.metadata();
        let size = metadata.map(|metadata| metadata.size_bytes.to_string()).unwrap_or_default();
        let etag = metadata.map(|metadata| metadata.etag.clone()).unwrap_or_default();
        let named = [
            ("TYPE", self.kind.to_owned()),
            ("KEY", self.key.to_owned()),
            ("NAMESPACE", namespace.to_owned()),
            ("SELECTOR", self.selector()),
            ("MODE", self.mode().to_owned()),
            ("REASON", self.reason().to_owned()),
            ("CLIENT_ID", self.client_id().to_owned()),
            ("ETAG", etag),
            ("SIZE", size),
            ("RESUME_TOKEN", self.resume_token.to_owned()),
        ];
        // A variable cannot hold a zero byte, and a key may.
        named.map(|(name, value)| (format!("HOTPLATE_EVENT_{name}"), value.replace('\0', "\u{fffd}"))).to_vec()
    }
}

/// Words for lost changes.
pub(super) fn discontinuity(reason: v1::DiscontinuityReason) -> &'static str {
    match reason {
        v1::DiscontinuityReason::Unspecified => "no reason given",
        v1::DiscontinuityReason::SlowConsumer => "read too slowly",
        v1::DiscontinuityReason::HistoryTrimmed => "away for too long",
        v1::DiscontinuityReason::NewEpoch => "the server was restarted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_harmless_and_a_variable_holds_no_zero_byte() {
        let event = v1::WatchEvent {
            r#type: v1::EventType::Put.into(),
            key: "a\x1b\0b".to_owned(),
            reason: "why".to_owned(),
            ..Default::default()
        };
        let message = Message::Events(v1::WatchEvents { events: vec![event] });
        let seen = Seen::all(&message, "", "dG9rZW4");
        assert_eq!(seen[0].line(), "PUT             a\\u{1b}\\u{0}b  (why)");
        let variables = seen[0].variables("ns");
        assert!(variables.contains(&("HOTPLATE_EVENT_KEY".to_owned(), "a\x1b\u{fffd}b".to_owned())));
        assert_eq!(seen[0].json("ns")["event"], "PUT");
    }
}
