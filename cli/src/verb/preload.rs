//! `hotplate preload`: has the server fetch entries from an origin ahead of their use, and follows the job. What the
//! items are is read in `items`.

mod items;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};
use hotplate::v1::{self, PreloadState};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{lifetime::Lifetime, put::pair};
use crate::{
    connect::Connection,
    duration::{self, from_proto, to_proto},
    exit::{Exit, Failure, Outcome},
    output::{Output, Style, entry, human},
};

/// Failed items listed by name; more are only counted.
const FAILURES_SHOWN: usize = 10;

const EXAMPLES: &str = "\
Examples:
  hotplate preload --key user:1 --key user:2        from the namespace's only origin
  hotplate preload items.jsonl --parallelism 16     one item a line:
      {\"key\": \"user:1\", \"origin\": \"users\", \"parameters\": {\"id\": \"1\"}, \"ttl\": \"1h\", \"tags\": [\"users\"]}
  hotplate preload --key user:1 --pin-for 10m       and keep it for ten minutes, whatever else comes
  hotplate preload --job JOB                        join a job that goes on
  hotplate preload --job JOB --cancel               stop it

The job goes on in the server when this command is interrupted. Exit code 1 when an item failed.";

/// Have the server fetch entries from a configured origin ahead of their use
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("what").args(["file", "key", "job"]).required(true))]
pub(crate) struct Preload {
    /// File with one JSON object a line, - for stdin
    file: Option<PathBuf>,
    /// Key to fetch; repeat for more
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Origin to ask, for items that name none
    #[arg(long, value_name = "NAME", conflicts_with = "job")]
    origin: Option<String>,
    /// Value for the origin's URL template, for items that give none; repeat for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "job")]
    param: Vec<(String, String)>,
    #[command(flatten)]
    lifetime: Lifetime,
    /// Fetches at once; 0 leaves it to the server
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    parallelism: u32,
    /// Fetch what is fresh as well
    #[arg(long)]
    force: bool,
    /// Keep what is loaded from making room for others for this long, at most 24h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "job")]
    pin_for: Option<Duration>,
    /// Join this job
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Stop the job
    #[arg(long, requires = "job")]
    cancel: bool,
}

/// What came of a job so far.
#[derive(Default)]
struct Tally {
    job_id: String,
    states: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
    failed: u64,
    done: u64,
    total: u64,
    loaded_bytes: u64,
    pinned: u64,
    finished: bool,
    cancelled: bool,
}

impl Preload {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let items = items::read(&self).await?;
        let request = v1::PreloadRequest {
            namespace: connection.namespace.clone(),
            items,
            force: self.force,
            max_parallelism: self.parallelism,
            job_id: self.job.unwrap_or_default(),
            cancel: self.cancel,
            pin_for: self.pin_for.map(to_proto),
            ..Default::default()
        };
        let mut stream = connection.calls.preload(request).await?;
        let bar = progress_bar(output);
        let mut tally = Tally::default();
        loop {
            match stream.message().await {
                Ok(Some(response)) => tally.add(&response, &bar, output)?,
                Ok(None) => break,
                Err(status) => {
                    bar.finish_and_clear();
                    let failure = Failure::from(hotplate::Error::from(status));
                    return Err(tally.left(failure));
                }
            }
        }
        bar.finish_and_clear();
        tally.end(output)
    }
}

/// Drawn on a terminal only.
fn progress_bar(output: &Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{bar:30} {pos}/{len} {msg} {elapsed_precise} left {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Tally {
    fn add(&mut self, response: &v1::PreloadResponse, bar: &ProgressBar, output: &mut Output) -> Result<(), Failure> {
        if self.job_id.is_empty() && !response.job_id.is_empty() {
            self.job_id.clone_from(&response.job_id);
            let note = format!("job {}", human::escape(&self.job_id));
            bar.suspend(|| output.note(&note))?;
        }
        for result in &response.results {
            self.count(result);
            if output.event_style() == Style::JsonLines {
                output.line(&result_json(result).to_string())?;
            }
        }
        self.done = response.done_count;
        self.total = response.total_count;
        self.loaded_bytes = response.loaded_bytes;
        self.finished |= response.finished;
        self.cancelled |= response.cancelled;
        bar.set_length(self.total);
        bar.set_position(self.done);
        bar.set_message(human::size(self.loaded_bytes));
        output.flush()
    }

    fn count(&mut self, result: &v1::PreloadResult) {
        let state = result.state();
        self.pinned += u64::from(result.pinned);
        *self.states.entry(entry::bare(state.as_str_name(), "PRELOAD_STATE_")).or_default() += 1;
        if !matches!(state, PreloadState::Failed | PreloadState::NotStored) {
            return;
        }
        self.failed += 1;
        if self.failures.len() < FAILURES_SHOWN {
            let error = result.error.clone().unwrap_or_default();
            let text = format!("{}: {} {}", result.key, error.reason, error.message);
            self.failures.push(human::escape(text.trim_end()));
        }
    }

    /// A lost stream is not a lost job.
    fn left(&self, failure: Failure) -> Failure {
        if self.job_id.is_empty() {
            return failure;
        }
        let job = human::escape(&self.job_id);
        Failure::new(failure.exit, format!("{}; the job goes on: hotplate preload --job {job}", failure.message))
    }

    fn end(self, output: &mut Output) -> Outcome {
        if output.event_style() == Style::JsonLines {
            output.line(
                &json!({
                    "event": "finished",
                    "job_id": self.job_id,
                    "done": self.done,
                    "total": self.total,
                    "loaded_bytes": self.loaded_bytes,
                    "states": self.states,
                    "pinned": self.pinned,
                    "failed": self.failed,
                    "cancelled": self.cancelled,
                })
                .to_string(),
            )?;
        }
        for failure in &self.failures {
            output.warn(&format!("failed  {failure}"))?;
        }
        let listed = self.failures.len() as u64;
        if self.failed > listed {
            output.warn(&format!("… and {} more failed", human::count(self.failed - listed)))?;
        }
        let states =
            self.states.iter().map(|(state, count)| format!("{} {}", human::count(*count), state.to_lowercase()));
        let states = states.collect::<Vec<_>>().join(", ");
        let end = if self.cancelled { "cancelled: " } else { "" };
        let pinned = if self.pinned > 0 { format!(", {} pinned", human::count(self.pinned)) } else { String::new() };
        output.note(&format!("{end}{states}; {} loaded{pinned}", human::size(self.loaded_bytes)))?;
        let whole = self.finished && !self.cancelled && self.failed == 0;
        Ok(if whole { Exit::Done } else { Exit::Negative })
    }
}

fn result_json(result: &v1::PreloadResult) -> serde_json::Value {
    let error = result.error.as_ref().map(
        |error| json!({"code": error.code, "reason": error.reason, "message": error.message, "field": error.field}),
    );
    json!({
        "event": "item",
        "key": result.key,
        "state": entry::bare(result.state().as_str_name(), "PRELOAD_STATE_"),
        "error": error,
        "pinned": result.pinned,
        "elapsed_seconds": from_proto(result.elapsed.as_ref()).as_secs_f64(),
    })
}
