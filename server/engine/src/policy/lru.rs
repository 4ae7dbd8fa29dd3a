//! Least recently used, on the `lru` crate. (Mattson et al., "Evaluation techniques for storage hierarchies", 1970.)

use std::sync::Arc;

use lru::LruCache;

use super::Policy;

/// Keys in order of their last use.
#[derive(Debug)]
pub(super) struct Lru(LruCache<Arc<str>, u64>);

impl Default for Lru {
    fn default() -> Self {
        Self(LruCache::unbounded())
    }
}

impl Policy for Lru {
    fn inserted(&mut self, key: &Arc<str>, tick: u64) {
        self.0.put(key.clone(), tick);
    }

    fn used(&mut self, key: &Arc<str>, tick: u64) {
        if let Some(last) = self.0.get_mut(key) {
            *last = tick;
        }
    }

    fn removed(&mut self, key: &str) {
        self.0.pop(key);
    }

    fn victim(&self) -> Option<(Arc<str>, u64)> {
        self.0.peek_lru().map(|(key, tick)| (key.clone(), *tick))
    }

    fn order(&self) -> Vec<Arc<str>> {
        self.0.iter().rev().map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, by a list that is searched from end to end.
    #[derive(Default)]
    struct Exact(Vec<u32>);

    impl Exact {
        fn touch(&mut self, key: u32) {
            self.0.retain(|held| *held != key);
            self.0.push(key);
        }
    }

    #[test]
    fn the_order_is_that_of_the_definition() {
        let (mut lru, mut exact) = (Lru::default(), Exact::default());
        let mut state = 7u32;
        for tick in 0..5_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (key, action) = (state >> 8 & 31, state >> 16 & 7);
            let text: Arc<str> = key.to_string().into();
            let held = exact.0.contains(&key);
            match (action, held) {
                (0, _) => {
                    lru.removed(&text);
                    exact.0.retain(|other| *other != key);
                }
                (_, true) => {
                    lru.used(&text, tick);
                    exact.touch(key);
                }
                (_, false) => {
                    lru.inserted(&text, tick);
                    exact.touch(key);
                }
            }
            let order: Vec<u32> = lru.order().iter().map(|key| key.parse().unwrap()).collect();
            assert_eq!(order, exact.0);
            assert_eq!(lru.victim().map(|(key, _)| key), lru.order().first().cloned());
        }
    }
}
