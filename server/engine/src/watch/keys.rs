//! The single keys a watch follows: changed while it is open, bounded for each watch and for all of them together.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{
    error::{Error, Kind, Reason, Result},
    key::check_text,
};

/// Bytes that a followed key takes besides its text.
const KEY_BYTES: usize = 64;

/// What the followed keys of all watches may take together.
#[derive(Debug)]
pub struct KeyBudget {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl KeyBudget {
    /// Nothing is taken yet.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max }
    }

    /// Bytes taken now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<()> {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        let taken = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map(drop).map_err(|_full| {
            let rule = format!(
                "the keys followed by all watches take {} bytes at most: follow prefixes or tags, or raise \
                 watch.keys_bytes_max",
                self.bytes_max
            );
            too_many(rule)
        })
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The keys one watch follows. Their watch looks at them while others change them.
#[derive(Debug)]
pub struct FollowedKeys {
    keys: Mutex<HashSet<Arc<str>>>,
    keys_max: usize,
    budget: Arc<KeyBudget>,
}

impl FollowedKeys {
    /// No keys yet, and at most `keys_max`.
    #[must_use]
    pub fn new(keys_max: usize, budget: Arc<KeyBudget>) -> Self {
        Self { keys: Mutex::default(), keys_max, budget }
    }

    /// Adds and removes keys: all of them, or none. A key in both lists is followed. Answers how many are.
    ///
    /// # Errors
    /// `TOO_MANY_KEYS`.
    pub fn change(&self, add: Vec<String>, remove: &[String]) -> Result<usize> {
        let add: HashSet<Arc<str>> = add.into_iter().map(Arc::from).collect();
        let mut keys = self.keys.lock();
        let gone: HashSet<&str> = remove.iter().map(String::as_str).collect();
        let gone: HashSet<&str> = gone.into_iter().filter(|key| keys.contains(*key) && !add.contains(*key)).collect();
        let fresh: Vec<Arc<str>> = add.iter().filter(|key| !keys.contains(*key)).cloned().collect();
        let count = keys.len() + fresh.len() - gone.len();
        if count > self.keys_max {
            let rule = format!(
                "a watch follows at most {} single keys: follow prefixes or tags, or raise watch.keys_max",
                self.keys_max
            );
            return Err(too_many(rule));
        }
        let freed: usize = gone.iter().map(|key| bytes_of(key)).sum();
        let taken: usize = fresh.iter().map(|key| bytes_of(key)).sum();
        self.budget.take(taken.saturating_sub(freed))?;
        gone.iter().for_each(|key| drop(keys.take(*key)));
        keys.extend(fresh);
        self.budget.give_back(freed.saturating_sub(taken));
        Ok(count)
    }

    /// Whether a key is followed.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.keys.lock().contains(key)
    }
}

impl Drop for FollowedKeys {
    fn drop(&mut self) {
        self.budget.give_back(self.keys.get_mut().iter().map(|key| bytes_of(key)).sum());
    }
}

fn bytes_of(key: &str) -> usize {
    key.len() + KEY_BYTES
}

fn too_many(rule: String) -> Error {
    Error::new(Kind::ResourceExhausted, Reason::TooManyKeys, rule)
}

/// Checks the texts of keys to follow.
///
/// # Errors
/// `BAD_KEY`, naming the list and the place in it.
pub fn check_keys(field: &'static str, keys: &[String]) -> Result<()> {
    keys.iter()
        .enumerate()
        .try_for_each(|(number, key)| check_text(key).map_err(|error| error.field(format!("{field}[{number}]"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn keys_are_counted_once_and_given_back() {
        let budget = Arc::new(KeyBudget::new(1000));
        let keys = FollowedKeys::new(3, budget.clone());
        assert_eq!(keys.change(texts(&["a", "b", "a"]), &texts(&["c"])), Ok(2));
        assert_eq!(keys.change(texts(&["a", "c"]), &texts(&["b", "b", "a"])), Ok(2));
        assert!(keys.contains("a") && keys.contains("c") && !keys.contains("b"));
        assert_eq!(budget.bytes(), 2 * (KEY_BYTES + 1));
        drop(keys);
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn over_a_bound_nothing_changes() {
        let budget = Arc::new(KeyBudget::new(3 * (KEY_BYTES + 1)));
        let (one, two) = (FollowedKeys::new(2, budget.clone()), FollowedKeys::new(9, budget.clone()));
        one.change(texts(&["a", "b"]), &[]).unwrap();
        assert_eq!(one.change(texts(&["c", "d"]), &texts(&["a"])).unwrap_err().reason(), Reason::TooManyKeys);
        assert!(one.contains("a") && !one.contains("c"));
        assert_eq!(two.change(texts(&["x", "y"]), &[]).unwrap_err().reason(), Reason::TooManyKeys);
        assert_eq!((two.change(texts(&["x"]), &[]), budget.bytes()), (Ok(1), 3 * (KEY_BYTES + 1)));
        assert_eq!(one.change(texts(&["c"]), &texts(&["a"])), Ok(2), "an exchange needs no room");
    }
}
