//! The history of one key: the changes of its log, those invalidations of sets that hit it, and what is noted of it, put
//! in order. Which sets hit a key follows from what was said of its entry then.

use std::{collections::VecDeque, sync::Arc};

use super::{Effect, Happened, KeyEvent, Known, words};
use crate::{
    changes::{Author, Change, What},
    clock::Moment,
    entry::Description,
    event::MissReason,
    key::Key,
    memory::{
        Store,
        beside::Removal,
        notes::{Note, Noted},
    },
    position::{LogId, Position},
    selector::{Facets, Selector},
};

/// Changes looked at under one lock of the history.
const LOOKS_PER_HOLD: usize = 1024;

/// What happened to a key.
pub(super) struct Trail {
    /// The newest first.
    pub(super) events: Vec<KeyEvent>,
    /// Whether older ones were left out for their number.
    pub(super) more: bool,
    /// Since when it is complete; `None`: since the beginning.
    pub(super) forgotten: Option<Moment>,
}

/// What is under the key at one place in the history.
enum There {
    /// Not known: the history begins later.
    Unknown,
    /// This.
    Entry(Arc<Description>),
    /// Nothing.
    Nothing,
}

/// A walk along the history.
struct Walk<'a> {
    key: &'a Key,
    known: &'a Known,
    there: There,
    found: VecDeque<(Arc<Change>, Happened)>,
    found_max: usize,
    more: bool,
    /// The change that made the key missing, where that is one of sets.
    blamed: Option<Arc<Change>>,
}

/// Puts together what happened to a key.
pub(super) fn follow(store: &Store, key: &Key, known: &Known, events_max: usize) -> Trail {
    let mut walk = Walk {
        key,
        known,
        there: store.history.forgotten(key.log()).map_or(There::Nothing, |_| There::Unknown),
        found: VecDeque::new(),
        found_max: events_max,
        more: false,
        blamed: None,
    };
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let slice = store.history.of_log(key.log(), from, LOOKS_PER_HOLD);
        slice.changes.iter().for_each(|change| walk.step(change));
        cursor = slice.next;
    }
    walk.end();
    // After the walk: what was forgotten while it went on is accounted for.
    let forgotten = store.history.forgotten(key.log()).max(known.notes_forgotten);
    let (mut events, mut more) = (merge(store, walk.found, known), walk.more);
    more |= events.len() > events_max;
    events.truncate(events_max);
    Trail { events, more, forgotten }
}

impl Walk<'_> {
    fn step(&mut self, change: &Arc<Change>) {
        let as_of = self.known.as_of;
        let end = if change.log == LogId::SELECTOR { as_of.selector.number } else { as_of.key.number };
        if change.namespace != *self.key.namespace() || change.number > end {
            return;
        }
        match &change.what {
            What::Put { key, description, previous, stored } if key == self.key.text() => {
                self.resolve(previous.as_ref());
                let happened = Happened::Stored {
                    size_bytes: stored.size_bytes,
                    kind: description.kind.clone(),
                    negative: stored.negative,
                    fetched: stored.fetched,
                };
                self.push(change, happened, There::Entry(description.clone()));
            }
            What::Expired(key, was) if key == self.key.text() => {
                self.resolve(Some(was));
                self.push(change, Happened::Expired(was.kind.clone()), There::Nothing);
            }
            What::Evicted(key, was) if key == self.key.text() => {
                self.resolve(Some(was));
                self.push(change, Happened::Evicted(was.kind.clone()), There::Nothing);
            }
            What::Invalidated(keys) => {
                let Some((text, was)) = keys.iter().find(|(text, _)| text == self.key.text()) else { return };
                self.resolve(was.as_ref());
                let effect = if was.is_some() { Effect::Dropped } else { Effect::NothingThere };
                let happened = Happened::Invalidated(named(change, text, was.as_ref()), effect);
                self.push(change, happened, There::Nothing);
            }
            What::MarkedStale(keys) => {
                let Some((text, was)) = keys.iter().find(|(text, _)| text == self.key.text()) else { return };
                self.resolve(was.as_ref());
                let effect = if was.is_some() { Effect::Marked } else { Effect::NothingThere };
                let there = was.clone().map_or(There::Nothing, There::Entry);
                self.push(change, Happened::MarkedStale(named(change, text, was.as_ref()), effect), there);
            }
            What::SetInvalidated(sets) => self.sets(change, sets, Effect::Dropped),
            What::SetMarkedStale(sets) => self.sets(change, sets, Effect::Marked),
            What::Put { .. } | What::Expired(..) | What::Evicted(..) => {}
        }
    }

    /// A call that dropped sets, or marked them stale.
    fn sets(&mut self, change: &Arc<Change>, sets: &[Selector], effect: Effect) {
        if self.known.fence().is_some_and(|fence| !fence.floor && fence.number == change.number) {
            self.blamed = Some(change.clone());
        }
        let hit = match &self.there {
            There::Entry(was) if effect == Effect::Marked => {
                hit(sets, self.key, was).map(|set| (set, effect, There::Entry(was.clone())))
            }
            There::Entry(was) => hit(sets, self.key, was).map(|set| (set, effect, There::Nothing)),
            There::Unknown => {
                let nothing = Description::default();
                hit(sets, self.key, &nothing).map(|set| (set, Effect::Unknown, There::Unknown))
            }
            There::Nothing => None,
        };
        if let Some((set, done, there)) = hit {
            let set = Some(set.clone());
            let marked = effect == Effect::Marked;
            let happened = if marked { Happened::MarkedStale(set, done) } else { Happened::Invalidated(set, done) };
            self.push(change, happened, there);
        }
    }

    /// What was there before the first change of the key itself that is known. An entry that is still there was hit by
    /// none of the sets up to then.
    fn resolve(&mut self, was: Option<&Arc<Description>>) {
        if matches!(self.there, There::Unknown) && was.is_some() {
            self.found.clear();
            self.more = false;
        }
    }

    fn push(&mut self, change: &Arc<Change>, happened: Happened, there: There) {
        self.found.push_back((change.clone(), happened));
        self.there = there;
        if self.found.len() > self.found_max {
            self.found.pop_front();
            self.more = true;
        }
    }

    /// Brings the end of the history and what the shard knows together.
    fn end(&mut self) {
        if matches!(self.there, There::Unknown) && self.known.valid() {
            self.found.clear();
            self.more = false;
        }
        let Some(blamed) = self.blamed.clone().filter(|_| !self.known.valid()) else { return };
        let (What::SetInvalidated(sets) | What::SetMarkedStale(sets)) = &blamed.what else { return };
        if self.found.iter().any(|(change, _)| Arc::ptr_eq(change, &blamed)) {
            return;
        }
        let set = match &self.there {
            There::Nothing => None,
            // It was stored while the sets were invalidated, and counts as older.
            There::Entry(was) => hit(sets, self.key, was),
            There::Unknown => {
                // What came after the call that dropped it found nothing.
                self.found.retain(|(change, _)| change.number < blamed.number);
                let by_content =
                    |set: &&Selector| matches!(set, Selector::Tag(_) | Selector::AllTags(_) | Selector::Kind(_));
                hit(sets, self.key, &Description::default()).or_else(|| sets.iter().find(by_content))
            }
        };
        if let Some(set) = set.cloned() {
            self.push(&blamed, Happened::Invalidated(Some(set), Effect::Dropped), There::Nothing);
        }
    }
}

/// What a call named that dropped or marked this key: the key, or what it was made from. Of several it may have been any.
fn named(change: &Change, key: &Arc<str>, was: Option<&Arc<Description>>) -> Option<Selector> {
    if !change.author.follows {
        return Some(Selector::Key(key.clone()));
    }
    match was?.made_from() {
        [only] => Some(Selector::DependentsOf(only.clone())),
        _ => None,
    }
}

fn hit<'a>(sets: &'a [Selector], key: &Key, was: &Description) -> Option<&'a Selector> {
    sets.iter().find(|set| set.selects(&facets(key, was)))
}

fn facets<'a>(key: &'a Key, was: &'a Description) -> Facets<'a> {
    Facets { key: key.text(), kind: &was.kind, tags: &was.tags, depends_on: was.made_from() }
}

/// Changes and notes in one order, the newest first.
fn merge(store: &Store, mut found: VecDeque<(Arc<Change>, Happened)>, known: &Known) -> Vec<KeyEvent> {
    let mut notes: Vec<&Note> = known.notes.iter().collect();
    let mut events = Vec::with_capacity(found.len() + notes.len());
    loop {
        let newer = match (found.back(), notes.last()) {
            (None, None) => return events,
            (Some((change, _)), Some(note)) => note.is_after(change),
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        if newer && let Some(note) = notes.pop() {
            events.push(event(store, known, (noted(&note.what), note.at, None), &note.author));
        } else if let Some((change, happened)) = found.pop_back() {
            let position = Position { epoch: store.history.epoch(), number: change.number };
            let place = Some((change.log, position));
            events.push(event(store, known, (happened, change.at, place), &change.author));
        }
    }
}

impl Note {
    fn is_after(&self, change: &Change) -> bool {
        let number = if change.log == LogId::SELECTOR { self.selector_number } else { self.key_number };
        change.number <= number
    }
}

fn noted(what: &Noted) -> Happened {
    match what {
        Noted::Refreshed { size_bytes, negative, kind } => {
            Happened::Refreshed { size_bytes: *size_bytes, kind: kind.clone(), negative: *negative }
        }
        Noted::Touched => Happened::Touched,
        Noted::NotAdmitted(why) => Happened::NotAdmitted(why.clone()),
        Noted::RefreshFailed(negative) => Happened::RefreshFailed(negative.clone()),
    }
}

fn event(
    store: &Store,
    known: &Known,
    (what, at, position): (Happened, Moment, Option<(LogId, Position)>),
    author: &Author,
) -> KeyEvent {
    let sentence = words::event(&what, author);
    KeyEvent { what, age: known.now.since(at), wall: store.clock.wall(at), position, author: author.clone(), sentence }
}

/// What made the key missing: as the history has it, else as far as the shard remembers it.
pub(super) fn cause(store: &Store, trail: &Trail, (known, removal): (&Known, Removal)) -> KeyEvent {
    let still_there = known.entry.is_some() && removal.fence.is_none();
    let same = |event: &&KeyEvent| match (&event.what, removal.reason) {
        (Happened::MarkedStale(_, Effect::Marked), MissReason::Invalidated) if known.marked() => true,
        (
            Happened::Invalidated(_, Effect::Dropped) | Happened::MarkedStale(_, Effect::Marked),
            MissReason::Invalidated,
        ) => {
            let number = event.position.filter(|(log, _)| *log == LogId::SELECTOR).map(|(_, at)| at.number);
            number == removal.fence.map(|fence| fence.number)
        }
        (Happened::Expired(_), MissReason::Expired)
        | (Happened::Evicted(_), MissReason::Evicted)
        | (Happened::NotAdmitted(_), MissReason::NotAdmitted) => !still_there,
        _ => false,
    };
    if let Some(event) = trail.events.iter().find(same) {
        return event.clone();
    }
    let kind = known.entry.as_ref().map(|(view, _)| view.facts.description.kind.clone()).unwrap_or_default();
    let what = match removal.reason {
        MissReason::Expired | MissReason::TooOld | MissReason::NeverStored | MissReason::TierUnavailable => {
            Happened::Expired(kind)
        }
        MissReason::Evicted => Happened::Evicted(kind),
        MissReason::Invalidated if known.marked() => Happened::MarkedStale(None, Effect::Marked),
        MissReason::Invalidated => Happened::Invalidated(None, Effect::Dropped),
        MissReason::NotAdmitted => Happened::NotAdmitted(Arc::from("it could not fit")),
    };
    let at = |number| (LogId::SELECTOR, Position { epoch: store.history.epoch(), number });
    let place = removal.fence.map(|fence| at(fence.number));
    event(store, known, (what, removal.at, place), &Author::default())
}
