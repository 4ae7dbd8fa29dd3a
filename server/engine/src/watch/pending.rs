//! The events that wait for one reader: bounded, and thinned out per subject before the bound is given up.

use std::collections::{HashSet, VecDeque};

use crate::watch::filter::Followed;

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
        let mut seen = HashSet::new();
        let mut latest: VecDeque<Followed> = VecDeque::new();
        for event in self.waiting.drain(..).rev() {
            if seen.insert(event.subject.clone()) {
                latest.push_front(event);
            }
        }
        if latest.len() > self.events_max {
            return Err(Overflow);
        }
        self.waiting = latest;
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
