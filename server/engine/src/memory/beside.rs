//! What the store keeps in each shard beside the entries, under the same lock: what fills are tested against, why keys
//! are missing, which entries have a tag, descriptions that many entries share, and who computes what is missing.

use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;

use crate::{
    clock::Moment,
    entry::EntryView,
    event::MissReason,
    fence::{Confirmations, DependencyFences, Fenced, KeyFences},
    index::Index,
    key::Key,
    lease::{Census, Leases},
    memory::{notes::Notes, shared::Shared},
    position::AsOf,
};

/// Keys whose last authoritative change each shard remembers.
const KEY_FENCES: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");
/// Keys whose last removal each shard remembers, to tell why they are missing.
const REMOVALS: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");

/// How a key came to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Why a Get finds nothing.
    pub reason: MissReason,
    /// When that was noticed.
    pub at: Moment,
    /// Whether it was not read for its idle TTL.
    pub idle: bool,
    /// What selected it, where an invalidation of sets dropped it.
    pub fence: Option<Fenced>,
}

/// What those who wait for a key get.
#[derive(Clone, Debug)]
pub struct Filled {
    /// The entry, or the failure to compute it.
    pub view: EntryView,
    /// With a failure: the value that stayed, for who takes stale ones.
    pub stale: Option<EntryView>,
    /// How current that is.
    pub as_of: AsOf,
}

/// What the store keeps in each shard beside the entries.
#[derive(Debug)]
pub struct Beside {
    /// What fills are tested against.
    pub fences: KeyFences,
    /// What fills are tested against as well: writers that changed nothing.
    pub confirmations: Confirmations,
    /// What is made from other entries is tested against these of theirs.
    pub dependencies: DependencyFences,
    handed: Option<Confirmations>,
    revoked: Option<Confirmations>,
    removals: LruCache<u64, Removal>,
    indexes: Vec<Index>,
    /// What many entries have in common.
    pub shared: Shared,
    /// What happened to keys without a change in the history.
    pub notes: Notes,
    /// Who computes what is missing, and who waits for it.
    pub leases: Leases<Filled>,
}

impl Beside {
    /// Nothing, in a history with this epoch; leases are counted in this census.
    #[must_use]
    pub fn new(epoch: u64, census: Arc<Census>) -> Self {
        Self {
            fences: KeyFences::new(epoch, KEY_FENCES),
            confirmations: Confirmations::new(KEY_FENCES),
            dependencies: DependencyFences::new(KEY_FENCES),
            handed: None,
            revoked: None,
            removals: LruCache::new(REMOVALS),
            indexes: Vec::new(),
            shared: Shared::default(),
            notes: Notes::default(),
            leases: Leases::new(census),
        }
    }

    /// Notes that a slower tier was told of this key, at this place in the order of uses: what is read from it and was asked
    /// for before may be older.
    pub fn hand_down(&mut self, key: &Key, place: u64) {
        self.handed.get_or_insert_with(|| Confirmations::new(KEY_FENCES)).note(key, place);
    }

    /// Whether slower tiers were told nothing of this key since that place in the order of uses.
    #[must_use]
    pub fn is_newest(&self, key: &Key, place: u64) -> bool {
        self.handed.as_ref().is_none_or(|handed| handed.admit(key, place))
    }

    /// Notes that what is being computed or written of this key is not to be stored, at this place in the order of uses.
    pub fn revoke(&mut self, key: &Key, place: u64) {
        self.revoked.get_or_insert_with(|| Confirmations::new(KEY_FENCES)).note(key, place);
    }

    /// Whether what of this key began at that place in the order of uses may still be stored.
    #[must_use]
    pub fn is_unrevoked(&self, key: &Key, place: u64) -> bool {
        self.revoked.as_ref().is_none_or(|revoked| revoked.admit(key, place))
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
    pub fn remember(&mut self, key: &Key, removal: Removal) {
        self.removals.put(key.hash(), removal);
    }

    /// Forgets that a key was missing.
    pub fn found(&mut self, key: &Key) {
        self.removals.pop(&key.hash());
    }

    /// Why a key is missing.
    #[must_use]
    pub fn why_missing(&self, key: &Key) -> MissReason {
        self.removal(key).map_or(MissReason::NeverStored, |removal| removal.reason)
    }

    /// How a key came to be missing, as far as that is remembered.
    #[must_use]
    pub fn removal(&self, key: &Key) -> Option<Removal> {
        self.removals.peek(&key.hash()).copied()
    }
}
