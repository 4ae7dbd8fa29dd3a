//! quick_cache with the shards it takes by default on two cores. It keeps no value larger than about a shard's share.

use quick_cache::{
    OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{Contestant, PEER_SHARDS, Room, hasher};

#[derive(Clone)]
struct Size;

impl Weighter<u32, u64> for Size {
    fn weight(&self, _: &u32, size: &u64) -> u64 {
        *size
    }
}

type Inner = Cache<u32, u64, Size, ahash::RandomState, DefaultLifecycle<u32, u64>>;

struct Quick(Inner);

pub(super) fn make(room: Room) -> Result<Box<dyn Contestant>, String> {
    let entries = usize::try_from(room.entries).unwrap_or(usize::MAX).max(1);
    let options = OptionsBuilder::new()
        .shards(PEER_SHARDS)
        .estimated_items_capacity(entries)
        .weight_capacity(room.bytes)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Box::new(Quick(Cache::with_options(options, Size, hasher(), DefaultLifecycle::default()))))
}

impl Contestant for Quick {
    fn get(&mut self, key: u32) -> bool {
        self.0.get(&key).is_some()
    }

    fn put(&mut self, key: u32, size: u64, _: f64) {
        self.0.insert(key, size);
    }
}
