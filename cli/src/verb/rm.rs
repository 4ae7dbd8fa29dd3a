//! `hotplate rm`: drops entries by key.

use clap::Args;
use hotplate::v1::{self, Selector, selector};
use serde_json::json;

use crate::{
    connect::Connection,
    exit::{Exit, Outcome},
    output::{Output, human},
};

/// Selectors that one call may carry, from the contract.
const SELECTORS_MAX: usize = 128;

const EXAMPLES: &str = "\
Examples:
  hotplate rm user:42 user:43
  hotplate ls user: -o raw | xargs hotplate rm
  hotplate rm user:42 --fail-empty       exit code 1 when it was not there";

/// Drop entries by key
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rm {
    /// Keys of the entries
    #[arg(required = true)]
    key: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// End with exit code 1 when nothing was dropped
    #[arg(long)]
    fail_empty: bool,
}

impl Rm {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let mut dropped = 0;
        for keys in self.key.chunks(SELECTORS_MAX) {
            let selectors = keys.iter().map(|key| Selector { selector: Some(selector::Selector::Key(key.clone())) });
            let request = v1::InvalidateRequest {
                namespace: connection.namespace.clone(),
                selectors: selectors.collect(),
                reason: self.reason.clone(),
                ..Default::default()
            };
            dropped += connection.calls.invalidate(request).await?.matched_count;
        }
        if output.wants_json() {
            output.json(&json!({"dropped": dropped, "keys": self.key.len()}))?;
        } else {
            output.note(&format!("dropped {}", human::entries(dropped)))?;
        }
        Ok(if dropped == 0 && self.fail_empty { Exit::Negative } else { Exit::Done })
    }
}
