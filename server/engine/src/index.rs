//! Which entries of a table have a tag: so that a group is dropped without looking at everything. Kinds are not indexed:
//! most entries have one, few kinds are ever dropped, and looking at everything then is cheaper than ten bytes an entry.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use ahash::AHasher;
use hashbrown::HashSet;

use crate::{entry::Description, policy::Slot};

type Slots = HashSet<Slot, BuildHasherDefault<AHasher>>;

/// Entries by tag.
#[derive(Debug, Default)]
pub struct Index {
    tags: HashMap<Arc<str>, Slots, ahash::RandomState>,
}

impl Index {
    /// Adds an entry.
    pub fn insert(&mut self, slot: Slot, description: &Description) {
        for tag in &description.tags {
            self.tags.entry(tag.clone()).or_default().insert(slot);
        }
    }

    /// Removes an entry; groups without entries take no room.
    pub fn remove(&mut self, slot: Slot, description: &Description) {
        for tag in &description.tags {
            self.remove_from(tag, slot);
        }
    }

    /// Entries with this tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Vec<Slot> {
        self.tags.get(tag).into_iter().flatten().copied().collect()
    }

    /// Places in all groups together, for checking.
    #[must_use]
    pub fn places(&self) -> usize {
        self.tags.values().map(HashSet::len).sum()
    }

    fn remove_from(&mut self, tag: &Arc<str>, slot: Slot) {
        if let Some(slots) = self.tags.get_mut(tag) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.tags.remove(tag);
            }
        }
    }
}
