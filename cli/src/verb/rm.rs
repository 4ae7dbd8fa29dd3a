//! `hotplate rm`: drops entries by key.

use clap::Args;
use hotplate::v1::{self, Selector, selector};
use serde_json::json;

use crate::{
    connect::Connection,
    exit::{Exit, Failure, Outcome},
    output::Output,
    verb::invalidate::{told, uncounted},
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
        let mut dropped = v1::InvalidateResponse::default();
        let mut there = 0;
        for keys in self.key.chunks(SELECTORS_MAX) {
            let selectors = keys.iter().map(|key| Selector { selector: Some(selector::Selector::Key(key.clone())) });
            let request = v1::InvalidateRequest {
                namespace: connection.namespace.clone(),
                selectors: selectors.collect(),
                reason: self.reason.clone(),
                ..Default::default()
            };
            // Only when it is asked for are keys looked for in every tier: that is more than dropping them costs.
            if self.fail_empty {
                there += count(connection, request.clone()).await?;
            }
            let answer = connection.calls.invalidate(request).await?;
            dropped.matched_count += answer.matched_count;
            dropped.uncounted_tiers = answer.uncounted_tiers;
        }
        if output.wants_json() {
            output.json(&json!({
                "dropped": dropped.matched_count,
                "uncounted_tiers": uncounted(&dropped),
                "keys": self.key.len(),
            }))?;
        } else {
            output.note(&format!("dropped {}", told(&dropped)))?;
        }
        Ok(if self.fail_empty && there.max(dropped.matched_count) == 0 { Exit::Negative } else { Exit::Done })
    }
}

/// How many of these keys lie in any tier.
async fn count(connection: &Connection, request: v1::InvalidateRequest) -> Result<u64, Failure> {
    let found = connection.calls.invalidate(v1::InvalidateRequest { validate_only: true, ..request }).await?;
    if found.matched_count > 0 || found.uncounted_tiers.is_empty() {
        return Ok(found.matched_count);
    }
    let tiers = uncounted(&found).join(" and ");
    Err(Failure::usage(format!(
        "not dropped: --fail-empty needs to know whether it is there, and {tiers} cannot be asked now"
    )))
}
