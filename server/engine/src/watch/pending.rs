//! The events that wait for one reader: bounded, and thinned out per subject before the bound is given up.

use std::collections::{HashMap, VecDeque};

use crate::watch::{EventType, filter::Followed};

/// Events in the order they happened.
#[derive(Debug)]
pub struct Pending {
    waiting: VecDeque<Followed>,
    events_max: usize,
}

/// More subjects changed than may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Pending {
    /// Lets at most so many events wait.
    #[must_use]
    pub fn new(events_max: usize) -> Self {
        Self { waiting: VecDeque::new(), events_max: events_max.max(1) }
    }

    /// Adds the events of one change. Between two calls of [`Pending::settle`] up to twice the bound may wait, so that
    /// thinning out stays cheap for each event.
    ///
    /// # Errors
    /// [`Overflow`]: nothing waits any more.
    pub fn push(&mut self, events: Vec<Followed>) -> Result<(), Overflow> {
        self.waiting.extend(events);
        if self.waiting.len() > 2 * self.events_max { self.settle() } else { Ok(()) }
    }

    /// Keeps the bound: where more events wait, only the last one of each subject stays.
    ///
    /// # Errors
    /// [`Overflow`]: even those are too many; nothing waits any more.
    pub fn settle(&mut self) -> Result<(), Overflow> {
        if self.waiting.len() <= self.events_max {
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
        if latest.len() > self.events_max {
            return Err(Overflow);
        }
        self.waiting = latest.into_iter().rev().collect();
        Ok(())
    }

    /// The next change that is followed, with all its events.
    pub fn pop(&mut self) -> Option<Vec<Followed>> {
        let first = self.waiting.pop_front()?;
        let (log, number) = (first.change.log, first.change.number);
        let mut events = vec![first];
        while let Some(next) = self.waiting.pop_front_if(|next| next.change.log == log && next.change.number == number)
        {
            events.push(next);
        }
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
    }
}

/// The earlier event of a subject is left out. What was dropped or replaced does not become usable as stale by a mark
/// that came later: then that is told as a drop.
fn overtake(later: &mut Followed, earlier: &Followed) {
    if !later.stale || earlier.stale || earlier.event_type == EventType::Evicted {
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
        changes::{Author, Change, What},
        clock::Moment,
        position::LogId,
        watch::filter::Subject,
    };

    fn event(number: u64, event_type: EventType, key: &str) -> Followed {
        let (namespace, log) = (Arc::from("default"), LogId::SELECTOR);
        let (what, author) = (What::Invalidated(Vec::new()), Author::default());
        let change = Arc::new(Change { namespace, log, number, at: Moment(0), what, author });
        let stale = event_type == EventType::MarkedStale;
        Followed { change, event_type, subject: Subject::Key(Arc::from(key)), stale }
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
            let mut pending = Pending::new(1);
            let events = types.iter().zip(1..).map(|(event_type, number)| event(number, *event_type, "k"));
            pending.push(events.collect()).unwrap();
            pending.settle().unwrap();
            let left: Vec<_> = pending.pop().unwrap().iter().map(|event| (event.event_type, event.stale)).collect();
            assert_eq!((left, pending.is_empty()), (vec![(told, told == MarkedStale)], true), "{types:?}");
        }
    }
}
