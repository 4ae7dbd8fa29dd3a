//! `hotplate invalidate`: drops sets of entries, marks them stale or has them fetched anew, after showing what they are.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use clap::{Args, ValueEnum};
use hotplate::v1::{self, Selector, selector};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    put::pair,
    select::{Select, describe},
};
use crate::{
    connect::Connection,
    duration::{parse, to_proto},
    exit::{Exit, Failure, Outcome},
    output::{Output, entry, human},
};

/// Keys shown before a set is dropped.
const SAMPLES: usize = 10;

const EXAMPLES: &str = "\
Examples:
  hotplate invalidate --tag dataset:3 --dry-run      what would be dropped
  hotplate invalidate --tag dataset:3                drop it, after asking
  hotplate invalidate --prefix model: --kind report --yes --reason 'schema changed'
  hotplate invalidate --tag eu,daily --yes           entries with both tags
  hotplate invalidate --key model:7                  and what was put with --depends-on model:7
  hotplate invalidate --dependents-of model:7 --yes  only what was made from it
  hotplate invalidate --all --yes                    everything in the namespace
  hotplate invalidate --tag dataset:3 --mode stale --spread-over 5m
                                                     serve it as stale, each entry from its own moment on
  hotplate invalidate --tag dataset:3 --mode refresh --yes
                                                     serve it as stale until the server has fetched it anew

Mode refresh ends when the job is started: follow it with `hotplate preload --job JOB`. What was only made from what is
selected is marked stale, and not fetched.";

/// Drop entries by key, prefix, glob, tag or kind, mark them stale, or fetch them anew
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Invalidate {
    #[command(flatten)]
    select: Select,
    /// Everything in the namespace
    #[arg(long, conflicts_with_all = ["key", "prefix", "glob", "tag", "kind", "dependents_of"])]
    all: bool,
    /// Leave what was made from it
    #[arg(long)]
    no_cascade: bool,
    /// What happens to what is selected
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Mode::Delete)]
    mode: Mode,
    /// Let each entry become stale at a moment of its own within this time, at most 1h
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    spread_over: Option<Duration>,
    /// Origin to fetch from, with mode refresh; not needed when there is only one
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Value for the origin's URL template, with mode refresh; repeat for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Only show what would be dropped
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; needed where nobody can answer
    #[arg(short, long)]
    yes: bool,
    /// Why, for the record and for watchers
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// End with exit code 1 when nothing was dropped
    #[arg(long)]
    fail_empty: bool,
}

/// What happens to what is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// It is dropped
    Delete,
    /// It may be served as stale, within its stale time
    Stale,
    /// It may be served as stale until it is fetched anew from an origin
    Refresh,
}

impl Mode {
    fn wire(self) -> v1::InvalidateMode {
        match self {
            Self::Delete => v1::InvalidateMode::Delete,
            Self::Stale => v1::InvalidateMode::MarkStale,
            Self::Refresh => v1::InvalidateMode::Refresh,
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Delete => "dropped",
            Self::Stale | Self::Refresh => "marked stale:",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Delete => "Drop",
            Self::Stale => "Mark stale",
            Self::Refresh => "Refresh",
        }
    }
}

impl Invalidate {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let selectors = self.selectors()?;
        let request = v1::InvalidateRequest {
            namespace: connection.namespace.clone(),
            selectors,
            reason: self.reason.clone(),
            cascade: Some(!self.no_cascade),
            validate_only: true,
            mode: self.mode.wire().into(),
            spread_over: self.spread_over.map(to_proto),
            refresh: self.refresh(),
            ..Default::default()
        };
        if self.dry_run {
            let preview = connection.calls.invalidate(request.clone()).await?;
            self.knowable(&request, &preview)?;
            show_preview(self.mode, &preview, output)?;
            return Ok(self.exit(preview.matched_count));
        }
        if self.must_ask() && !self.confirmed(connection, &request, output).await? {
            output.note(&format!("nothing was {}", self.mode.done().trim_end_matches(':')))?;
            return Ok(Exit::Negative);
        }
        // How many many were is answered as an estimate, and none is none only when they were counted.
        let counted_before =
            if self.fail_empty { Some(connection.calls.invalidate(request.clone()).await?) } else { None };
        if let Some(before) = &counted_before {
            self.knowable(&request, before)?;
        }
        let dropped = connection.calls.invalidate(v1::InvalidateRequest { validate_only: false, ..request }).await?;
        self.show(&dropped, output)?;
        let exact = counted_before.filter(|_| dropped.estimated || !dropped.uncounted_tiers.is_empty());
        Ok(self.exit(exact.map_or(dropped.matched_count, |before| before.matched_count)))
    }

    fn show(&self, dropped: &v1::InvalidateResponse, output: &mut Output) -> Result<(), Failure> {
        if output.wants_json() {
            return output.json(&json!({
                "mode": entry::bare(self.mode.wire().as_str_name(), "INVALIDATE_MODE_"),
                "dropped": if self.mode == Mode::Delete { dropped.matched_count } else { 0 },
                "matched": dropped.matched_count,
                "estimated": dropped.estimated,
                "uncounted_tiers": uncounted(dropped),
                "cascaded": dropped.cascaded_count,
                "refreshing": dropped.refreshing_count,
                "job": dropped.refresh_job_id,
                "dry_run": false,
            }));
        }
        output.note(&format!("{} {}", self.mode.done(), told(dropped)))?;
        if dropped.refresh_job_id.is_empty() {
            return Ok(());
        }
        let (fetched, job) = (human::entries(dropped.refreshing_count), human::escape(&dropped.refresh_job_id));
        output.note(&format!("fetching anew: {fetched}, job {job}"))
    }

    fn refresh(&self) -> Option<v1::RefreshFrom> {
        let given = self.origin.is_some() || !self.param.is_empty();
        let from = || v1::RefreshFrom {
            origin: self.origin.clone().unwrap_or_default(),
            parameters: self.param.iter().cloned().collect(),
        };
        given.then(from)
    }

    fn selectors(&self) -> Result<Vec<Selector>, Failure> {
        if self.all {
            return Ok(vec![Selector { selector: Some(selector::Selector::Everything(true)) }]);
        }
        let selectors = self.select.selectors();
        if selectors.is_empty() {
            return Err(Failure::usage(
                "say what to drop: --key, --prefix, --glob, --tag, --kind, --dependents-of or --all",
            ));
        }
        Ok(selectors)
    }

    /// Keys are what they say; a set may be larger than it looks.
    fn must_ask(&self) -> bool {
        let select = &self.select;
        let set = self.all
            || ![&select.prefix, &select.glob, &select.tag, &select.kind, &select.dependents_of]
                .iter()
                .all(|set| set.is_empty());
        set && !self.yes
    }

    async fn confirmed(
        &self,
        connection: &Connection,
        request: &v1::InvalidateRequest,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::usage("nobody can be asked here: add --yes, or look first with --dry-run"));
        }
        let preview = connection.calls.invalidate(request.clone()).await?;
        let sets: Vec<String> = request.selectors.iter().map(|one| human::escape(&describe(one))).collect();
        let namespace = human::escape(&connection.namespace);
        let text = samples(&preview).join("\n");
        output.warn(&text)?;
        let (what, of) = (would_be_told(&preview), sets.join(", "));
        let question = format!("{} {what} ({of}) in namespace {namespace}? [y/N] ", self.mode.question());
        io::stderr().write_all(question.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(tokio::io::stdin()).read_line(&mut answer).await?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Whether nothing can be told from something, where that decides about the exit code.
    fn knowable(&self, request: &v1::InvalidateRequest, counted: &v1::InvalidateResponse) -> Result<(), Failure> {
        let key = |one: &Selector| matches!(one.selector, Some(selector::Selector::Key(_)));
        let known = request.selectors.iter().all(key) && counted.matched_count > 0;
        if !self.fail_empty || known || counted.uncounted_tiers.is_empty() {
            return Ok(());
        }
        let tiers = uncounted(counted).join(" and ");
        Err(Failure::usage(format!(
            "nothing was done: --fail-empty needs to know whether anything is selected, and what lies in {tiers} is not \
             counted; name keys that can be looked for there, or leave --fail-empty out"
        )))
    }

    fn exit(&self, matched: u64) -> Exit {
        if matched == 0 && self.fail_empty { Exit::Negative } else { Exit::Done }
    }
}

fn show_preview(mode: Mode, preview: &v1::InvalidateResponse, output: &mut Output) -> Result<(), Failure> {
    if output.wants_json() {
        return output.json(&json!({
            "matched": preview.matched_count,
            "uncounted_tiers": uncounted(preview),
            "cascaded": preview.cascaded_count,
            "refreshing": preview.refreshing_count,
            "sample_keys": preview.sample_keys,
            "dry_run": true,
        }));
    }
    let verb = mode.question().to_lowercase();
    output.line(&format!("would {verb} {}", would_be_told(preview)))?;
    samples(preview).iter().try_for_each(|line| output.line(line))
}

/// How many were selected, and how many follow.
fn counted(response: &v1::InvalidateResponse) -> String {
    let about = if response.estimated { "about " } else { "" };
    let selected = format!("{about}{}", human::entries(response.matched_count));
    match response.cascaded_count {
        0 => selected,
        more => format!("{selected} and {} made from them", human::count(more)),
    }
}

/// The same, and what is not in it.
pub(super) fn told(response: &v1::InvalidateResponse) -> String {
    with_uncounted(response, "told as well, and not counted")
}

fn would_be_told(preview: &v1::InvalidateResponse) -> String {
    with_uncounted(preview, "would be told as well, and not counted")
}

fn with_uncounted(response: &v1::InvalidateResponse, why: &str) -> String {
    match uncounted(response).as_slice() {
        [] => counted(response),
        tiers => format!("at least {} here; {} {why}", counted(response), tiers.join(" and ")),
    }
}

/// The tiers whose entries are not in the counts.
pub(super) fn uncounted(response: &v1::InvalidateResponse) -> Vec<&'static str> {
    response.uncounted_tiers.iter().map(|tier| entry::tier(*tier)).collect()
}

fn samples(preview: &v1::InvalidateResponse) -> Vec<String> {
    let shown = preview.sample_keys.iter().take(SAMPLES);
    let mut lines: Vec<String> = shown.map(|key| format!("  {}", human::escape(key))).collect();
    let more = preview.matched_count.saturating_sub(lines.len() as u64);
    if more > 0 && !lines.is_empty() {
        lines.push(format!("  … and {} more", human::count(more)));
    }
    lines
}
