//! The near cache without a network: the vectors that every client runs, the rule against an oracle, and its bounds.

mod bounds;
mod oracle;
mod vectors;

use std::{sync::Arc, time::Duration};

use super::{core::Core, options::NearOptions};
use crate::{Json, Lookup, v1};

/// A log of keys; which one a key belongs to is the server's choice.
const LOG: u32 = 3;
const SETS: u32 = 64;

fn core(options: NearOptions, fences_max: usize) -> Arc<Core> {
    Arc::new(Core::new(options, fences_max).expect("valid options"))
}

fn log(log: u32, epoch: u64, number: u64) -> v1::LogPosition {
    v1::LogPosition { log, epoch, number }
}

/// A position of all logs; those that are not named are at zero.
fn position(epoch: u64, named: impl Fn(u32) -> u64) -> v1::Position {
    v1::Position { logs: (0..=SETS).map(|number| log(number, epoch, named(number))).collect() }
}

/// A fresh answer with a text as its value.
fn answer(value: &str, as_of: [v1::LogPosition; 2], metadata: v1::EntryMetadata) -> v1::GetResponse {
    let json = serde_json::to_vec(value).expect("text has a JSON form");
    let metadata = v1::EntryMetadata { content_type: "application/json".to_owned(), ..metadata };
    let payload = Some(v1::entry::Payload::Value(json.into()));
    v1::GetResponse {
        outcome: v1::GetOutcome::Hit.into(),
        entry: Some(v1::Entry { payload, metadata: Some(metadata), ..v1::Entry::default() }),
        as_of: Some(v1::Position { logs: as_of.to_vec() }),
        ..v1::GetResponse::default()
    }
}

fn wire(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

/// What is served for a key, if anything.
fn read(core: &Core, key: &str, now: Duration) -> Option<String> {
    let found = core.hit(key, None, now)?.lookup::<String, _>(&Json, now).expect("text was kept");
    match found {
        Lookup::Hit(hit) => Some(hit.value),
        Lookup::Negative(_) | Lookup::Miss(_) => None,
    }
}
