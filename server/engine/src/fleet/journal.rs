//! What this replica invalidated or replaced lately: told again when the shared tier has lost it. Bounded: beyond the
//! bound everything in a namespace counts. When that is, is decided elsewhere.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{clock::Moment, selector::Selector, tier::shared::FenceName};

/// Recent invalidations of this replica.
#[derive(Debug)]
pub struct Journal {
    lines: VecDeque<(Moment, FenceName)>,
    /// Namespaces of which some lines were dropped before their time, and since when.
    whole: HashMap<Arc<str>, Moment>,
    names_max: usize,
    age_max: Duration,
}

impl Journal {
    /// Keeps so many names for so long.
    #[must_use]
    pub fn new(names_max: usize, age_max: Duration) -> Self {
        Self { lines: VecDeque::new(), whole: HashMap::new(), names_max, age_max }
    }

    /// Writes down what was invalidated.
    pub fn write(&mut self, names: &[FenceName], now: Moment) {
        self.lines.extend(names.iter().map(|name| (now, name.clone())));
        while self.lines.len() > self.names_max {
            let Some((_, name)) = self.lines.pop_front() else { return };
            // As new as the newest: it ends with what came after it.
            self.whole.insert(name.namespace, now);
        }
    }

    /// What is to be told again by who heard last of the shared tier then, each name once, oldest first.
    pub fn read(&mut self, now: Moment) -> Vec<FenceName> {
        self.forget(now);
        let mut told = std::collections::HashSet::new();
        let whole = self.whole.keys().map(everything);
        let single = self.lines.iter().map(|(_, name)| name).filter(|name| !self.whole.contains_key(&name.namespace));
        whole.chain(single.cloned()).filter(|name| told.insert(name.clone())).collect()
    }

    /// Forgets what is too old at this time. Not while the shared tier is away: it may lose then what it had before.
    pub fn forget(&mut self, now: Moment) {
        let over = |at: Moment| now.since(at) > self.age_max;
        while self.lines.front().is_some_and(|(at, _)| over(*at)) {
            self.lines.pop_front();
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
        assert_eq!(journal.read(Moment(90)), [name("n", "a"), name("n", "b")]);
        assert_eq!(journal.read(Moment(120)), [name("n", "a")]);
        assert_eq!(journal.read(Moment(200)), []);
    }

    #[test]
    fn beyond_the_bound_the_whole_namespace_counts() {
        let mut journal = Journal::new(2, Duration::from_nanos(100));
        journal.write(&[name("n", "a"), name("m", "b"), name("m", "c")], Moment(0));
        assert_eq!(journal.read(Moment(1)), [everything(&Arc::from("n")), name("m", "b"), name("m", "c")]);
    }
}
