//! `hotplate get`: fetches one value.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use hotplate::{
    ValueReader,
    v1::{self, GetOutcome, entry::Payload},
};
use serde_json::{Value, json};

use super::transfer::{self, Target};
use crate::{
    connect::Connection,
    duration::{parse, to_proto},
    exit::{Exit, Failure, Outcome},
    output::{Output, Style, entry, human},
};

const EXAMPLES: &str = "\
Examples:
  hotplate get user:42                     print the value
  hotplate get model:7 --out model.bin     save it to a file, of any size, whole or not at all
  hotplate get model:7 -o model.bin        the same: what has a dot or a slash is a file
  hotplate get report:3 | jq .total        raw bytes when piped
  hotplate get report:3 -o json            value, outcome and facts as JSON
  hotplate get report:3 -o meta            the facts alone
  hotplate get report:3 --stale            a stale value is better than none";

/// Fetch a value; a miss ends with exit code 1
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Get {
    /// Key of the entry
    key: String,
    /// Write the value to this file instead of stdout, piece by piece. A regular file is replaced when the new one is whole,
    /// and keeps its permissions; a pipe or a device is written to as it is. A transfer that breaks goes on where it broke
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Accept a value that is past its TTL but within its stale time
    #[arg(long)]
    stale: bool,
    /// Accept only a value that is at most this old
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_age: Option<Duration>,
    /// Look without touching recency, idle time and statistics
    #[arg(long)]
    peek: bool,
    /// Look no further than this tier
    #[arg(long, value_enum, value_name = "TIER")]
    slowest: Option<Slowest>,
}

/// How far to look.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Slowest {
    /// In memory alone
    Memory,
    /// And on the server's disk
    Disk,
    /// And in what servers share
    Shared,
}

impl Slowest {
    fn wire(self) -> v1::Tier {
        match self {
            Self::Memory => v1::Tier::Memory,
            Self::Disk => v1::Tier::Disk,
            Self::Shared => v1::Tier::Shared,
        }
    }
}

impl Get {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        if self.out.is_some() && output.style() == Style::Meta {
            return Err(Failure::usage("`-o meta` asks for no value that --out could write: leave one of them out"));
        }
        let stale = if self.stale { v1::StalePolicy::WhileRevalidate } else { v1::StalePolicy::Refuse };
        let view = if output.style() == Style::Meta { v1::EntryView::Metadata } else { v1::EntryView::Full };
        let request = v1::GetRequest {
            namespace: connection.namespace.clone(),
            key: self.key.clone(),
            stale_policy: stale.into(),
            max_age: self.max_age.map(to_proto),
            peek: self.peek,
            view: view.into(),
            slowest_tier: self.slowest.map_or(v1::Tier::Unspecified, Slowest::wire).into(),
            ..Default::default()
        };
        let response = connection.calls.get(request).await?;
        let exit = exit_of(&response);
        warn_of(&response, output)?;
        let wants_value = view == v1::EntryView::Full && exit == Exit::Done;
        if wants_value && let Some(path) = &self.out {
            let saved = Box::pin(self.save(path, response, connection, output)).await?;
            return saved.said(&self.key, path, output).map(|()| exit);
        }
        if output.wants_json() {
            output.json(&as_json(&self.key, &response))?;
            return Ok(exit);
        }
        if wants_value && !output.is_terminal() && is_large(&response) {
            let mut reader = Box::pin(self.reader(&response, connection)).await?;
            let bar = transfer::progress_bar(output, reader.header().size_bytes);
            transfer::pieces(&mut reader, &bar, async |bytes| output.bytes(&bytes)).await?;
            return Ok(exit);
        }
        match (response.outcome(), response.entry.as_ref()) {
            (GetOutcome::Hit | GetOutcome::Stale, Some(found)) => self.show(found, coherence(&response), output)?,
            (GetOutcome::Negative, Some(found)) => output.note(&negative(found))?,
            _ => output.note(&format!("miss: {}", entry::miss_reason(response.miss_reason())))?,
        }
        Ok(exit)
    }

    fn show(&self, found: &v1::Entry, coherence: &str, output: &mut Output) -> Result<(), Failure> {
        let metadata = found.metadata.clone().unwrap_or_default();
        if output.style() == Style::Meta {
            return if output.is_terminal() {
                let mut rows = entry::facts_rows(&metadata);
                rows.push(vec!["coherence".to_owned(), coherence.to_owned()]);
                output.rows(&[], &rows)
            } else {
                let mut facts = entry::facts(&metadata);
                facts["coherence"] = Value::from(coherence);
                output.json(&facts)
            };
        }
        let value = match &found.payload {
            Some(Payload::Value(value)) => value.clone(),
            _ => Bytes::new(),
        };
        if !output.is_terminal() {
            return output.bytes(&value);
        }
        if matches!(found.payload, Some(Payload::Large(_))) {
            return not_shown("a large value", &metadata, output);
        }
        show_on_terminal(&value, &metadata, output)
    }

    /// Writes the value to a file, from the answer or, when it is too large for one, from a stream.
    async fn save(
        &self,
        path: &Path,
        response: v1::GetResponse,
        connection: &Connection,
        output: &Output,
    ) -> Result<Saved, Failure> {
        let coherence = coherence(&response);
        let mut file = Target::open(path).await?;
        let (bytes, etag) = if is_large(&response) {
            let mut reader = self.reader(&response, connection).await?;
            let bar = transfer::progress_bar(output, reader.header().size_bytes);
            let bytes = transfer::pieces(&mut reader, &bar, async |bytes| file.write(&bytes).await).await?;
            (bytes, reader.header().version.clone())
        } else {
            let entry = response.entry.unwrap_or_default();
            let value = if let Some(Payload::Value(value)) = entry.payload { value } else { Bytes::new() };
            file.write(&value).await?;
            (value.len() as u64, entry.metadata.map(|metadata| metadata.etag).unwrap_or_default())
        };
        file.finish().await?;
        Ok(Saved {
            bytes,
            etag,
            outcome: entry::bare(
                GetOutcome::try_from(response.outcome).unwrap_or_default().as_str_name(),
                "GET_OUTCOME_",
            ),
            coherence,
        })
    }

    /// The stream of the value that the answer names.
    async fn reader(&self, response: &v1::GetResponse, connection: &Connection) -> Result<ValueReader, Failure> {
        let metadata = response.entry.as_ref().and_then(|entry| entry.metadata.clone()).unwrap_or_default();
        let request = v1::ReadValueRequest {
            namespace: connection.namespace.clone(),
            key: self.key.clone(),
            version: metadata.etag,
            stale_policy: if self.stale { v1::StalePolicy::WhileRevalidate } else { v1::StalePolicy::Refuse }.into(),
            ..v1::ReadValueRequest::default()
        };
        let reader = connection.calls.read_value(request).await?;
        match reader.header().version.is_empty() {
            false => Ok(reader),
            true => Err(Failure::new(Exit::Rejected, "the value went away while it was asked for: try again")),
        }
    }
}

/// A value that was written to a file.
struct Saved {
    bytes: u64,
    etag: String,
    outcome: &'static str,
    coherence: &'static str,
}

impl Saved {
    fn said(&self, key: &str, path: &Path, output: &mut Output) -> Result<(), Failure> {
        let path = path.display().to_string();
        if output.wants_json() {
            let Self { bytes, etag, outcome, coherence } = self;
            return output.json(&json!({
                "key": key, "outcome": outcome, "bytes": bytes, "etag": etag, "out": path, "coherence": coherence
            }));
        }
        output.note(&format!("{} written to {}", human::size(self.bytes), human::escape(&path)))
    }
}

/// Whether the value is too large for an answer.
fn is_large(response: &v1::GetResponse) -> bool {
    matches!(response.entry.as_ref().and_then(|entry| entry.payload.as_ref()), Some(Payload::Large(_)))
}

/// A terminal gets text only: other bytes could drive it.
fn show_on_terminal(value: &[u8], metadata: &v1::EntryMetadata, output: &mut Output) -> Result<(), Failure> {
    if output.style() != Style::Raw
        && let Some(json) = json_of(value)
    {
        return output.line(&json);
    }
    match human::printable(value) {
        Some(text) => output.line(text.strip_suffix('\n').unwrap_or(text)),
        None => not_shown("binary value", metadata, output),
    }
}

fn not_shown(what: &str, metadata: &v1::EntryMetadata, output: &mut Output) -> Result<(), Failure> {
    let kind = if metadata.content_type.is_empty() { "no type given" } else { &metadata.content_type };
    output.warn(&format!(
        "{what}, {}, {}: not shown on a terminal; save it with --out FILE, or pipe it",
        human::size(metadata.size_bytes),
        human::escape(kind)
    ))
}

/// JSON objects and arrays, indented. Everything a terminal could take amiss is an escape in JSON, or made one.
fn json_of(value: &[u8]) -> Option<String> {
    let first = value.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'[') {
        return None;
    }
    let parsed: Value = serde_json::from_slice(value).ok()?;
    let text = format!("{parsed:#}");
    Some(text.lines().map(human::escape).collect::<Vec<_>>().join("\n"))
}

fn negative(found: &v1::Entry) -> String {
    match &found.payload {
        Some(Payload::Negative(negative)) => {
            let text = if negative.message.is_empty() { String::new() } else { format!(" ({})", negative.message) };
            human::escape(&format!("negative: {}{text}", negative.reason))
        }
        _ => "negative".to_owned(),
    }
}

/// Whether the answer takes into account what other servers changed, in a word.
pub(super) fn coherence(response: &v1::GetResponse) -> &'static str {
    if response.coherence() == v1::Coherence::Degraded { "degraded" } else { "kept" }
}

/// Says on stderr, also to who asked for bytes or JSON, that the answer may be older than promised.
pub(super) fn warn_of(response: &v1::GetResponse, output: &mut Output) -> Result<(), Failure> {
    if response.coherence() != v1::Coherence::Degraded {
        return Ok(());
    }
    output.warn(
        "degraded: the server has not heard of the others for a while, and what it answers may be older than what they \
         changed (`hotplate stats` says why)",
    )
}

/// Only a value is a positive answer.
pub(super) fn exit_of(response: &v1::GetResponse) -> Exit {
    match response.outcome() {
        GetOutcome::Hit | GetOutcome::Stale => Exit::Done,
        _ => Exit::Negative,
    }
}

/// The whole answer for programs.
pub(super) fn as_json(key: &str, response: &v1::GetResponse) -> Value {
    let outcome = response.outcome();
    let mut object = response.entry.as_ref().map(entry::entry).unwrap_or_default();
    object.insert("key".to_owned(), Value::from(key));
    object.insert("outcome".to_owned(), json!(entry::bare(outcome.as_str_name(), "GET_OUTCOME_")));
    if outcome == GetOutcome::Miss {
        let reason = entry::bare(response.miss_reason().as_str_name(), "MISS_REASON_");
        object.insert("miss_reason".to_owned(), json!(reason));
    }
    object.insert("coherence".to_owned(), json!(coherence(response)));
    if response.served_from() != v1::Tier::Unspecified {
        object.insert("served_from".to_owned(), json!(entry::tier(response.served_from)));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_harmless() {
        assert_eq!(json_of(br#"{"a":1}"#).as_deref(), Some("{\n  \"a\": 1\n}"));
        assert_eq!(json_of(b"12"), None);
        assert_eq!(json_of(b"{broken"), None);
        let shown = json_of("[\"\u{9b}31m\"]".as_bytes()).unwrap();
        assert!(!shown.contains('\u{9b}'), "{shown}");
    }
}
