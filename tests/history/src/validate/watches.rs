//! The eight promises of a Watch, over what watchers of several processes were told: by the validators of the tests of a
//! Watch. Here is only what they are given: for each stretch without a loss, what came and what had happened.

use std::collections::BTreeMap;

use hotplate_proto::v1::{EventType, LogPosition, Position, WatchResponse, watch_response::Message};
use prost::Message as _;

use super::Judged;
use crate::{
    load::History,
    record::{Answer, Call, Outcome, Selects},
    universe,
};

#[path = "../../../it/promises.rs"]
#[expect(dead_code, reason = "the tests of a Watch use more of it")]
mod promises;

use promises::{Change, events_of};

/// The log of sets.
const SETS: u32 = 64;

/// What a watcher was told between two losses.
struct Stretch {
    watcher: String,
    follows: Vec<Selects>,
    /// From where on it was told everything.
    from: Position,
    /// Messages, by stream: each goes on from a token of the one before.
    streams: Vec<Vec<WatchResponse>>,
    /// The loss that ended it.
    lost: Option<WatchResponse>,
}

pub(super) fn ordered(history: &History) -> Judged {
    judge(history, |stretch, _| promises::ordered(&stretch.all()))
}

pub(super) fn unique(history: &History) -> Judged {
    judge(history, |stretch, _| promises::unique(&stretch.all()))
}

pub(super) fn atomic(history: &History) -> Judged {
    let calls = calls(history);
    judge(history, |stretch, _| promises::atomic(&stretch.all(), &calls))
}

pub(super) fn latest_reliable(history: &History) -> Judged {
    judge(history, |stretch, truth| promises::latest_reliable(&stretch.all(), &stretch.claimed(truth)))
}

pub(super) fn resumable(history: &History) -> Judged {
    judge(history, |stretch, truth| {
        let claimed = stretch.claimed(truth);
        let mut found = Vec::new();
        for at in 1..stretch.streams.len() {
            let (before, after) = stretch.streams.split_at(at);
            found.extend(promises::resumable(&before.concat(), &after.concat(), &claimed));
        }
        found
    })
}

pub(super) fn bookmarkable(history: &History) -> Judged {
    judge(history, |stretch, truth| promises::bookmarkable(&stretch.all(), &stretch.after(truth)))
}

/// A loss that is told covers what it says; nothing is lost in silence.
pub(super) fn bounded(history: &History) -> Judged {
    /// More than any reader lets wait here.
    const PENDING_MAX: usize = 1 << 20;
    judge(history, |stretch, truth| {
        let mut all = stretch.all();
        all.extend(stretch.lost.clone());
        promises::bounded(&all, &stretch.claimed(truth), PENDING_MAX)
    })
}

pub(super) fn authorised(history: &History) -> Judged {
    judge(history, |stretch, _| promises::authorised(&stretch.all(), |key| stretch.may_see(key)))
}

/// Judges every stretch; what is checked are the events that came.
fn judge(history: &History, finds: impl Fn(&Stretch, &[Change]) -> Vec<String>) -> Judged {
    let stretches = stretches(history);
    let truth = truth(history, &stretches);
    let mut judged = Judged::default();
    for stretch in &stretches {
        judged.checked += events_of(&stretch.all()).len() as u64;
        let found = finds(stretch, &truth);
        judged.violations.extend(found.into_iter().map(|found| format!("{}: {found}", stretch.watcher)));
    }
    judged
}

impl Stretch {
    fn all(&self) -> Vec<WatchResponse> {
        self.streams.concat()
    }

    fn may_see(&self, key: &str) -> bool {
        let selected = |selector: &Selects| matches!(selector, Selects::Prefix(prefix) if key.starts_with(prefix));
        !universe::is_register(key) && (self.follows.is_empty() || self.follows.iter().any(selected))
    }

    /// What it is to be told of: sets only where everything is followed, because which sets may hold a key is the
    /// server's to say.
    fn after(&self, truth: &[Change]) -> Vec<Change> {
        let from = |at: &LogPosition| {
            let same = self.from.logs.first().is_some_and(|log| log.epoch == at.epoch);
            let begin = self.from.logs.iter().find(|log| log.log == at.log).map_or(0, |log| log.number);
            same && at.number > begin
        };
        let concerns =
            |change: &Change| if change.key.is_empty() { self.follows.is_empty() } else { self.may_see(&change.key) };
        truth.iter().filter(|change| from(&change.at) && concerns(change)).cloned().collect()
    }

    /// What the server said that it had told.
    fn claimed(&self, truth: &[Change]) -> Vec<Change> {
        let messages = self.streams.iter().flatten().filter_map(|message| match message.message.as_ref() {
            Some(Message::Progress(progress)) => progress.position.as_ref(),
            _ => None,
        });
        let Some(last) = messages.last() else { return Vec::new() };
        let reached = |at: &LogPosition| last.logs.iter().any(|log| log.log == at.log && log.number >= at.number);
        let mut claimed = self.after(truth);
        claimed.retain(|change| reached(&change.at));
        claimed
    }
}

fn stretches(history: &History) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    let mut last_stream = 0;
    for watched in &history.watched {
        let bytes = watched.message.as_ref().and_then(|text| hex::decode(text).ok());
        let Some(message) = bytes.and_then(|bytes| WatchResponse::decode(&bytes[..]).ok()) else { continue };
        let goes_on = all.last_mut().filter(|stretch| stretch.watcher == watched.watcher);
        let begins = match (message.message.as_ref(), goes_on) {
            (Some(Message::Discontinuity(lost)), Some(stretch)) => {
                stretch.lost = Some(message.clone());
                lost.position.clone()
            }
            (Some(Message::Created(created)), None) => created.position.clone(),
            (_, Some(stretch)) => {
                if watched.stream != last_stream {
                    stretch.streams.push(Vec::new());
                }
                stretch.streams.last_mut().expect("a stretch has a stream").push(message);
                last_stream = watched.stream;
                continue;
            }
            (_, None) => continue,
        };
        last_stream = watched.stream;
        all.push(Stretch {
            watcher: watched.watcher.clone(),
            follows: history.follows.get(&watched.watcher).cloned().unwrap_or_default(),
            from: begins.unwrap_or_default(),
            streams: vec![Vec::new()],
            lost: None,
        });
    }
    all
}

/// What happened, in order: what writers were told, and what any watcher was told. An end of life is told where its log
/// was then and is no change of its own.
fn truth(history: &History, stretches: &[Stretch]) -> Vec<Change> {
    let mut changes: BTreeMap<(u64, u32, u64, String), EventType> = BTreeMap::new();
    for operation in &history.operations {
        let (key, event, at) = match (&operation.call, &operation.answer) {
            (Call::Put(put), Answer::Put { outcome: Outcome::Stored, at: Some(at) }) => (&put.key, EventType::Put, *at),
            _ => continue,
        };
        let at = place(at);
        if !universe::is_register(key) {
            changes.insert((at.epoch, at.log, at.number, key.clone()), event);
        }
    }
    for place in acknowledged_sets(history) {
        changes.insert((place.epoch, place.log, place.number, String::new()), EventType::SetInvalidated);
    }
    for event in stretches.iter().flat_map(|stretch| events_of(&stretch.all())) {
        let Some(at) = event.position else { continue };
        if !matches!(event.r#type(), EventType::Expired | EventType::Evicted) {
            changes.insert((at.epoch, at.log, at.number, event.key.clone()), event.r#type());
        }
    }
    let change = |((epoch, log, number, key), event)| Change { key, at: LogPosition { log, epoch, number }, event };
    changes.into_iter().map(change).collect()
}

fn acknowledged_sets(history: &History) -> impl Iterator<Item = LogPosition> + '_ {
    calls_of(history).flatten().filter(|place| place.log == SETS)
}

/// What each Invalidate was told that it changed.
fn calls(history: &History) -> Vec<Vec<LogPosition>> {
    calls_of(history).collect()
}

fn calls_of(history: &History) -> impl Iterator<Item = Vec<LogPosition>> + '_ {
    history.operations.iter().filter_map(|operation| match &operation.answer {
        Answer::Invalidated { at } => Some(at.iter().map(|at| place(*at)).collect()),
        _ => None,
    })
}

fn place([log, epoch, number]: [u64; 3]) -> LogPosition {
    LogPosition { log: u32::try_from(log).unwrap_or(u32::MAX), epoch, number }
}
