//! `hotplate ls`: lists entries, page after page.

use clap::Args;
use hotplate::v1::{self, Selector, selector};
use serde_json::Value;

use crate::{
    connect::Connection,
    duration::from_proto,
    exit::{Exit, Failure, Outcome},
    output::{Output, Style, entry, human},
};

/// Entries asked for at a time, the most that the contract allows.
const PAGE: u32 = 1000;
const HEAD: [&str; 6] = ["KEY", "SIZE", "FRESH FOR", "HITS", "KIND", "TAGS"];

const EXAMPLES: &str = "\
Examples:
  hotplate ls                        the first entries, in key order
  hotplate ls model: --limit 0       all keys that begin with `model:`
  hotplate ls --tag dataset:3        what was made from data set 3
  hotplate ls -o raw                 bare keys, one a line
  hotplate ls -o jsonl | jq .key     one JSON object a line";

/// List entries in key order
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ls {
    /// Only keys that begin with this
    prefix: Option<String>,
    /// Only entries with this tag
    #[arg(long, value_name = "TAG", conflicts_with_all = ["kind", "glob", "prefix"])]
    tag: Option<String>,
    /// Only entries of this kind
    #[arg(long, value_name = "KIND", conflicts_with_all = ["glob", "prefix"])]
    kind: Option<String>,
    /// Only keys that match: * any run, ? one character, [a-z] one of a set
    #[arg(long, value_name = "PATTERN", conflicts_with = "prefix")]
    glob: Option<String>,
    /// Entries at most; 0 lists all [default: 1000]
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, hide_default_value = true)]
    limit: u64,
}

impl Ls {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let selectors: Vec<Selector> = self.selector().into_iter().collect();
        let limit = if self.limit == 0 { u64::MAX } else { self.limit };
        let mut listing = Listing { listed: 0, rows: Vec::new() };
        let mut page_token = String::new();
        let more = loop {
            let left = limit - listing.listed;
            if left == 0 {
                break true;
            }
            let request = v1::ListEntriesRequest {
                namespace: connection.namespace.clone(),
                selectors: selectors.clone(),
                page_size: u32::try_from(left).unwrap_or(PAGE).min(PAGE),
                page_token,
            };
            let page = connection.calls.list_entries(request).await?;
            for found in &page.entries {
                listing.add(found, output)?;
            }
            if page.next_page_token.is_empty() {
                break false;
            }
            page_token = page.next_page_token;
        };
        listing.end(output)?;
        if more {
            output.note(&format!("there are more: only the first {} are listed, see --limit", human::count(limit)))?;
        }
        Ok(Exit::Done)
    }

    fn selector(&self) -> Option<Selector> {
        let tag = self.tag.clone().map(selector::Selector::Tag);
        let kind = self.kind.clone().map(selector::Selector::Kind);
        let glob = self.glob.clone().map(selector::Selector::Glob);
        let prefix = self.prefix.clone().filter(|prefix| !prefix.is_empty()).map(selector::Selector::Prefix);
        tag.or(kind).or(glob).or(prefix).map(|one| Selector { selector: Some(one) })
    }
}

/// What was listed so far. Columns need all rows before they can be aligned, so a table comes at the end; every other
/// form is written as it arrives.
struct Listing {
    listed: u64,
    rows: Vec<Vec<String>>,
}

impl Listing {
    fn add(&mut self, found: &v1::Entry, output: &mut Output) -> Result<(), Failure> {
        let first = self.listed == 0;
        self.listed += 1;
        match output.style() {
            Style::Table => {
                self.rows.push(row(found, true));
                Ok(())
            }
            Style::Json => {
                output.bytes(if first { b"[" } else { b",\n" })?;
                output.bytes(Value::Object(entry::entry(found)).to_string().as_bytes())
            }
            Style::JsonLines => output.line(&Value::Object(entry::entry(found)).to_string()),
            Style::Raw => output.line(&raw_key(&found.key, output.is_terminal())),
            Style::Lines | Style::Meta | Style::Csv => output.rows(&[], &[row(found, false)]),
        }
    }

    fn end(self, output: &mut Output) -> Result<(), Failure> {
        match output.style() {
            Style::Json if self.listed == 0 => output.line("[]"),
            Style::Json => output.line("]"),
            Style::Table if self.rows.is_empty() => output.note("no entries"),
            Style::Table => output.rows(&HEAD, &self.rows),
            _ => Ok(()),
        }
    }
}

fn raw_key(key: &str, terminal: bool) -> String {
    if terminal { human::escape(key) } else { key.to_owned() }
}

fn row(found: &v1::Entry, for_people: bool) -> Vec<String> {
    let metadata = found.metadata.clone().unwrap_or_default();
    let fresh = from_proto(metadata.fresh_for.as_ref());
    let (size, fresh, hits) = match for_people {
        true if fresh.is_zero() => {
            (human::size(metadata.size_bytes), "stale".to_owned(), human::count(metadata.hit_count))
        }
        true => (human::size(metadata.size_bytes), human::duration(fresh), human::count(metadata.hit_count)),
        false => (metadata.size_bytes.to_string(), fresh.as_secs_f64().to_string(), metadata.hit_count.to_string()),
    };
    let tags = human::escape(&metadata.tags.join(","));
    vec![human::escape(&found.key), size, fresh, hits, human::escape(&metadata.kind), tags]
}
