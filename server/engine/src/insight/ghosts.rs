//! What was evicted and then missed: the compute time that a larger memory would have saved. Keys are known here by their
//! hashes only, and values not at all.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use lru::LruCache;
use parking_lot::Mutex;

/// What an evicted entry was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ghost {
    /// What computing it had cost.
    pub cost: Duration,
    /// Its kind.
    pub kind: Arc<str>,
}

/// The latest evictions of a store, by the hash of their keys. Bounded; the oldest is forgotten first.
#[derive(Debug)]
pub struct Ghosts(Mutex<LruCache<u64, Ghost>>);

impl Ghosts {
    /// Remembers at most this many evictions, at least one.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        let most = NonZeroUsize::new(entries_max).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(most)))
    }

    /// An entry made room for others.
    pub fn evicted(&self, hash: u64, ghost: Ghost) {
        let forgotten = self.0.lock().push(hash, ghost);
        drop(forgotten);
    }

    /// A Get missed this key, or a Put brought it back: what its eviction cost, if it is remembered. Each eviction is
    /// told once.
    pub fn take(&self, hash: u64) -> Option<Ghost> {
        self.0.lock().pop(&hash)
    }

    /// Evictions remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ghost(seconds: u64) -> Ghost {
        Ghost { cost: Duration::from_secs(seconds), kind: Arc::from("k") }
    }

    #[test]
    fn an_eviction_is_told_once() {
        let ghosts = Ghosts::new(8);
        ghosts.evicted(1, ghost(5));
        assert_eq!(ghosts.take(2), None);
        assert_eq!(ghosts.take(1), Some(ghost(5)));
        assert_eq!(ghosts.take(1), None);
        assert!(ghosts.is_empty());
    }

    #[test]
    fn a_later_eviction_of_a_key_replaces_the_earlier_one() {
        let ghosts = Ghosts::new(8);
        ghosts.evicted(1, ghost(5));
        ghosts.evicted(1, ghost(6));
        assert_eq!(ghosts.take(1), Some(ghost(6)));
        assert_eq!(ghosts.take(1), None);
    }

    #[test]
    fn the_oldest_is_forgotten_at_the_bound() {
        let ghosts = Ghosts::new(3);
        (0..5).for_each(|hash| ghosts.evicted(hash, ghost(hash)));
        assert_eq!(ghosts.len(), 3);
        assert_eq!(ghosts.take(1), None);
        assert_eq!(ghosts.take(2), Some(ghost(2)));
    }
}
