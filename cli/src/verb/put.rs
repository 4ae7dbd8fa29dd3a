//! `hotplate put`: stores one value.

use std::{collections::HashMap, time::Duration};

use clap::{ArgGroup, Args};
use hotplate::v1::{self, PutOutcome, precondition::Condition, put_request::Payload};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::lifetime::Lifetime;
use crate::{
    connect::Connection,
    duration::{from_proto, parse, to_proto},
    exit::{Exit, Failure, Outcome},
    output::{Output, Style, entry, human},
};

const EXAMPLES: &str = "\
Examples:
  hotplate put greeting 'hello' --ttl 10m
  hotplate put model:7 @model.bin --ttl-class long --tag dataset:3 --kind sklearn
  jq -c . report.json | hotplate put report:3 - --content-type application/json
  hotplate put metrics:7 @metrics.json --depends-on model:7 --depends-on tag:dataset:3
  hotplate put lock:nightly me --ttl 1h --if-absent     exit code 1 when it is there already
  hotplate put user:404 --negative NOT_FOUND --ttl 1m   remember that there is none
  hotplate put price @@home                             a text that begins with @";

/// Store a value
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("what").args(["value", "negative"]).required(true))]
#[command(group = ArgGroup::new("condition").args(["if_absent", "if_present", "if_etag"]))]
pub(crate) struct Put {
    /// Key of the entry
    key: String,
    /// The text to store; @FILE stores a file, - what comes on stdin, @@text the text @text
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
    #[command(flatten)]
    lifetime: Lifetime,
    /// Group the entry belongs to; repeat for more
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// What it was made from: a key, or a tag as tag:NAME; repeat for more
    #[arg(long, value_name = "KEY")]
    depends_on: Vec<String>,
    /// Name of the operation or model type
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Free-form fact; repeat for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Media type of the value, such as application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Encoding on top of the media type, such as gzip
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// What computing it cost: what is dear is kept longer, and counted in the statistics
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    compute_cost: Option<Duration>,
    /// Store only when there is no entry yet
    #[arg(long)]
    if_absent: bool,
    /// Store only when there is an entry
    #[arg(long)]
    if_present: bool,
    /// Store only over the entry with this etag
    #[arg(long, value_name = "ETAG")]
    if_etag: Option<String>,
    /// Remember an absence or failure under this reason instead of a value
    #[arg(long, value_name = "REASON")]
    negative: Option<String>,
    /// Sentence for people next to --negative
    #[arg(long, value_name = "TEXT", requires = "negative")]
    message: Option<String>,
}

/// Splits `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

impl Put {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let payload = match (&self.negative, &self.value) {
            (Some(reason), _) => Payload::Negative(v1::Negative {
                reason: reason.clone(),
                message: self.message.clone().unwrap_or_default(),
            }),
            (None, value) => Payload::Value(read_value(value.as_deref().unwrap_or_default()).await?.into()),
        };
        let key = self.key.clone();
        let response = connection.calls.put(self.request(&connection.namespace, payload)).await?;
        report(&key, &response, output)
    }

    fn request(self, namespace: &str, payload: Payload) -> v1::PutRequest {
        let condition = match (self.if_absent, self.if_present, self.if_etag) {
            (true, _, _) => Some(Condition::Absent(true)),
            (_, true, _) => Some(Condition::Present(true)),
            (_, _, Some(etag)) => Some(Condition::Etag(etag)),
            _ => None,
        };
        v1::PutRequest {
            namespace: namespace.to_owned(),
            key: self.key,
            payload: Some(payload),
            content_type: self.content_type.unwrap_or_default(),
            encoding: self.encoding.unwrap_or_default(),
            expiration: self.lifetime.expiration(),
            kind: self.kind.unwrap_or_default(),
            tags: self.tag,
            depends_on: self.depends_on,
            labels: self.label.into_iter().collect::<HashMap<_, _>>(),
            precondition: condition.map(|condition| v1::Precondition { condition: Some(condition) }),
            compute_cost: self.compute_cost.map(to_proto),
            ..Default::default()
        }
    }
}

/// The bytes that an argument names.
async fn read_value(argument: &str) -> Result<Vec<u8>, Failure> {
    if argument == "-" {
        let mut bytes = Vec::new();
        let read = tokio::io::stdin().read_to_end(&mut bytes).await;
        read.map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?;
        return Ok(bytes);
    }
    match argument.strip_prefix('@') {
        Some(text) if text.starts_with('@') => Ok(text.as_bytes().to_vec()),
        Some(path) => tokio::fs::read(path).await.map_err(|error| Failure::usage(format!("{path}: {error}"))),
        None => Ok(argument.as_bytes().to_vec()),
    }
}

fn report(key: &str, response: &v1::PutResponse, output: &mut Output) -> Outcome {
    let outcome = response.outcome();
    let name = entry::bare(outcome.as_str_name(), "PUT_OUTCOME_");
    let stored = matches!(outcome, PutOutcome::Stored | PutOutcome::Refreshed);
    let metadata = response.metadata.clone().unwrap_or_default();
    match output.style() {
        Style::Json | Style::JsonLines => output.json(&as_json(key, name, response))?,
        Style::Table if stored => output.line(&format!(
            "{} {}: {}, fresh for {}, etag {}",
            name.to_lowercase(),
            human::escape(key),
            human::size(metadata.size_bytes),
            human::duration(from_proto(metadata.fresh_for.as_ref())),
            human::escape(&metadata.etag)
        ))?,
        Style::Lines | Style::Raw if stored => output.line(&format!("{name}\t{}", human::escape(&metadata.etag)))?,
        _ => {}
    }
    match outcome {
        PutOutcome::PreconditionFailed if response.metadata.is_some() => {
            output.note(&format!("not stored: an entry with etag {} is there", human::escape(&metadata.etag)))?;
        }
        PutOutcome::PreconditionFailed => output.note("not stored: there is no such entry")?,
        PutOutcome::NotAdmitted => {
            output.note(&format!("not stored: {}", human::escape(&response.not_admitted_reason)))?;
        }
        _ => {}
    }
    Ok(if stored { Exit::Done } else { Exit::Negative })
}

fn as_json(key: &str, outcome: &str, response: &v1::PutResponse) -> Value {
    let metadata = response.metadata.as_ref().map(entry::facts);
    let mut value = json!({"key": key, "outcome": outcome, "metadata": metadata});
    if response.outcome() == PutOutcome::NotAdmitted {
        value["not_admitted_reason"] = Value::from(response.not_admitted_reason.as_str());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_have_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err());
        assert!(pair("=b").is_err());
    }

    #[tokio::test]
    async fn texts_and_files_are_told_apart() {
        assert_eq!(read_value("plain").await.unwrap(), b"plain");
        assert_eq!(read_value("@@home").await.unwrap(), b"@home");
        assert_eq!(read_value("@/does/not/exist").await.unwrap_err().exit, Exit::Usage);
    }
}
