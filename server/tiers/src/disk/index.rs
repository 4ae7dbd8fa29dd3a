//! Where each key's entry lies, in memory: a few words for each, found by the hash of the key. Two keys of one hash share a
//! place, so that the later one wins; whose entry it is says the record.

use std::collections::HashMap;

use ahash::RandomState;

use super::frame::BlobRef;

/// Parts of the index: growing or sweeping one holds nobody up for long.
const PARTS: usize = 64;
/// The end of what never ends, in seconds.
pub(super) const NEVER: u32 = u32::MAX;

/// An entry. In the segment zero are those that wait to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) sequence: u64,
    pub(super) segment: u32,
    pub(super) offset: u32,
    /// Bytes of the record's content.
    pub(super) length: u32,
    /// Seconds since the Unix epoch, rounded up.
    pub(super) ends: u32,
    /// Milliseconds.
    pub(super) cost: u32,
    /// Times it was read since it was written or carried over, at most 255.
    pub(super) reads: u8,
    /// Times it was carried over to another segment, at most 255.
    pub(super) carried: u8,
    /// Whether it has a file of its own.
    pub(super) blob: bool,
}

impl Slot {
    /// Whether it waits to be written.
    pub(super) fn waits(&self) -> bool {
        self.segment == 0
    }

    /// Whether it has ended; `now` in milliseconds.
    pub(super) fn over(&self, now: u64) -> bool {
        self.ends != NEVER && now / 1000 >= u64::from(self.ends)
    }
}

/// The end in seconds for one in milliseconds: never earlier.
pub(super) fn seconds(millis: u64) -> u32 {
    u32::try_from(millis.div_ceil(1000)).unwrap_or(NEVER)
}

/// All entries.
#[derive(Debug)]
pub(super) struct Index {
    parts: Vec<HashMap<u64, Slot, RandomState>>,
    blobs: HashMap<u64, BlobRef, RandomState>,
    entries: u64,
    next_swept: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let parts = (0..PARTS).map(|_| HashMap::with_hasher(random.clone())).collect();
        Self { parts, blobs: HashMap::with_hasher(random), entries: 0, next_swept: 0 }
    }

    fn part(&self, name: u64) -> usize {
        usize::try_from(name >> 32).unwrap_or(0) % self.parts.len()
    }

    pub(super) fn len(&self) -> u64 {
        self.entries
    }

    /// Bytes of memory it takes, as its maps have grown.
    pub(super) fn memory_bytes(&self) -> u64 {
        // A slot with its key, and a byte of the map's own; maps are filled to seven eighths.
        const PLACE: usize = size_of::<(u64, Slot)>() + 1;
        let places: usize = self.parts.iter().map(|part| part.capacity() * 8 / 7).sum();
        (places * PLACE + self.blobs.capacity() * (size_of::<(u64, BlobRef)>() + 1)) as u64
    }

    pub(super) fn get(&self, name: u64) -> Option<&Slot> {
        self.parts[self.part(name)].get(&name)
    }

    pub(super) fn get_mut(&mut self, name: u64) -> Option<&mut Slot> {
        let part = self.part(name);
        self.parts[part].get_mut(&name)
    }

    /// The file of an entry that has one.
    pub(super) fn blob(&self, name: u64) -> Option<BlobRef> {
        self.blobs.get(&name).copied()
    }

    /// Puts an entry in the place of what was there, which must have been removed before.
    pub(super) fn insert(&mut self, name: u64, slot: Slot, blob: Option<BlobRef>) {
        let part = self.part(name);
        if self.parts[part].insert(name, slot).is_none() {
            self.entries += 1;
        }
        match blob {
            Some(blob) => drop(self.blobs.insert(name, blob)),
            None => drop(self.blobs.remove(&name)),
        }
    }

    pub(super) fn remove(&mut self, name: u64) -> Option<(Slot, Option<BlobRef>)> {
        let part = self.part(name);
        let slot = self.parts[part].remove(&name)?;
        self.entries -= 1;
        let blob = if slot.blob { self.blobs.remove(&name) } else { None };
        Some((slot, blob))
    }

    /// The names in the next part that this is said of: all have been asked after as many calls as there are parts.
    pub(super) fn sweep(&mut self, dead: impl Fn(&Slot) -> bool) -> Vec<u64> {
        self.next_swept = (self.next_swept + 1) % self.parts.len();
        self.parts[self.next_swept].iter().filter(|(_, slot)| dead(slot)).map(|(name, _)| *name).collect()
    }

    /// Number of parts.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The blobs that entries are in.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &BlobRef> {
        self.blobs.values()
    }
}
