//! `hotplate touch`: changes how long entries live.

use clap::Args;
use hotplate::v1::{self, TouchOutcome};
use serde_json::json;

use super::lifetime::Lifetime;
use crate::{
    connect::Connection,
    duration::from_proto,
    exit::{Exit, Failure, Outcome},
    output::{Output, Style, entry, human},
};

const EXAMPLES: &str = "\
Examples:
  hotplate touch model:7 --ttl 2h               it ends in two hours
  hotplate touch model:7 --ttl 2h --extend      unless it would end later anyway
  hotplate touch model:7 --ttl 5m --shorten     unless it would end earlier anyway";

/// Change how long entries live, without sending their values
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Touch {
    /// Keys of the entries
    #[arg(required = true)]
    key: Vec<String>,
    #[command(flatten)]
    lifetime: Lifetime,
    /// Only move the end later
    #[arg(long, conflicts_with = "shorten")]
    extend: bool,
    /// Only move the end earlier
    #[arg(long)]
    shorten: bool,
    /// Only the entry with this etag
    #[arg(long, value_name = "ETAG", default_value = "")]
    if_etag: String,
}

impl Touch {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        if self.lifetime.ttl.is_none() && self.lifetime.ttl_class.is_none() {
            return Err(Failure::usage("say how long it lives from now on: --ttl 1h or --ttl-class long"));
        }
        let mode = match (self.extend, self.shorten) {
            (true, _) => v1::TouchMode::Extend,
            (_, true) => v1::TouchMode::Shorten,
            _ => v1::TouchMode::Set,
        };
        let mut exit = Exit::Done;
        for key in &self.key {
            let request = v1::TouchRequest {
                namespace: connection.namespace.clone(),
                key: key.clone(),
                mode: mode.into(),
                expiration: self.lifetime.expiration(),
                etag: self.if_etag.clone(),
            };
            let response = connection.calls.touch(request).await?;
            if !matches!(response.outcome(), TouchOutcome::Touched | TouchOutcome::Unchanged) {
                exit = Exit::Negative;
            }
            report(key, &response, output)?;
        }
        Ok(exit)
    }
}

fn report(key: &str, response: &v1::TouchResponse, output: &mut Output) -> Result<(), Failure> {
    let name = entry::bare(response.outcome().as_str_name(), "TOUCH_OUTCOME_");
    let metadata = response.metadata.as_ref();
    let fresh = from_proto(metadata.and_then(|metadata| metadata.fresh_for.as_ref()));
    let shown = human::escape(key);
    match output.style() {
        Style::Json | Style::JsonLines => {
            output.json(&json!({"key": key, "outcome": name, "metadata": metadata.map(entry::facts)}))
        }
        Style::Table => match response.outcome() {
            TouchOutcome::Touched | TouchOutcome::Unchanged => {
                output.line(&format!("{} {shown}: fresh for {}", name.to_lowercase(), human::duration(fresh)))
            }
            TouchOutcome::EtagMismatch => output.line(&format!("{shown}: has another etag")),
            _ => output.line(&format!("{shown}: no such entry")),
        },
        _ => output.line(&format!("{shown}\t{name}\t{}", fresh.as_secs_f64())),
    }
}
