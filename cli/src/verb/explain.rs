//! `hotplate explain`: why a key is there or missing, and what happened to it. Counts as no read.

use clap::Args;
use hotplate::v1::{self, GetOutcome};
use serde_json::{Map, Value, json};

use crate::{
    duration::from_proto,
    exit::{Exit, Failure, Outcome},
    output::{Output, entry, human},
    verb::select::describe,
};

const EXAMPLES: &str = "\
Examples:
  hotplate explain model:7
  hotplate explain model:7 --events 100
  hotplate explain model:7 -o json | jq -r .cause.sentence";

/// Explain why a key is there or missing, and what happened to it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// Key to explain
    key: String,
    /// Events of its history at most, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    events: u32,
}

impl Explain {
    /// Runs it.
    pub(crate) async fn run(self, connection: &crate::connect::Connection, output: &mut Output) -> Outcome {
        let request = v1::ExplainKeyRequest {
            namespace: connection.namespace.clone(),
            key: self.key.clone(),
            max_events: self.events,
        };
        let answer = connection.calls.explain_key(request).await?;
        let exit = if answer.outcome() == GetOutcome::Miss { Exit::Negative } else { Exit::Done };
        if output.wants_json() {
            output.json(&as_json(&self.key, &answer))?;
        } else {
            show(&self.key, &answer, output)?;
        }
        Ok(exit)
    }
}

/// For people.
fn show(key: &str, answer: &v1::ExplainKeyResponse, output: &mut Output) -> Result<(), Failure> {
    let mut rows = vec![
        row("key", key),
        row("a get says", &outcome(answer)),
        row("because", &answer.explanation),
        row("lies in", &tiers(answer)),
        row("lifetime", &lower(answer.freshness().as_str_name(), "FRESHNESS_")),
    ];
    if let Some(negative) = &answer.negative {
        rows.push(row("negative", &format!("{} {}", negative.reason, negative.message)));
    }
    rows.extend(answer.metadata.as_ref().map(entry::facts_rows).unwrap_or_default());
    if answer.next_to_go {
        rows.push(row("order", "among the next to make room"));
    }
    let (reach, back) = (human::duration(from_proto(answer.reaches_back.as_ref())), answer.complete);
    let whole = if back { "since the server was started" } else { "what was before is forgotten" };
    rows.push(row("history", &format!("{reach} back, {whole}")));
    rows.retain(|row| !row[1].is_empty());
    output.rows(&[], &rows)?;
    if answer.events.is_empty() {
        return output.note("nothing happened to this key as far as the history reaches");
    }
    output.line("")?;
    output.rows(
        &["AGO", "EVENT", "WHAT HAPPENED", "POSITION"],
        &answer.events.iter().map(event_row).collect::<Vec<_>>(),
    )?;
    if answer.more_events {
        output.note("there are older events, see --events")?;
    }
    Ok(())
}

fn tiers(answer: &v1::ExplainKeyResponse) -> String {
    answer.tiers.iter().map(|tier| entry::tier(*tier)).collect::<Vec<_>>().join(", ")
}

fn row(name: &str, text: &str) -> Vec<String> {
    vec![name.to_owned(), human::escape(text)]
}

fn lower(name: &str, prefix: &str) -> String {
    match entry::bare(name, prefix) {
        "UNSPECIFIED" => String::new(),
        bare => bare.to_lowercase(),
    }
}

fn outcome(answer: &v1::ExplainKeyResponse) -> String {
    let outcome = lower(answer.outcome().as_str_name(), "GET_OUTCOME_");
    match answer.outcome() {
        GetOutcome::Miss => format!("{outcome}: {}", entry::miss_reason(answer.miss_reason())),
        _ => outcome,
    }
}

fn event_row(event: &v1::KeyEvent) -> Vec<String> {
    let place = event.position.map(|at| format!("{}/{}", at.log, at.number)).unwrap_or_default();
    let ago = human::duration(from_proto(event.age.as_ref()));
    vec![ago, lower(event.r#type().as_str_name(), "KEY_EVENT_TYPE_"), human::escape(&event.sentence), place]
}

/// For programs: every key is always there, and null where nothing is known.
fn as_json(key: &str, answer: &v1::ExplainKeyResponse) -> Value {
    let upper = |name: &str, prefix: &str| match entry::bare(name, prefix) {
        "UNSPECIFIED" => Value::Null,
        bare => Value::from(bare),
    };
    let negative = answer.negative.as_ref();
    json!({
        "key": key,
        "outcome": upper(answer.outcome().as_str_name(), "GET_OUTCOME_"),
        "miss_reason": upper(answer.miss_reason().as_str_name(), "MISS_REASON_"),
        "explanation": answer.explanation,
        "tiers": answer.tiers.iter().map(|tier| entry::tier(*tier)).collect::<Vec<_>>(),
        "freshness": upper(answer.freshness().as_str_name(), "FRESHNESS_"),
        "metadata": answer.metadata.as_ref().map(entry::facts),
        "negative": negative.map(|negative| json!({"reason": negative.reason, "message": negative.message})),
        "next_to_go": answer.next_to_go,
        "cause": answer.cause.as_ref().map(event_json),
        "events": answer.events.iter().map(event_json).collect::<Vec<_>>(),
        "more_events": answer.more_events,
        "complete": answer.complete,
        "reaches_back_seconds": from_proto(answer.reaches_back.as_ref()).as_secs_f64(),
    })
}

fn event_json(event: &v1::KeyEvent) -> Value {
    let mut object = Map::new();
    object.insert("event".to_owned(), json!(entry::bare(event.r#type().as_str_name(), "KEY_EVENT_TYPE_")));
    object.insert("age_seconds".to_owned(), json!(from_proto(event.age.as_ref()).as_secs_f64()));
    object.insert("sentence".to_owned(), json!(event.sentence));
    for (name, text) in [
        ("selector", event.selector.as_ref().map(describe).unwrap_or_default()),
        ("client_id", event.client_id.clone()),
        ("reason", event.reason.clone()),
        ("kind", event.kind.clone()),
        ("effect", lower(event.effect().as_str_name(), "KEY_EVENT_EFFECT_").to_uppercase()),
    ] {
        object.insert(name.to_owned(), json!(text));
    }
    object.insert("size_bytes".to_owned(), json!(event.size_bytes));
    object.insert("negative".to_owned(), json!(event.negative));
    object.insert("fetched".to_owned(), json!(event.fetched));
    let place = event.position.map(|at| json!({"log": at.log, "epoch": at.epoch, "number": at.number}));
    object.insert("position".to_owned(), place.unwrap_or(Value::Null));
    Value::Object(object)
}
