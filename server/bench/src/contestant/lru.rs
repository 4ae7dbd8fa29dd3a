//! The `lru` crate with a bound in bytes: exact LRU over all entries, what every other is compared with.

use lru::LruCache;

use super::{Contestant, Room, hasher};

struct Lru {
    entries: LruCache<u32, u64, ahash::RandomState>,
    used: u64,
    bytes_max: u64,
}

pub(super) fn make(room: Room) -> Result<Box<dyn Contestant>, String> {
    Ok(Box::new(Lru { entries: LruCache::unbounded_with_hasher(hasher()), used: 0, bytes_max: room.bytes }))
}

impl Contestant for Lru {
    fn get(&mut self, key: u32) -> bool {
        self.entries.get(&key).is_some()
    }

    fn put(&mut self, key: u32, size: u64, _: f64) {
        self.used -= self.entries.pop(&key).unwrap_or(0);
        if size > self.bytes_max {
            return;
        }
        while self.used + size > self.bytes_max {
            let Some((_, gone)) = self.entries.pop_lru() else { break };
            self.used -= gone;
        }
        self.entries.put(key, size);
        self.used += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_bytes_go_and_too_large_a_value_is_not_kept() {
        let mut cache = make(Room { bytes: 10, entries: 10, size_max: 11, shards: 1 }).unwrap();
        cache.put(1, 4, 1.0);
        cache.put(2, 4, 1.0);
        assert!(cache.get(1));
        cache.put(3, 4, 1.0);
        assert!(cache.get(1) && !cache.get(2) && cache.get(3));
        cache.put(3, 11, 1.0);
        assert!(!cache.get(3) && cache.get(1));
        cache.put(4, 6, 1.0);
        assert!(cache.get(1) && cache.get(4));
    }
}
