//! Where the fleet's logs were when a lease of the fleet was granted here: its value is compared with that when it comes.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::{key::Key, tier::shared::FleetStamp};

/// Leases of the fleet that are held here. Bounded: the oldest are forgotten, and what is computed under them is stored on
/// this server alone.
#[derive(Debug)]
pub struct Grants {
    by_key: LruCache<Key, (u128, Begun)>,
}

/// How a computation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Where.
    pub stamp: FleetStamp,
    /// Whether it is to renew what lies where replicas share it.
    pub renews: bool,
}

impl Grants {
    /// None, and at most so many.
    #[must_use]
    pub fn new(keys_max: usize) -> Self {
        Self { by_key: LruCache::new(NonZeroUsize::new(keys_max).unwrap_or(NonZeroUsize::MIN)) }
    }

    /// Notes how a computation begins.
    pub fn note(&mut self, key: &Key, token: u128, begun: Begun) {
        self.by_key.push(key.clone(), (token, begun));
    }

    /// How the computation under this token began, if that is known.
    #[must_use]
    pub fn begun(&self, key: &Key, token: u128) -> Option<Begun> {
        self.by_key.peek(key).filter(|(held, _)| *held == token).map(|(_, begun)| *begun)
    }

    /// The lease of this key that is held here.
    #[must_use]
    pub fn of(&self, key: &Key) -> Option<u128> {
        self.by_key.peek(key).map(|(token, _)| *token)
    }

    /// A lease is over.
    pub fn end(&mut self, key: &Key, token: u128) {
        if self.of(key) == Some(token) {
            self.by_key.pop(key);
        }
    }
}
