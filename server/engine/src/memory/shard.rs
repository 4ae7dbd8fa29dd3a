//! What one lock protects: the records of some logs, with everything that must change together with them.

use std::{num::NonZeroUsize, sync::Arc};

use ahash::AHashMap;
use lru::LruCache;

use crate::{
    event::MissReason,
    fence::{Confirmations, KeyFences},
    index::Index,
    key::Key,
    memory::{record::Record, space::Space, wheel::Wheel},
    policy::Policy,
};

/// Keys whose last authoritative change each shard remembers.
const KEY_FENCES: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");
/// Keys whose last removal each shard remembers, to tell why they are missing.
const REMOVALS: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");

/// The records of some logs.
#[derive(Debug)]
pub struct Shard {
    partitions: AHashMap<Arc<str>, Partition>,
    /// What fills are tested against.
    pub fences: KeyFences,
    /// What fills are tested against as well: writers that changed nothing.
    pub confirmations: Confirmations,
    /// When which record may have ended.
    pub wheel: Wheel,
    removals: LruCache<u64, MissReason>,
}

/// The records of one namespace in one shard.
#[derive(Debug)]
pub struct Partition {
    /// The namespace.
    pub space: Arc<Space>,
    /// Keys by tag and kind.
    pub index: Index,
    /// Which goes first.
    pub policy: Box<dyn Policy>,
    records: AHashMap<Arc<str>, Record>,
}

impl Shard {
    /// An empty shard of the history with this epoch.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self {
            partitions: AHashMap::new(),
            fences: KeyFences::new(epoch, KEY_FENCES),
            confirmations: Confirmations::new(KEY_FENCES),
            wheel: Wheel::default(),
            removals: LruCache::new(REMOVALS),
        }
    }

    /// A key's record.
    #[must_use]
    pub fn record(&self, key: &Key) -> Option<&Record> {
        self.partitions.get(key.namespace())?.records.get(key.text())
    }

    /// A key's record, to change what is in it but not what is counted or indexed.
    pub fn record_mut(&mut self, key: &Key) -> Option<&mut Record> {
        self.partitions.get_mut(key.namespace())?.records.get_mut(key.text())
    }

    /// Notes that a key was used.
    pub fn used(&mut self, key: &Key, tick: u64) {
        if let Some(partition) = self.partitions.get_mut(key.namespace()) {
            partition.policy.used(key.text(), tick);
        }
    }

    /// Puts a record in; there must be none. Only the gate calls this.
    pub fn insert(&mut self, space: &Arc<Space>, key: &Key, mut record: Record, tick: u64) {
        record.tick = self.wheel.schedule(key.clone(), record.ends());
        self.removals.pop(&key.hash());
        let partition = self.partitions.entry(key.namespace().clone()).or_insert_with(|| Partition {
            space: space.clone(),
            index: Index::default(),
            policy: (space.policy.make)(),
            records: AHashMap::new(),
        });
        partition.index.insert(key.text(), &record.content.description);
        partition.policy.inserted(key.text(), tick);
        partition.records.insert(key.text().clone(), record);
    }

    /// Takes a record out.
    pub fn take(&mut self, key: &Key) -> Option<Record> {
        let partition = self.partitions.get_mut(key.namespace())?;
        let record = partition.records.remove(key.text())?;
        partition.index.remove(key.text(), &record.content.description);
        partition.policy.removed(key.text());
        self.wheel.cancel(key, record.tick);
        Some(record)
    }

    /// Schedules a record's end anew.
    pub fn reschedule(&mut self, key: &Key) {
        let Some(record) = self.partitions.get_mut(key.namespace()).and_then(|p| p.records.get_mut(key.text())) else {
            return;
        };
        self.wheel.cancel(key, record.tick);
        record.tick = self.wheel.schedule(key.clone(), record.ends());
    }

    /// Remembers why a key is missing.
    pub fn remember(&mut self, key: &Key, reason: MissReason) {
        self.removals.put(key.hash(), reason);
    }

    /// Why a key is missing.
    #[must_use]
    pub fn why_missing(&self, key: &Key) -> MissReason {
        self.removals.peek(&key.hash()).copied().unwrap_or(MissReason::NeverStored)
    }

    /// What it holds of a namespace.
    #[must_use]
    pub fn partition(&self, namespace: &str) -> Option<&Partition> {
        self.partitions.get(namespace)
    }

    /// All it holds.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.values()
    }
}

impl Partition {
    /// Keys and records, in no order.
    pub fn records(&self) -> impl Iterator<Item = (&Arc<str>, &Record)> {
        self.records.iter()
    }

    /// Number of records.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.records.len()
    }
}
