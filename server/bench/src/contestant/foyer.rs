//! foyer's memory cache with its S3-FIFO and its default number of shards.

use foyer_memory::{Cache, CacheBuilder, CacheProperties, S3FifoConfig};

use super::{Contestant, PEER_SHARDS, Room, hasher};

struct Foyer(Cache<u32, u64, ahash::RandomState, CacheProperties>);

pub(super) fn make(room: Room) -> Result<Box<dyn Contestant>, String> {
    let bytes = usize::try_from(room.bytes).map_err(|error| format!("a capacity of {}: {error}", room.bytes))?;
    let cache = CacheBuilder::new(bytes)
        .with_shards(PEER_SHARDS)
        .with_eviction_config(S3FifoConfig::default())
        .with_hash_builder(hasher())
        .with_weighter(|_: &u32, size: &u64| usize::try_from(*size).unwrap_or(usize::MAX))
        .build();
    Ok(Box::new(Foyer(cache)))
}

impl Contestant for Foyer {
    fn get(&mut self, key: u32) -> bool {
        self.0.get(&key).is_some()
    }

    fn put(&mut self, key: u32, size: u64, _: f64) {
        self.0.insert(key, size);
    }
}
