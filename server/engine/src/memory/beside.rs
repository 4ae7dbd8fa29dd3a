//! What the store keeps in each shard beside the entries, under the same lock: what fills are tested against, why keys
//! are missing, which entries have a tag, and descriptions that many entries share.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::{
    event::MissReason,
    fence::{Confirmations, KeyFences},
    index::Index,
    key::Key,
    memory::shared::Shared,
};

/// Keys whose last authoritative change each shard remembers.
const KEY_FENCES: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");
/// Keys whose last removal each shard remembers, to tell why they are missing.
const REMOVALS: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");

/// What the store keeps in each shard beside the entries.
#[derive(Debug)]
pub struct Beside {
    /// What fills are tested against.
    pub fences: KeyFences,
    /// What fills are tested against as well: writers that changed nothing.
    pub confirmations: Confirmations,
    removals: LruCache<u64, MissReason>,
    indexes: Vec<Index>,
    /// What many entries have in common.
    pub shared: Shared,
}

impl Beside {
    /// Nothing, in a history with this epoch.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self {
            fences: KeyFences::new(epoch, KEY_FENCES),
            confirmations: Confirmations::new(KEY_FENCES),
            removals: LruCache::new(REMOVALS),
            indexes: Vec::new(),
            shared: Shared::default(),
        }
    }

    /// The index of the table with this number.
    pub fn index(&mut self, number: usize) -> &mut Index {
        if self.indexes.len() <= number {
            self.indexes.resize_with(number + 1, Index::default);
        }
        &mut self.indexes[number]
    }

    /// The index of the table with this number, if it was ever used.
    #[must_use]
    pub fn index_of(&self, number: usize) -> Option<&Index> {
        self.indexes.get(number)
    }

    /// Remembers why a key is missing.
    pub fn remember(&mut self, key: &Key, reason: MissReason) {
        self.removals.put(key.hash(), reason);
    }

    /// Forgets that a key was missing.
    pub fn found(&mut self, key: &Key) {
        self.removals.pop(&key.hash());
    }

    /// Why a key is missing.
    #[must_use]
    pub fn why_missing(&self, key: &Key) -> MissReason {
        self.removals.peek(&key.hash()).copied().unwrap_or(MissReason::NeverStored)
    }
}
