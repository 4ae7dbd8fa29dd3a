//! `hotplate watch`: follows changes, comes back by itself after a lost connection, and runs a command for each event.
//! How an event looks is in `event`.

mod event;

use std::{process::Stdio, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, ValueEnum};
use hotplate::{ErrorKind, v1, v1::watch_response::Message};
use tokio::{io::AsyncWriteExt, process::Command};

use self::event::Seen;
use super::select::Select;
use crate::{
    connect::Connection,
    exit::{Exit, Failure, Outcome},
    output::{Output, Style, human},
};

/// Wait before the first attempt to come back, doubled up to the longest.
const BACKOFF: Duration = Duration::from_millis(200);
/// Longest wait between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  hotplate watch                                   every change in the namespace
  hotplate watch --prefix model: --present         what is there, then its changes
  hotplate watch --tag dataset:3 -o jsonl | jq .key
  hotplate watch --prefix config: -- sh -c 'echo $HOTPLATE_EVENT_TYPE $HOTPLATE_EVENT_KEY'
  hotplate watch --resume TOKEN                    continue after an event seen before

A command gets HOTPLATE_EVENT_TYPE, _KEY, _NAMESPACE, _SELECTOR, _REASON, _CLIENT_ID, _ETAG, _SIZE and
_RESUME_TOKEN, and with `--content values` the value on stdin.";

/// Follow changes as they happen
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Watch {
    #[command(flatten)]
    select: Select,
    /// First show what is there
    #[arg(long, conflicts_with = "resume")]
    present: bool,
    /// Continue after this token, as shown with an event
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    resume: Option<Token>,
    /// How much of an entry to show
    #[arg(long, value_enum, value_name = "CONTENT", default_value_t = Content::Metadata)]
    content: Content,
    /// End after this many events
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Show evictions as well
    #[arg(long)]
    evictions: bool,
    /// Command to run for each event
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// How much of an entry is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Content {
    /// Key, type and position
    Keys,
    /// What is known about the entry as well
    Metadata,
    /// The value as well
    Values,
}

/// A place to continue from.
#[derive(Clone, Debug)]
struct Token(Vec<u8>);

fn token(text: &str) -> Result<Token, String> {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.map(Token).map_err(|_not_base64| "not a token: take it from `resume_token` of an event".to_owned())
}

/// How one stream ended.
enum Ended {
    /// As many events as were asked for.
    Enough,
    /// The connection or the server went away.
    Lost(String),
}

/// What is remembered from one stream to the next.
struct Follower<'a> {
    verb: &'a Watch,
    connection: &'a Connection,
    token: Vec<u8>,
    left: u64,
    backoff: Duration,
}

impl Watch {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let token = self.resume.clone().map(|token| token.0).unwrap_or_default();
        let left = self.limit.unwrap_or(u64::MAX);
        let mut follower = Follower { verb: &self, connection, token, left, backoff: BACKOFF };
        let mut connected = false;
        while follower.left > 0 {
            match follower.follow(&mut connected, output).await? {
                Ended::Enough => break,
                Ended::Lost(why) => {
                    let again = human::duration(follower.backoff);
                    output.note(&format!("watch interrupted ({}), again in {again}", human::escape(&why)))?;
                    tokio::time::sleep(follower.backoff).await;
                    follower.backoff = (follower.backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
        Ok(Exit::Done)
    }

    fn request(&self, namespace: &str, token: &[u8]) -> v1::WatchRequest {
        let content = match self.content {
            Content::Keys => v1::WatchContent::Keys,
            Content::Metadata => v1::WatchContent::Metadata,
            Content::Values => v1::WatchContent::Values,
        };
        let all = [
            v1::EventType::Put,
            v1::EventType::Invalidated,
            v1::EventType::Expired,
            v1::EventType::SetInvalidated,
            v1::EventType::MarkedStale,
            v1::EventType::Evicted,
        ];
        v1::WatchRequest {
            namespace: namespace.to_owned(),
            selectors: self.select.selectors(),
            resume_token: token.to_vec().into(),
            include_present: self.present && token.is_empty(),
            content: content.into(),
            event_types: if self.evictions { all.map(i32::from).to_vec() } else { Vec::new() },
            ..Default::default()
        }
    }
}

impl Follower<'_> {
    /// Follows one stream to its end. The first connection must succeed; later ones are tried again.
    async fn follow(&mut self, connected: &mut bool, output: &mut Output) -> Result<Ended, Failure> {
        let request = self.verb.request(&self.connection.namespace, &self.token);
        let mut stream = match self.connection.calls.watch(request).await {
            Ok(stream) => stream,
            Err(error) if *connected && comes_back(error.kind) => return Ok(Ended::Lost(error.message)),
            Err(error) => return Err(error.into()),
        };
        loop {
            let response = match stream.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return Ok(Ended::Lost("the server ended it".to_owned())),
                Err(status) => {
                    let error = hotplate::Error::from(status);
                    return match *connected && comes_back(error.kind) {
                        true => Ok(Ended::Lost(error.message)),
                        false => Err(error.into()),
                    };
                }
            };
            *connected = true;
            self.backoff = BACKOFF;
            if self.show(&response, output).await? {
                return Ok(Ended::Enough);
            }
            if !response.resume_token.is_empty() {
                self.token = response.resume_token.to_vec();
            }
        }
    }

    /// Shows the events of a message; whether as many were shown as were asked for.
    async fn show(&mut self, response: &v1::WatchResponse, output: &mut Output) -> Result<bool, Failure> {
        let resume_token = URL_SAFE_NO_PAD.encode(&response.resume_token);
        let Some(message) = &response.message else { return Ok(false) };
        let before = URL_SAFE_NO_PAD.encode(&self.token);
        for seen in Seen::all(message, &before, &resume_token) {
            self.one(&seen, output).await?;
            self.left -= 1;
            if self.left == 0 {
                return Ok(true);
            }
        }
        match message {
            Message::Discontinuity(lost) => {
                let why = event::discontinuity(lost.reason());
                output.warn(&format!("changes were lost ({why}): what was read before can no longer be trusted"))?;
            }
            Message::Synced(_) => output.note("all that was there has been shown")?,
            _ => {}
        }
        output.flush()?;
        Ok(false)
    }

    async fn one(&self, seen: &Seen<'_>, output: &mut Output) -> Result<(), Failure> {
        if !self.verb.command.is_empty() {
            return self.run_command(seen, output).await;
        }
        match output.event_style() {
            Style::JsonLines => output.line(&seen.json(&self.connection.namespace).to_string())?,
            Style::Raw => output.line(&human::escape(seen.key))?,
            _ => output.line(&seen.line())?,
        }
        output.flush()
    }

    async fn run_command(&self, seen: &Seen<'_>, output: &mut Output) -> Result<(), Failure> {
        let Some((program, arguments)) = self.verb.command.split_first() else { return Ok(()) };
        let stdin = if seen.value().is_some() { Stdio::piped() } else { Stdio::null() };
        let spawned = Command::new(program)
            .args(arguments)
            .envs(seen.variables(&self.connection.namespace))
            .stdin(stdin)
            .kill_on_drop(true)
            .spawn();
        let mut child = spawned.map_err(|error| Failure::usage(format!("{program}: {error}")))?;
        if let (Some(mut stdin), Some(value)) = (child.stdin.take(), seen.value()) {
            // A command that does not read its stdin to the end is none of our business.
            let _ = stdin.write_all(value).await;
        }
        let status = child.wait().await?;
        if !status.success() {
            output.warn(&format!("{program}: {status}"))?;
        }
        Ok(())
    }
}

/// Whether a watch is worth trying again after this.
fn comes_back(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded | ErrorKind::Cancelled | ErrorKind::Internal)
}
