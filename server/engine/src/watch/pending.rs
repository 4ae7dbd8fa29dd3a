//! The events that wait for one reader: bounded by number and by bytes, and thinned out per subject before the bound is
//! given up.

use std::collections::{HashMap, VecDeque};

use crate::watch::{EventType, filter::Followed};

/// Bytes that an event takes besides the change it is of.
const EVENT_BYTES: usize = 64;

/// Events in the order they happened.
#[derive(Debug)]
pub struct Pending {
    waiting: VecDeque<Followed>,
    bytes: usize,
    bound: Bound,
}

/// What may wait for one reader. One change may wait however large it is.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Events.
    pub events_max: usize,
    /// Bytes of the changes they are of, and a fixed share for each event.
    pub bytes_max: usize,
}

/// More subjects changed than may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Pending {
    /// Lets at most so much wait.
    #[must_use]
    pub fn new(Bound { events_max, bytes_max }: Bound) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, bound: Bound { events_max: events_max.max(1), bytes_max } }
    }

    /// Adds the events of one change. Between two calls of [`Pending::settle`] up to twice the bound may wait, so that
    /// thinning out stays cheap for each event.
    ///
    /// # Errors
    /// [`Overflow`]: nothing waits any more.
    pub fn push(&mut self, events: Vec<Followed>) -> Result<(), Overflow> {
        self.bytes += bytes_of(&events);
        self.waiting.extend(events);
        if self.beyond(2) { self.settle() } else { Ok(()) }
    }

    /// Keeps the bound: where more waits, only the last event of each subject stays.
    ///
    /// # Errors
    /// [`Overflow`]: even those are too many; nothing waits any more.
    pub fn settle(&mut self) -> Result<(), Overflow> {
        if !self.beyond(1) {
            return Ok(());
        }
        let mut places = HashMap::new();
        let mut latest: Vec<Followed> = Vec::new();
        for event in self.waiting.drain(..).rev() {
            match places.get(&event.subject) {
                Some(place) => overtake(&mut latest[*place], &event),
                None => {
                    places.insert(event.subject.clone(), latest.len());
                    latest.push(event);
                }
            }
        }
        self.waiting = latest.into_iter().rev().collect();
        self.bytes = bytes_of(self.waiting.make_contiguous());
        if self.beyond(1) {
            self.clear();
            return Err(Overflow);
        }
        Ok(())
    }

    /// Whether more waits than so many times the bound.
    fn beyond(&self, times: usize) -> bool {
        let Bound { events_max, bytes_max } = self.bound;
        let several = self.waiting.front().zip(self.waiting.back()).is_some_and(|(first, last)| !same(first, last));
        self.waiting.len() > events_max.saturating_mul(times)
            || (several && self.bytes > bytes_max.saturating_mul(times))
    }

    /// The next change that is followed, with all its events.
    pub fn pop(&mut self) -> Option<Vec<Followed>> {
        let first = self.waiting.pop_front()?;
        let mut events = vec![first];
        while let Some(next) = self.waiting.pop_front_if(|next| same(next, &events[0])) {
            events.push(next);
        }
        self.bytes = self.bytes.saturating_sub(bytes_of(&events));
        Some(events)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Whether two events are of one change.
fn same(a: &Followed, b: &Followed) -> bool {
    (a.change.log, a.change.number) == (b.change.log, b.change.number)
}

/// What events take: each change is counted once, for the first of its events that stand together.
fn bytes_of(events: &[Followed]) -> usize {
    let changes = events.chunk_by(same).filter_map(|of_one| of_one.first());
    changes.map(|first| first.change.bytes()).sum::<usize>() + events.len() * EVENT_BYTES
}

/// The earlier event of a subject is left out. What was dropped or replaced does not become usable as stale by a mark
/// that came later: then that is told as a drop. Nor does what changed before it was evicted become right again by that:
/// then the change is told.
fn overtake(later: &mut Followed, earlier: &Followed) {
    if earlier.event_type == EventType::Evicted {
        return;
    }
    if later.event_type == EventType::Evicted {
        (later.event_type, later.stale) = (earlier.event_type, earlier.stale);
        return;
    }
    if !later.stale || earlier.stale {
        return;
    }
    later.stale = false;
    if later.event_type == EventType::MarkedStale {
        later.event_type = EventType::Invalidated;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        changes::{Author, Change, Stored, What},
        clock::Clock,
        entry::Description,
        position::LogId,
        watch::filter::Subject,
    };

    fn put(key: &str, number: u64, label_bytes: usize) -> Vec<Followed> {
        let labels = [("l".to_owned(), "x".repeat(label_bytes))].into_iter().collect();
        let description = Arc::new(Description { labels, ..Description::default() });
        let key: Arc<str> = key.into();
        let what = What::Put { key: key.clone(), description, previous: None, stored: Stored::default() };
        let at = Clock::manual().now();
        let (namespace, log, author) = ("n".into(), LogId::SELECTOR, Author::default());
        let change = Arc::new(Change { namespace, log, number, at, what, author });
        vec![Followed { change, event_type: EventType::Put, subject: Subject::Key(key), stale: false }]
    }

    #[test]
    fn what_waits_is_bounded_by_bytes_and_thinned_out_first() {
        let mut pending = Pending::new(Bound { events_max: 1000, bytes_max: 100_000 });
        for number in 0..200 {
            pending.push(put(if number % 2 == 0 { "a" } else { "b" }, number, 10_000)).unwrap();
            assert!(pending.bytes() <= 2 * 100_000 + 11_000, "{}", pending.bytes());
        }
        pending.settle().unwrap();
        assert!(pending.bytes() <= 100_000);
        let last: Vec<u64> = std::iter::from_fn(|| pending.pop()).map(|events| events[0].change.number).collect();
        assert!(last.ends_with(&[198, 199]), "{last:?}");
        assert_eq!(pending.bytes(), 0);
        let lost = (0..200).try_for_each(|number| pending.push(put(&format!("k{number}"), number, 10_000)));
        assert_eq!((lost, pending.is_empty(), pending.bytes()), (Err(Overflow), true, 0));
    }

    #[test]
    fn one_change_may_wait_however_large_it_is() {
        let mut pending = Pending::new(Bound { events_max: 10, bytes_max: 100 });
        pending.push(put("a", 1, 10_000)).unwrap();
        pending.settle().unwrap();
        assert_eq!(pending.pop().map(|events| events.len()), Some(1));
    }

    fn event(number: u64, event_type: EventType, key: &str) -> Followed {
        let (namespace, log) = (Arc::from("default"), LogId::SELECTOR);
        let (what, author) = (What::Invalidated(Vec::new()), Author::default());
        let change = Arc::new(Change { namespace, log, number, at: Clock::manual().now(), what, author });
        let stale = event_type == EventType::MarkedStale;
        Followed { change, event_type, subject: Subject::Key(Arc::from(key)), stale }
    }

    /// What is told of events of one key where only one may wait.
    fn told_of(types: &[EventType]) -> Vec<(EventType, bool)> {
        let mut pending = Pending::new(Bound { events_max: 1, bytes_max: 1 << 20 });
        let events = types.iter().zip(1..).map(|(event_type, number)| event(number, *event_type, "k"));
        pending.push(events.collect()).unwrap();
        pending.settle().unwrap();
        let told = pending.pop().unwrap().iter().map(|event| (event.event_type, event.stale)).collect();
        assert!(pending.is_empty());
        told
    }

    #[test]
    fn a_mark_does_not_hide_that_something_was_dropped_before() {
        use EventType::{Evicted, Expired, Invalidated, MarkedStale, Put};
        let cases = [
            (vec![Invalidated, MarkedStale], Invalidated),
            (vec![Put, MarkedStale, MarkedStale], Invalidated),
            (vec![Expired, MarkedStale], Invalidated),
            (vec![MarkedStale, Evicted, MarkedStale], MarkedStale),
            (vec![MarkedStale, Invalidated], Invalidated),
            (vec![MarkedStale, Put], Put),
        ];
        for (types, told) in cases {
            assert_eq!(told_of(&types), vec![(told, told == MarkedStale)], "{types:?}");
        }
    }

    #[test]
    fn an_eviction_does_not_hide_what_changed_before() {
        use EventType::{Evicted, Expired, Invalidated, MarkedStale, Put};
        let cases = [
            (vec![Put, Evicted], Put),
            (vec![Invalidated, Evicted], Invalidated),
            (vec![MarkedStale, Evicted, Evicted], MarkedStale),
            (vec![Put, MarkedStale, Evicted], Invalidated),
            (vec![Evicted, Evicted], Evicted),
            (vec![Evicted, Expired], Expired),
        ];
        for (types, told) in cases {
            assert_eq!(told_of(&types), vec![(told, told == MarkedStale)], "{types:?}");
        }
    }
}
