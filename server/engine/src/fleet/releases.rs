//! Leases of the fleet that may be held for nobody here: what became of a wish for one was not heard, or whether it was given
//! back. They are given back until that is sure. Who does that is decided elsewhere.

use std::{collections::VecDeque, time::Duration};

use crate::{clock::Moment, key::Key};

/// No call is on its way for longer: a release that was heard so long after it was known to be due came after the wish.
const SURE: Duration = Duration::from_secs(1);

/// Leases to be given back. Bounded: the oldest are forgotten, and lapse.
#[derive(Debug)]
pub struct Releases {
    due: VecDeque<Release>,
    leases_max: usize,
}

/// One lease to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Of which key.
    pub key: Key,
    /// Under which token.
    pub token: u128,
    since: Moment,
    tried: bool,
}

impl Releases {
    /// None, and at most so many.
    #[must_use]
    pub fn new(leases_max: usize) -> Self {
        Self { due: VecDeque::new(), leases_max }
    }

    /// One more.
    pub fn add(&mut self, key: &Key, token: u128, now: Moment) {
        if self.due.len() >= self.leases_max {
            self.due.pop_front();
        }
        self.due.push_back(Release { key: key.clone(), token, since: now, tried: false });
    }

    /// It is held for somebody after all.
    pub fn keep(&mut self, key: &Key, token: u128) {
        self.due.retain(|due| due.token != token || due.key != *key);
    }

    /// Some that are to be given back: what was not tried yet, or, `again`, the oldest, which then come last.
    pub fn some(&mut self, many: usize, again: bool) -> Vec<Release> {
        if !again {
            let new = self.due.iter_mut().filter(|due| !due.tried).take(many);
            return new
                .map(|due| {
                    due.tried = true;
                    due.clone()
                })
                .collect();
        }
        let many = many.min(self.due.len());
        let some: Vec<_> = self.due.drain(..many).map(|due| Release { tried: true, ..due }).collect();
        self.due.extend(some.iter().cloned());
        some
    }

    /// That it was given back was heard.
    pub fn told(&mut self, told: &Release, now: Moment) {
        if now.since(told.since) >= SURE {
            self.keep(&told.key, told.token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new("n", text).expect("a good name")
    }

    fn tokens(some: &[Release]) -> Vec<u128> {
        some.iter().map(|due| due.token).collect()
    }

    #[test]
    fn it_is_tried_at_once_and_until_it_is_sure() {
        let mut releases = Releases::new(2);
        let sure = Moment(0).after(SURE);
        for token in [1, 2, 3] {
            releases.add(&key("k"), token, Moment(0));
        }
        let first = releases.some(10, false);
        assert_eq!(tokens(&first), [2, 3], "the oldest is forgotten");
        assert_eq!(releases.some(10, false), []);
        first.iter().for_each(|due| releases.told(due, Moment(1)));
        assert_eq!(tokens(&releases.some(1, true)), [2], "the wish may have come after");
        let second = releases.some(1, true);
        assert_eq!(tokens(&second), [3]);
        releases.told(&second[0], sure);
        assert_eq!(tokens(&releases.some(10, true)), [2]);
        releases.keep(&key("other"), 2);
        assert_eq!(tokens(&releases.some(10, true)), [2]);
        releases.keep(&key("k"), 2);
        assert_eq!(releases.some(10, true), []);
    }
}
