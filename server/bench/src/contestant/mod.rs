//! The caches that are compared, behind one trait, and the list of them. Nothing is measured here.

mod foyer;
mod lru;
mod moka;
mod ours;
mod quick;

use std::sync::OnceLock;

use hotplate_engine::policy::REGISTRY;

/// The cache every other is compared with: exact LRU by bytes.
pub const BASELINE: &str = "lru";
/// What the names of our own begin with.
pub const OURS: &str = "hotplate/";
/// Shards of the peers that are sharded: what they take by default on two cores.
pub(crate) const PEER_SHARDS: usize = 8;

/// A bounded cache that is offered the requests of a trace. Keys are numbers: what a cache hashes is the same for all.
pub trait Contestant: Send {
    /// Whether the key is held. Counts as a use of it.
    fn get(&mut self, key: u32) -> bool;
    /// Offers a value of `size` bytes that cost `cost` to compute.
    fn put(&mut self, key: u32, size: u64, cost: f64);
}

/// How large a contestant is made.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes it may hold.
    pub bytes: u64,
    /// Entries it is expected to hold: some size their tables by it.
    pub entries: u64,
    /// The largest size it will be offered, for those that cannot weigh it.
    pub size_max: u64,
    /// Shards of our own.
    pub shards: usize,
}

type Made = Result<Box<dyn Contestant>, String>;

/// A cache by name.
pub struct Entrant {
    /// Its name in rows.
    pub name: String,
    make: Box<dyn Fn(Room) -> Made + Send + Sync>,
}

impl Entrant {
    /// An empty cache of this size.
    ///
    /// # Errors
    /// It cannot be made that large, or with so many shards.
    pub fn make(&self, room: Room) -> Result<Box<dyn Contestant>, String> {
        (self.make)(room).map_err(|error| format!("{}: {error}", self.name))
    }
}

/// Every cache there is, ours first, in the order of rows.
pub fn entrants() -> &'static [Entrant] {
    static ENTRANTS: OnceLock<Vec<Entrant>> = OnceLock::new();
    ENTRANTS.get_or_init(|| {
        let ours = REGISTRY.iter().map(|policy| {
            let name = policy.name;
            Entrant { name: format!("{OURS}{name}"), make: Box::new(move |room| ours::make(name, room)) }
        });
        let peer = |name: &str, make: fn(Room) -> Made| Entrant { name: name.to_owned(), make: Box::new(make) };
        let peers = [
            peer(BASELINE, lru::make),
            peer("moka", moka::make),
            peer("quick_cache", quick::make),
            peer("foyer-s3fifo", foyer::make),
        ];
        ours.chain(peers).collect()
    })
}

/// The same hashes in every run, so that what is sharded by them is the same too.
pub(crate) fn hasher() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

/// A size in units that fit into `u32` for the largest size of the trace: rounded up, so that nothing weighs less than
/// it should.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale(u64);

impl Scale {
    pub(crate) fn new(size_max: u64) -> Self {
        Self(size_max.div_ceil(u64::from(u32::MAX)).max(1))
    }

    pub(crate) fn weight(self, size: u64) -> u32 {
        u32::try_from(size.div_ceil(self.0)).unwrap_or(u32::MAX)
    }

    pub(crate) fn capacity(self, bytes: u64) -> u64 {
        (bytes / self.0).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(bytes: u64) -> Room {
        Room { bytes, entries: bytes, size_max: bytes, shards: 1 }
    }

    #[test]
    fn every_cache_holds_what_it_was_given_and_forgets_when_full() {
        for entrant in entrants() {
            let mut cache = entrant.make(room(1000)).unwrap();
            cache.put(7, 1, 1.0);
            assert!(cache.get(7), "{}", entrant.name);
            assert!(!cache.get(8), "{}", entrant.name);
            for key in 100..20_000 {
                cache.put(key, 1, 1.0);
            }
            let held = (100..20_000).filter(|key| cache.get(*key)).count();
            // moka may be over its bound until it has maintained itself.
            assert!((1..=2000).contains(&held), "{} holds {held} of at most 1000", entrant.name);
        }
    }

    #[test]
    fn names_are_those_that_others_rely_on() {
        let names: Vec<_> = entrants().iter().map(|entrant| entrant.name.as_str()).collect();
        for name in ["hotplate/lru", "lru", "moka", "quick_cache", "foyer-s3fifo"] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
    }

    #[test]
    fn weights_fit_and_are_never_too_small() {
        let exact = Scale::new(u64::from(u32::MAX));
        assert_eq!((exact.weight(5), exact.capacity(100)), (5, 100));
        let scale = Scale::new(u64::from(u32::MAX) * 4);
        assert_eq!((scale.weight(1), scale.weight(9), scale.capacity(8)), (1, 3, 2));
        assert!(u64::from(scale.weight(u64::from(u32::MAX) * 4)) <= u64::from(u32::MAX));
    }
}
