//! `hotplate info`: shows what is known about one entry, without counting as a read.

use clap::Args;
use hotplate::v1::{self, GetOutcome, entry::Payload};

use super::get;
use crate::{
    connect::Connection,
    exit::{Exit, Outcome},
    output::{Output, entry, human},
};

const EXAMPLES: &str = "\
Examples:
  hotplate info model:7
  hotplate info model:7 -o json | jq .metadata.fresh_for_seconds";

/// Show what is known about an entry: size, lifetime, tags, etag
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Info {
    /// Key of the entry
    key: String,
}

impl Info {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let request = v1::GetRequest {
            namespace: connection.namespace.clone(),
            key: self.key.clone(),
            stale_policy: v1::StalePolicy::WhileRevalidate.into(),
            peek: true,
            view: v1::EntryView::Metadata.into(),
            ..Default::default()
        };
        let response = connection.calls.get(request).await?;
        let outcome = response.outcome();
        // A remembered absence is something that can be shown.
        let exit = if outcome == GetOutcome::Negative { Exit::Done } else { get::exit_of(&response) };
        get::warn_of(&response, output)?;
        if output.wants_json() {
            output.json(&get::as_json(&self.key, &response))?;
            return Ok(exit);
        }
        let Some(found) = response.entry.as_ref().filter(|_| outcome != GetOutcome::Miss) else {
            output.note(&format!("miss: {}", entry::miss_reason(response.miss_reason())))?;
            return Ok(exit);
        };
        let state = entry::bare(outcome.as_str_name(), "GET_OUTCOME_").to_lowercase();
        let mut rows = vec![vec!["key".to_owned(), human::escape(&self.key)], vec!["state".to_owned(), state]];
        if let Some(Payload::Negative(negative)) = &found.payload {
            rows.push(vec!["reason".to_owned(), human::escape(&negative.reason)]);
            rows.push(vec!["message".to_owned(), human::escape(&negative.message)]);
        }
        rows.extend(found.metadata.as_ref().map(entry::facts_rows).unwrap_or_default());
        rows.push(vec!["coherence".to_owned(), get::coherence(&response).to_owned()]);
        output.rows(&[], &rows)?;
        Ok(exit)
    }
}
