//! `hotplate put`: stores one value.

use std::{collections::HashMap, io, time::Duration};

use bytes::Bytes;
use clap::{ArgGroup, Args};
use hotplate::v1::{self, PutOutcome, precondition::Condition, put_request::Payload};
use serde_json::{Value, json};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt},
};

use super::{
    lifetime::Lifetime,
    transfer::{self, FileSource},
};
use crate::{
    connect::Connection,
    duration::{from_proto, parse, to_proto},
    exit::{Exit, Failure, Outcome},
    output::{Output, Style, entry, human},
};

const EXAMPLES: &str = "\
Examples:
  hotplate put greeting 'hello' --ttl 10m
  hotplate put model:7 @model.bin --ttl-class long --tag dataset:3 --kind sklearn     of any size
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
    /// The text to store; @FILE stores a file, - what comes on stdin, @@text the text @text. What is large goes piece by
    /// piece, is stored when all of it is there, and goes on where it broke
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
        let input = match (&self.negative, &self.value) {
            (Some(reason), _) => {
                let message = self.message.clone().unwrap_or_default();
                let negative = v1::Negative { reason: reason.clone(), message };
                Input::Small(Payload::Negative(negative))
            }
            (None, value) => Box::pin(open(value.as_deref().unwrap_or_default(), connection)).await?,
        };
        let key = self.key.clone();
        let request = self.request(&connection.namespace);
        let response = match input {
            Input::Small(payload) => Box::pin(at_once(request, payload, connection)).await?,
            Input::File(file, size) => {
                let bar = transfer::progress_bar(output, size);
                let source = FileSource::new(file, size, bar.clone());
                let written = Box::pin(connection.calls.write_value(request, source, false)).await;
                bar.finish_and_clear();
                written?
            }
            Input::Stream(first, rest) => Box::pin(pour(request, first, rest, connection)).await?,
        };
        report(&key, &response, output)
    }

    /// All but the payload.
    fn request(self, namespace: &str) -> v1::PutRequest {
        let condition = match (self.if_absent, self.if_present, self.if_etag) {
            (true, _, _) => Some(Condition::Absent(true)),
            (_, true, _) => Some(Condition::Present(true)),
            (_, _, Some(etag)) => Some(Condition::Etag(etag)),
            _ => None,
        };
        v1::PutRequest {
            namespace: namespace.to_owned(),
            key: self.key,
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

/// What an argument names.
enum Input {
    /// What fits into a call.
    Small(Payload),
    /// A file that does not, with its bytes.
    File(File, u64),
    /// What comes, and does not fit: its beginning and the rest.
    Stream(Bytes, Box<dyn AsyncRead + Send + Unpin>),
}

/// Bytes that every server takes with a call, unless it says otherwise.
const SURE_BYTES: u64 = 1 << 20;

async fn open(argument: &str, connection: &Connection) -> Result<Input, Failure> {
    let text = |text: &str| Input::Small(Payload::Value(Bytes::copy_from_slice(text.as_bytes())));
    let path = match argument.strip_prefix('@') {
        _ if argument == "-" => return stream(Box::new(tokio::io::stdin()), "stdin", connection).await,
        Some(escaped) if escaped.starts_with('@') => return Ok(text(escaped)),
        Some(path) => path,
        None => return Ok(text(argument)),
    };
    let wrong = |error: io::Error| Failure::usage(format!("{path}: {error}"));
    let mut file = File::open(path).await.map_err(wrong)?;
    let found = file.metadata().await.map_err(wrong)?;
    if !found.is_file() {
        return stream(Box::new(file), path, connection).await;
    }
    match fits(found.len(), connection).await? {
        false => Ok(Input::File(file, found.len())),
        true => {
            let mut value = Vec::new();
            file.read_to_end(&mut value).await.map_err(wrong)?;
            Ok(Input::Small(Payload::Value(value.into())))
        }
    }
}

/// What cannot be read again is looked at as far as a call holds it.
async fn stream(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    name: &str,
    connection: &Connection,
) -> Result<Input, Failure> {
    let wrong = |error: io::Error| Failure::usage(format!("cannot read {name}: {error}"));
    let looked_at = usize::try_from(SURE_BYTES + 1).unwrap_or(usize::MAX);
    let first = transfer::piece(&mut from, looked_at).await.map_err(wrong)?;
    let limits = if first.len() < looked_at { None } else { Some(connection.calls.limits().await?) };
    if limits.is_some_and(|limits| limits.chunk_bytes_max > 0) {
        return Ok(Input::Stream(first, from));
    }
    let mut value = first.to_vec();
    from.read_to_end(&mut value).await.map_err(wrong)?;
    Ok(Input::Small(Payload::Value(value.into())))
}

/// Whether so many bytes go with a call. A server without streams says itself what is too large.
async fn fits(size: u64, connection: &Connection) -> Result<bool, Failure> {
    if size <= SURE_BYTES {
        return Ok(true);
    }
    let limits = connection.calls.limits().await?;
    Ok(limits.chunk_bytes_max == 0 || size <= limits.unary_value_bytes_max)
}

/// Sends what every server takes with a call, and piece by piece where this one says that it takes less.
async fn at_once(put: v1::PutRequest, payload: Payload, connection: &Connection) -> Result<v1::PutResponse, Failure> {
    let value = if let Payload::Value(value) = &payload { Some(value.clone()) } else { None };
    let request = v1::PutRequest { payload: Some(payload), ..put.clone() };
    match (connection.calls.put(request).await, value) {
        (Err(error), Some(value)) if error.reason.as_deref() == Some("VALUE_TOO_LARGE") => {
            Ok(Box::pin(connection.calls.write_value(put, value, false)).await?)
        }
        (answered, _) => Ok(answered?),
    }
}

/// Sends what comes, as it comes.
async fn pour(
    put: v1::PutRequest,
    first: Bytes,
    mut rest: Box<dyn AsyncRead + Send + Unpin>,
    connection: &Connection,
) -> Result<v1::PutResponse, Failure> {
    let mut writer = Box::pin(connection.calls.value_writer(put)).await?;
    let mut next = first;
    while !next.is_empty() {
        writer.send(next).await?;
        let read = transfer::piece(&mut rest, usize::try_from(SURE_BYTES).unwrap_or(usize::MAX)).await;
        next = read.map_err(|error| Failure::usage(format!("cannot read what is to be stored: {error}")))?;
    }
    Ok(Box::pin(writer.finish()).await?)
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
    let (bytes, etag) = response.metadata.as_ref().map(|facts| (facts.size_bytes, facts.etag.as_str())).unzip();
    let mut value = json!({"key": key, "outcome": outcome, "bytes": bytes, "etag": etag, "metadata": metadata});
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
}
