//! moka's synchronous cache as it comes: TinyLFU, maintaining itself when it sees fit (by count and by time, so its
//! numbers move by a few tenths of a point from run to run).

use moka::sync::Cache;

use super::{Contestant, Room, Scale, hasher};

struct Moka {
    cache: Cache<u32, u32, ahash::RandomState>,
    scale: Scale,
}

pub(super) fn make(room: Room) -> Result<Box<dyn Contestant>, String> {
    let scale = Scale::new(room.size_max);
    let builder = Cache::builder().max_capacity(scale.capacity(room.bytes)).weigher(|_, weight| *weight);
    Ok(Box::new(Moka { cache: builder.build_with_hasher(hasher()), scale }))
}

impl Contestant for Moka {
    fn get(&mut self, key: u32) -> bool {
        self.cache.get(&key).is_some()
    }

    fn put(&mut self, key: u32, size: u64, _: f64) {
        self.cache.insert(key, self.scale.weight(size));
    }
}
