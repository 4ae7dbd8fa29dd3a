//! Which single keys the stream follows, for near caches that do not follow whole namespaces. The calls are made
//! elsewhere.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::rule::{LOGS, Place, Stamp};

/// Followed keys looked at to find one that can be given up.
const LOOKS_MAX: usize = 32;

/// Keys and since when they are followed.
#[derive(Debug)]
pub(crate) struct Follow {
    keys: HashMap<Arc<str>, Since>,
    /// All of `keys`, in the order in which they are asked whether they can be given up; also some that were.
    turns: VecDeque<Arc<str>>,
    wanted: VecDeque<Arc<str>>,
    unwanted: HashSet<Arc<str>>,
    keys_max: usize,
    /// The open stream's name; empty without one.
    watch: String,
}

#[derive(Clone, Debug)]
enum Since {
    /// The server was not told yet; whether it may follow it from before.
    Wanted(bool),
    /// The server was told and has not answered.
    Asked,
    /// From these numbers on every change of it is told.
    From(Arc<[u64; LOGS]>),
}

/// What the server is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) watch: String,
    pub(crate) add: Vec<Arc<str>>,
    pub(crate) remove: Vec<Arc<str>>,
}

impl Follow {
    pub(crate) fn new(keys_max: usize) -> Self {
        Self {
            keys: HashMap::new(),
            turns: VecDeque::new(),
            wanted: VecDeque::new(),
            unwanted: HashSet::new(),
            keys_max,
            watch: String::new(),
        }
    }

    /// Keys followed or to be followed.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// What a stream that is opened now has to follow.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.keys().map(ToString::to_string).collect()
    }

    /// A stream was opened with all of `keys`.
    pub(crate) fn opened(&mut self, watch: &str, at: &Place) {
        watch.clone_into(&mut self.watch);
        let since = Arc::new(at.numbers);
        // Those that were followed before are told from where the last stream ended.
        for followed in self.keys.values_mut().filter(|followed| !matches!(followed, Since::From(_))) {
            *followed = Since::From(since.clone());
        }
        self.wanted.clear();
        self.unwanted.clear();
    }

    /// The stream is gone.
    pub(crate) fn lost(&mut self) {
        self.watch.clear();
    }

    /// Whether every change of this key after such an answer is told.
    pub(crate) fn covers(&self, key: &str, stamp: &Stamp) -> bool {
        match self.keys.get(key) {
            Some(Since::From(numbers)) => stamp.key >= numbers[stamp.log],
            Some(Since::Wanted(_) | Since::Asked) | None => false,
        }
    }

    /// Follows a key. When there are too many, one goes that `kept` does not name; `false` when all are needed.
    pub(crate) fn want(&mut self, key: &str, kept: impl Fn(&str) -> bool) -> bool {
        if self.keys.contains_key(key) {
            return true;
        }
        for _ in 0..LOOKS_MAX {
            if self.keys.len() < self.keys_max {
                break;
            }
            match self.turns.pop_front() {
                Some(other) if self.keys.contains_key(&other) && kept(&other) => self.turns.push_back(other),
                Some(other) => self.unwant(&other),
                None => return false,
            }
        }
        if self.keys.len() >= self.keys_max {
            return false;
        }
        let key: Arc<str> = key.into();
        let before = self.unwanted.remove(&key);
        if self.turns.len() >= 2 * self.keys_max {
            self.turns = self.keys.keys().cloned().collect();
        }
        self.turns.push_back(key.clone());
        self.wanted.push_back(key.clone());
        self.keys.insert(key, Since::Wanted(before));
        true
    }

    /// A key is no longer needed.
    pub(crate) fn unwant(&mut self, key: &str) {
        let Some((key, since)) = self.keys.remove_entry(key) else { return };
        if let Since::Wanted(_) = since {
            self.wanted.retain(|other| *other != key);
        }
        // Of what the server never heard there is nothing to tell: otherwise reads would fill this faster than calls empty it.
        if !matches!(since, Since::Wanted(false)) {
            self.unwanted.insert(key);
        }
    }

    /// The next update, of at most so many keys either way; `None` when there is nothing to tell, or nobody.
    pub(crate) fn update(&mut self, keys_max: usize) -> Option<Update> {
        if self.watch.is_empty() || (self.wanted.is_empty() && self.unwanted.is_empty()) {
            return None;
        }
        let add: Vec<_> = self.wanted.drain(..keys_max.min(self.wanted.len())).collect();
        for key in &add {
            self.keys.insert(key.clone(), Since::Asked);
        }
        let remove: Vec<_> = self.unwanted.iter().take(keys_max).cloned().collect();
        self.unwanted.retain(|key| !remove.contains(key));
        Some(Update { watch: self.watch.clone(), add, remove })
    }

    /// The server follows what was added, from these numbers on.
    pub(crate) fn updated(&mut self, update: &Update, numbers: [u64; LOGS]) {
        // What another stream was told is no news; that one was opened with these keys.
        if update.watch != self.watch {
            return;
        }
        let since = Arc::new(numbers);
        for key in &update.add {
            if let Some(followed @ Since::Asked) = self.keys.get_mut(key) {
                *followed = Since::From(since.clone());
            }
        }
    }

    /// The server does not follow what was to be added, and may follow what was to be removed. With `full`, no more than
    /// are followed now ever will be.
    pub(crate) fn refused(&mut self, update: Update, full: bool) {
        for key in update.remove.into_iter().filter(|_| update.watch == self.watch) {
            match self.keys.get_mut(&key) {
                Some(Since::Wanted(before)) => *before = true,
                Some(_) => {}
                None => drop(self.unwanted.insert(key)),
            }
        }
        for key in update.add {
            if matches!(self.keys.get(&key), Some(Since::Asked)) && update.watch == self.watch {
                self.keys.remove(&key);
            }
        }
        if full {
            self.keys_max = self.keys.len().max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u64) -> Stamp {
        Stamp { epoch: 1, log: 3, key: number, set: 0 }
    }

    fn at(number: u64) -> [u64; LOGS] {
        [number; LOGS]
    }

    fn open(keys_max: usize) -> Follow {
        let mut follow = Follow::new(keys_max);
        follow.opened("w1", &Place { epoch: 1, numbers: at(0) });
        follow
    }

    #[test]
    fn a_key_is_covered_from_where_the_server_says_it_follows_it() {
        let mut follow = open(10);
        assert!(follow.want("k", |_| false) && !follow.covers("k", &stamp(9)));
        let update = follow.update(10).expect("something to tell");
        assert_eq!((update.add.len(), follow.update(10)), (1, None));
        follow.updated(&update, at(5));
        assert!(!follow.covers("k", &stamp(4)) && follow.covers("k", &stamp(5)));
        follow.unwant("k");
        assert!(!follow.covers("k", &stamp(9)));
        assert_eq!(follow.update(10).map(|update| update.remove.len()), Some(1));
    }

    #[test]
    fn an_answer_to_a_stream_that_is_gone_says_nothing() {
        let mut follow = open(10);
        follow.want("k", |_| false);
        let update = follow.update(10).expect("something to tell");
        follow.lost();
        follow.opened("w2", &Place { epoch: 1, numbers: at(7) });
        follow.updated(&update, at(5));
        assert!(!follow.covers("k", &stamp(6)) && follow.covers("k", &stamp(7)));
    }

    #[test]
    fn room_is_made_by_keys_that_are_not_kept() {
        let mut follow = open(2);
        assert!(follow.want("a", |_| true) && follow.want("b", |_| true));
        assert!(!follow.want("c", |_| true));
        assert!(follow.want("c", |key| key == "a"));
        assert_eq!(follow.len(), 2);
        assert!(!follow.keys().contains(&"b".to_owned()));
    }

    #[test]
    fn a_server_that_is_full_is_not_asked_for_more() {
        let mut follow = open(10);
        follow.want("a", |_| true);
        let first = follow.update(10).expect("something to tell");
        follow.updated(&first, at(0));
        follow.want("b", |_| true);
        let second = follow.update(10).expect("something to tell");
        follow.refused(second, true);
        assert!(!follow.want("c", |_| true) && follow.len() == 1);
    }

    #[test]
    fn nothing_is_told_of_keys_that_were_given_up_before_they_were_told() {
        let mut follow = open(2);
        for number in 0..1_000 {
            assert!(follow.want(&number.to_string(), |_| false));
        }
        let update = follow.update(10).expect("something to tell");
        assert_eq!((update.add.len(), update.remove.len()), (2, 0));
        follow.unwant(&update.add[0]);
        assert!(follow.want(&update.add[0], |_| true));
        follow.unwant(&update.add[0]);
        let next = follow.update(10).expect("something to tell");
        assert_eq!((next.add.len(), &next.remove[..]), (0, &update.add[..1]), "the server may follow it");
    }

    #[test]
    fn what_could_not_be_removed_is_removed_by_the_next_update() {
        let mut follow = open(10);
        assert!(follow.want("a", |_| false) && follow.want("b", |_| false));
        let update = follow.update(10).expect("something to tell");
        follow.updated(&update, at(0));
        follow.unwant("a");
        follow.unwant("b");
        let failed = follow.update(10).expect("something to tell");
        assert!(follow.want("b", |_| false));
        follow.refused(failed, false);
        let again = follow.update(10).expect("something to tell");
        assert_eq!((&*again.remove, &*again.add), (&["a".into()][..], &["b".into()][..]));
    }
}
