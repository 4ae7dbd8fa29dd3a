//! The eight promises of a Watch as validators over recordings: each is one function that names what it found. They
//! know nothing of how a server works, and each is shown to fail by a recording that breaks it. They are used on histories
//! of several processes as well (`tests/history`), so nothing here needs more than the contract.

use std::collections::{BTreeMap, BTreeSet};

use hotplate_proto::v1::{
    EventType, LogPosition, Position, Selector, WatchEvent, WatchResponse, watch_response::Message,
};

/// A change that a writer was told has happened: the truth a recording is held against.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: String,
    pub(crate) at: LogPosition,
    pub(crate) event: EventType,
}

type Found = Vec<String>;

/// The events of a recording.
pub(crate) fn events_of(recording: &[WatchResponse]) -> Vec<WatchEvent> {
    recording.iter().flat_map(events_in).cloned().collect()
}

fn events_in(message: &WatchResponse) -> &[WatchEvent] {
    match message.message.as_ref() {
        Some(Message::Events(events)) => &events.events,
        _ => &[],
    }
}

fn at(event: &WatchEvent) -> LogPosition {
    event.position.expect("every event has a position")
}

/// An end of life is told at the position its log had then; other events are changes with a number of their own.
fn is_change(event: &WatchEvent) -> bool {
    !matches!(event.r#type(), EventType::Expired | EventType::Evicted)
}

fn moved_on(message: &WatchResponse) -> Option<&Position> {
    match message.message.as_ref()? {
        Message::Created(created) => created.position.as_ref(),
        Message::Synced(synced) => synced.position.as_ref(),
        Message::Progress(progress) => progress.position.as_ref(),
        Message::Discontinuity(lost) => lost.position.as_ref(),
        Message::Present(_) | Message::Events(_) => None,
    }
}

/// Ordered: within a log and an epoch, numbers never fall, neither of events nor of what Progress says.
pub(crate) fn ordered(recording: &[WatchResponse]) -> Found {
    let mut reached: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    let mut found = Found::new();
    let mut step = |place: &LogPosition, what: &str| {
        let last = reached.entry((place.log, place.epoch)).or_default();
        if place.number < *last {
            found.push(format!("{what} goes back from {last} to {place:?}"));
        }
        *last = place.number.max(*last);
    };
    for message in recording {
        for place in moved_on(message).into_iter().flat_map(|position| &position.logs) {
            step(place, "a position");
        }
        for event in events_of(std::slice::from_ref(message)) {
            step(&at(&event), "an event");
        }
    }
    found
}

/// Unique: no change comes twice on a stream. The sets that one call names share a number.
pub(crate) fn unique(recording: &[WatchResponse]) -> Found {
    let mut seen = BTreeSet::new();
    let changes = events_of(recording).into_iter().filter(is_change);
    let twice = changes.filter(|event| {
        let place = at(event);
        let what = (event.key.clone(), event.r#type, format!("{:?}", event.selector));
        !seen.insert((place.log, place.epoch, place.number, what))
    });
    twice.map(|event| format!("{event:?} came twice")).collect()
}

/// Atomic: what one call changed in one log comes in one message. `calls` holds the positions each call answered.
pub(crate) fn atomic(recording: &[WatchResponse], calls: &[Vec<LogPosition>]) -> Found {
    let mut found = Found::new();
    let mut message_of: BTreeMap<(u32, u64, u64), usize> = BTreeMap::new();
    for (index, message) in recording.iter().enumerate() {
        for event in events_of(std::slice::from_ref(message)).iter().filter(|event| is_change(event)) {
            let place = at(event);
            let first = *message_of.entry((place.log, place.epoch, place.number)).or_insert(index);
            if first != index {
                found.push(format!("the change at {place:?} is split over messages {first} and {index}"));
            }
        }
    }
    for call in calls {
        let mut by_log: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        for place in call {
            let message = message_of.get(&(place.log, place.epoch, place.number));
            by_log.entry(place.log).or_default().extend(message);
        }
        let split = by_log.iter().filter(|(_, messages)| messages.len() > 1);
        found.extend(split.map(|(log, messages)| format!("one call is split in log {log}: messages {messages:?}")));
    }
    found
}

/// Latest-reliable: the last change of every key is delivered, unless a Discontinuity covers it.
pub(crate) fn latest_reliable(recording: &[WatchResponse], truth: &[Change]) -> Found {
    let mut last: BTreeMap<&str, &Change> = BTreeMap::new();
    for change in truth {
        last.insert(&change.key, change);
    }
    let missing = last.values().filter(|change| !delivered(recording, change) && !covered_by_loss(recording, change));
    missing.map(|change| format!("the last change of its key is missing: {change:?}")).collect()
}

fn delivered(recording: &[WatchResponse], change: &Change) -> bool {
    events_of(recording)
        .iter()
        .any(|event| event.key == change.key && event.r#type() == change.event && at(event) == change.at)
}

fn covered_by_loss(recording: &[WatchResponse], change: &Change) -> bool {
    recording.iter().any(|message| match message.message.as_ref() {
        Some(Message::Discontinuity(lost)) => lost.position.as_ref().is_some_and(|position| {
            let log = position.logs.iter().find(|log| log.log == change.at.log);
            log.is_some_and(|log| log.epoch != change.at.epoch || log.number >= change.at.number)
        }),
        _ => false,
    })
}

/// Resumable: what came before a token and what came after it on another stream make up the whole, once each.
pub(crate) fn resumable(before: &[WatchResponse], after: &[WatchResponse], truth: &[Change]) -> Found {
    let together: Vec<WatchResponse> = before.iter().chain(after).cloned().collect();
    let mut found = unique(&together);
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for event in together.iter().flat_map(events_in) {
        let number = last.entry(&event.key).or_default();
        *number = at(event).number.max(*number);
    }
    let later = |change: &Change| last.get(change.key.as_str()).is_some_and(|number| *number >= change.at.number);
    let missing = truth.iter().filter(|change| !later(change));
    found.extend(missing.map(|change| format!("lost across the resumption: {change:?}")));
    found
}

/// Bookmarkable: when a Progress names a position, everything up to it went out before on the same stream.
pub(crate) fn bookmarkable(recording: &[WatchResponse], truth: &[Change]) -> Found {
    let mut found = Found::new();
    let mut sent: BTreeMap<&str, u64> = BTreeMap::new();
    let mut open: Vec<&Change> = truth.iter().collect();
    for (index, message) in recording.iter().enumerate() {
        for event in events_in(message) {
            let last = sent.entry(&event.key).or_default();
            *last = at(event).number.max(*last);
        }
        let Some(Message::Progress(progress)) = message.message.as_ref() else { continue };
        let Some(position) = progress.position.as_ref() else { continue };
        let (claimed, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|change| reached(position, &change.at));
        let newer = |change: &Change| sent.get(change.key.as_str()).is_some_and(|last| *last >= change.at.number);
        let missing = claimed.into_iter().filter(|change| !newer(change));
        let silent = missing.filter(|change| !covered_by_loss(&recording[..index], change));
        found.extend(silent.map(|change| format!("message {index} claims {change:?}, which had not gone out")));
        open = later;
    }
    found
}

fn reached(position: &Position, place: &LogPosition) -> bool {
    let log = position.logs.iter().find(|log| log.log == place.log && log.epoch == place.epoch);
    log.is_some_and(|log| log.number >= place.number)
}

/// Bounded: what waited for a reader that did not read is at most its bound, and what is missing was announced.
pub(crate) fn bounded(recording: &[WatchResponse], truth: &[Change], pending_max: usize) -> Found {
    let mut found = latest_reliable(recording, truth);
    let events = events_of(recording).len();
    let lost = recording.iter().any(|message| matches!(message.message, Some(Message::Discontinuity(_))));
    if events < truth.len() && !lost && truth.len() - events > truth.len() - distinct(truth) {
        found.push(format!("{events} events of {} changes and no word about it", truth.len()));
    }
    if lost && events > truth.len() + pending_max {
        found.push(format!("{events} events after a loss, more than ever waited"));
    }
    found
}

fn distinct(truth: &[Change]) -> usize {
    truth.iter().map(|change| &change.key).collect::<BTreeSet<_>>().len()
}

/// Authorised: every event is about a key the follower may see and asked for.
pub(crate) fn authorised(recording: &[WatchResponse], may_see: impl Fn(&str) -> bool) -> Found {
    let foreign = events_of(recording).into_iter().filter(|event| !event.key.is_empty() && !may_see(&event.key));
    foreign.map(|event| format!("{event:?} is none of the follower's business")).collect()
}

/// All promises that hold for any recording of one stream.
#[track_caller]
pub(crate) fn keeps_all(recording: &[WatchResponse], truth: &[Change], calls: &[Vec<LogPosition>]) {
    let checks = [
        ("ordered", ordered(recording)),
        ("unique", unique(recording)),
        ("atomic", atomic(recording, calls)),
        ("latest-reliable", latest_reliable(recording, truth)),
        ("bookmarkable", bookmarkable(recording, truth)),
    ];
    for (promise, found) in checks {
        assert!(found.is_empty(), "not {promise}: {found:#?}");
    }
}

/// The change of a key a call answered with this position.
pub(crate) fn change(key: &str, event: EventType, position: Option<Position>) -> Change {
    let position = position.expect("a call that changes something answers its position");
    let own = position.logs.iter().find(|log| log.log < 64).expect("a change of a key is in a key's log");
    Change { key: key.to_owned(), at: *own, event }
}

/// Whether a SET_INVALIDATED names exactly this selector.
pub(crate) fn names(event: &WatchEvent, selector: &Selector) -> bool {
    event.r#type() == EventType::SetInvalidated && event.selector.as_ref() == Some(selector)
}

#[cfg(test)]
mod can_fail {
    //! Recordings that break one promise each.

    use hotplate_proto::v1::{DiscontinuityReason, WatchDiscontinuity, WatchEvents, WatchProgress};

    use super::*;

    fn place(log: u32, number: u64) -> LogPosition {
        LogPosition { log, epoch: 7, number }
    }

    fn event(key: &str, number: u64) -> WatchEvent {
        WatchEvent {
            r#type: EventType::Put.into(),
            key: key.to_owned(),
            position: Some(place(3, number)),
            ..Default::default()
        }
    }

    fn says(message: Message) -> WatchResponse {
        WatchResponse { message: Some(message), resume_token: bytes::Bytes::new() }
    }

    fn events(events: &[WatchEvent]) -> WatchResponse {
        says(Message::Events(WatchEvents { events: events.to_vec() }))
    }

    fn progress(number: u64) -> WatchResponse {
        let position = Some(Position { logs: vec![place(3, number)] });
        says(Message::Progress(WatchProgress { position, closing: false }))
    }

    fn loss(number: u64) -> WatchResponse {
        let position = Some(Position { logs: vec![place(3, number)] });
        says(Message::Discontinuity(WatchDiscontinuity { reason: DiscontinuityReason::SlowConsumer.into(), position }))
    }

    fn truth(changes: &[(&str, u64)]) -> Vec<Change> {
        let change = |(key, number): &(&str, u64)| Change {
            key: (*key).to_owned(),
            at: place(3, *number),
            event: EventType::Put,
        };
        changes.iter().map(change).collect()
    }

    #[test]
    fn disorder_is_found() {
        assert_eq!(ordered(&[events(&[event("a", 2)]), events(&[event("b", 1)])]).len(), 1);
        assert_eq!(ordered(&[progress(2), events(&[event("b", 1)])]).len(), 1);
        assert!(ordered(&[events(&[event("a", 1), event("b", 2)]), progress(2)]).is_empty());
    }

    #[test]
    fn a_repetition_is_found() {
        assert_eq!(unique(&[events(&[event("a", 1)]), events(&[event("a", 1)])]).len(), 1);
        let set = |name: &str| {
            let selector = hotplate_proto::v1::selector::Selector::Tag(name.to_owned());
            WatchEvent { selector: Some(Selector { selector: Some(selector) }), ..event("", 1) }
        };
        assert_eq!(unique(&[events(&[set("s"), set("t"), set("s")])]).len(), 1);
    }

    #[test]
    fn a_split_call_is_found() {
        let split = [events(&[event("a", 1)]), events(&[event("b", 2)])];
        assert_eq!(atomic(&split, &[vec![place(3, 1), place(3, 2)]]).len(), 1);
        assert!(atomic(&split, &[vec![place(3, 1)], vec![place(3, 2)]]).is_empty());
    }

    #[test]
    fn a_missing_last_change_is_found() {
        let truth = truth(&[("a", 1), ("a", 2)]);
        assert_eq!(latest_reliable(&[events(&[event("a", 1)])], &truth).len(), 1);
        assert!(latest_reliable(&[events(&[event("a", 2)])], &truth).is_empty(), "earlier ones may coalesce");
        assert!(latest_reliable(&[loss(2)], &truth).is_empty());
    }

    #[test]
    fn a_hole_or_a_repetition_at_a_resumption_is_found() {
        let truth = truth(&[("a", 1), ("b", 2)]);
        assert_eq!(resumable(&[events(&[event("a", 1)])], &[], &truth).len(), 1);
        let twice = [events(&[event("a", 1), event("b", 2)])];
        assert_eq!(resumable(&[events(&[event("a", 1)])], &twice, &truth).len(), 1);
    }

    #[test]
    fn a_progress_ahead_of_its_events_is_found() {
        let truth = truth(&[("a", 1)]);
        assert_eq!(bookmarkable(&[progress(1), events(&[event("a", 1)])], &truth).len(), 1);
        assert!(bookmarkable(&[events(&[event("a", 1)]), progress(1)], &truth).is_empty());
    }

    #[test]
    fn a_silent_loss_is_found() {
        let truth = truth(&[("a", 1), ("b", 2)]);
        assert!(!bounded(&[events(&[event("a", 1)])], &truth, 10).is_empty());
        assert!(bounded(&[loss(2)], &truth, 10).is_empty());
    }

    #[test]
    fn a_foreign_key_is_found() {
        assert_eq!(authorised(&[events(&[event("a", 1)])], |key| key == "b").len(), 1);
    }
}
