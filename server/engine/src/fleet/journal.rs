//! What this replica invalidated or replaced lately: told again when the shared tier has lost it. Bounded: beyond the
//! bound everything in a namespace counts. When that is, is decided elsewhere.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lru::LruCache;

use crate::{clock::Moment, selector::Selector, tier::shared::FenceName};

/// Recent invalidations of this replica.
#[derive(Debug)]
pub struct Journal {
    /// When each name was written down last; used last is newest.
    lines: LruCache<FenceName, Moment>,
    /// Namespaces of which some lines were dropped before their time, and since when.
    whole: HashMap<Arc<str>, Moment>,
    names_max: usize,
    age_max: Duration,
}

impl Journal {
    /// Keeps so many names for so long.
    #[must_use]
    pub fn new(names_max: usize, age_max: Duration) -> Self {
        Self { lines: LruCache::unbounded(), whole: HashMap::new(), names_max, age_max }
    }

    /// Writes down what was invalidated. The same name again is the same line, as new as that.
    pub fn write(&mut self, names: &[FenceName], now: Moment) {
        for name in names {
            self.lines.put(name.clone(), now);
        }
        while self.lines.len() > self.names_max {
            let Some((name, _)) = self.lines.pop_lru() else { return };
            // As new as the newest: it ends with what came after it.
            self.whole.insert(name.namespace, now);
        }
    }

    /// What is to be told again by who heard last of the shared tier then, each name once, oldest first.
    pub fn read(&mut self, now: Moment) -> Vec<FenceName> {
        self.forget(now);
        let whole = self.whole.keys().map(everything);
        let oldest_first = self.lines.iter().rev().map(|(name, _)| name);
        let single = oldest_first.filter(|name| !self.whole.contains_key(&name.namespace));
        whole.chain(single.cloned()).collect()
    }

    /// Forgets what is too old at this time. Not while the shared tier is away: it may lose then what it had before.
    pub fn forget(&mut self, now: Moment) {
        let over = |at: Moment| now.since(at) > self.age_max;
        while self.lines.peek_lru().is_some_and(|(_, at)| over(*at)) {
            self.lines.pop_lru();
        }
        self.whole.retain(|_, at| now.since(*at) <= self.age_max);
    }
}

/// Everything of a namespace.
#[must_use]
pub fn everything(namespace: &Arc<str>) -> FenceName {
    FenceName { namespace: namespace.clone(), selector: Selector::Everything }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(namespace: &str, key: &str) -> FenceName {
        FenceName { namespace: Arc::from(namespace), selector: Selector::Key(Arc::from(key)) }
    }

    #[test]
    fn what_is_recent_is_told_once_and_what_is_old_no_more() {
        let mut journal = Journal::new(10, Duration::from_nanos(100));
        journal.write(&[name("n", "a"), name("n", "b")], Moment(0));
        journal.write(&[name("n", "a")], Moment(60));
        assert_eq!(journal.read(Moment(90)), [name("n", "b"), name("n", "a")]);
        assert_eq!(journal.read(Moment(120)), [name("n", "a")]);
        assert_eq!(journal.read(Moment(200)), []);
    }

    #[test]
    fn what_is_told_again_and_again_takes_the_room_of_one() {
        let mut journal = Journal::new(2, Duration::from_nanos(100));
        journal.write(&[name("m", "b")], Moment(0));
        (1..50).for_each(|at| journal.write(&[name("n", "a")], Moment(at)));
        assert_eq!(journal.read(Moment(50)), [name("m", "b"), name("n", "a")]);
    }

    #[test]
    fn beyond_the_bound_the_whole_namespace_counts() {
        let mut journal = Journal::new(2, Duration::from_nanos(100));
        journal.write(&[name("n", "a"), name("m", "b"), name("m", "c")], Moment(0));
        assert_eq!(journal.read(Moment(1)), [everything(&Arc::from("n")), name("m", "b"), name("m", "c")]);
    }
}
