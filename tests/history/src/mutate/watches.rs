//! Watches that break a promise each.

use std::collections::BTreeMap;

use hotplate_proto::v1::{WatchEvents, WatchResponse, watch_response::Message};
use prost::Message as _;

use crate::{load::History, record::Watched};

/// Makes other messages of every stream's messages; each has the time of one of them.
fn each_stream(history: &mut History, change: impl Fn(u64, Vec<WatchResponse>) -> Vec<WatchResponse>) {
    let mut streams: BTreeMap<(String, u64), Vec<Watched>> = BTreeMap::new();
    for watched in std::mem::take(&mut history.watched) {
        streams.entry((watched.watcher.clone(), watched.stream)).or_default().push(watched);
    }
    for ((watcher, stream), told) in streams {
        let bytes = told.iter().filter_map(|watched| hex::decode(watched.message.as_ref()?).ok());
        let messages = bytes.filter_map(|bytes| WatchResponse::decode(&bytes[..]).ok()).collect();
        let at = told.last().map_or(0, |last| last.at);
        let changed = change(stream, messages);
        history.watched.extend(changed.into_iter().map(|message| {
            let message = Some(hex::encode(message.encode_to_vec()));
            Watched { watcher: watcher.clone(), stream, at, message, failed: None }
        }));
    }
}

fn tells(message: &WatchResponse) -> bool {
    matches!(message.message, Some(Message::Events(_)))
}

fn says_progress(message: &WatchResponse) -> bool {
    matches!(message.message, Some(Message::Progress(_)))
}

pub(super) fn tells_backwards(history: &mut History) {
    each_stream(history, |_, messages| {
        let (mut events, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(tells);
        events.reverse();
        others.into_iter().filter(|message| !says_progress(message)).chain(events).collect()
    });
}

pub(super) fn tells_twice(history: &mut History) {
    each_stream(history, |_, messages| {
        messages.into_iter().flat_map(|message| vec![message.clone(); if tells(&message) { 2 } else { 1 }]).collect()
    });
}

pub(super) fn tells_one_by_one(history: &mut History) {
    each_stream(history, |_, messages| messages.into_iter().flat_map(one_by_one).collect());
}

fn one_by_one(message: WatchResponse) -> Vec<WatchResponse> {
    let Some(Message::Events(WatchEvents { events })) = message.message else { return vec![message] };
    let alone = |event| Some(Message::Events(WatchEvents { events: vec![event] }));
    let message = |event| WatchResponse { message: alone(event), ..Default::default() };
    events.into_iter().map(message).collect()
}

/// Only progress, after the first few.
pub(super) fn stops_telling(history: &mut History) {
    each_stream(history, |_, messages| {
        let mut told = 0;
        let mut messages = messages;
        messages.retain(|message| {
            told += u32::from(tells(message));
            !tells(message) || told < 5
        });
        messages
    });
}

/// Leaves out what came first on a stream that goes on from a token.
pub(super) fn resumes_too_late(history: &mut History) {
    each_stream(history, |stream, messages| {
        let mut left_out = if stream > 0 { 30 } else { 0 };
        let mut messages = messages;
        messages.retain(|message| {
            let out = tells(message) && left_out > 0;
            left_out -= u32::from(out);
            !out
        });
        messages
    });
}

/// Says its last progress first.
pub(super) fn claims_too_much(history: &mut History) {
    each_stream(history, |_, mut messages| {
        if let Some(last) = messages.iter().rfind(|message| says_progress(message)).cloned() {
            messages.insert(1.min(messages.len()), last);
        }
        messages
    });
}

/// Whatever is followed, everything is told.
pub(super) fn tells_everything(history: &mut History) {
    let everything: Vec<WatchResponse> = {
        let streams = history.watched.iter().filter(|watched| {
            !history.follows.contains_key(&watched.watcher) || history.follows[&watched.watcher].is_empty()
        });
        let bytes = streams.filter_map(|watched| hex::decode(watched.message.as_ref()?).ok());
        bytes.filter_map(|bytes| WatchResponse::decode(&bytes[..]).ok()).filter(tells).collect()
    };
    each_stream(history, |_, messages| messages.into_iter().chain(everything.clone()).collect());
}
