//! Which entries of a table have a tag or a kind: so that a group is dropped without looking at everything.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use ahash::{AHashMap, AHasher};
use hashbrown::HashSet;

use crate::{entry::Description, policy::Slot};

type Slots = HashSet<Slot, BuildHasherDefault<AHasher>>;
type Groups = HashMap<Arc<str>, Slots, ahash::RandomState>;

/// Entries by tag and by kind.
#[derive(Debug)]
pub struct Index {
    tags: Groups,
    kinds: Groups,
}

impl Default for Index {
    fn default() -> Self {
        Self { tags: AHashMap::new().into(), kinds: AHashMap::new().into() }
    }
}

impl Index {
    /// Adds an entry.
    pub fn insert(&mut self, slot: Slot, description: &Description) {
        for tag in &description.tags {
            self.tags.entry(tag.clone()).or_default().insert(slot);
        }
        if !description.kind.is_empty() {
            self.kinds.entry(description.kind.clone()).or_default().insert(slot);
        }
    }

    /// Removes an entry; groups without entries take no room.
    pub fn remove(&mut self, slot: Slot, description: &Description) {
        for tag in &description.tags {
            remove_from(&mut self.tags, tag, slot);
        }
        remove_from(&mut self.kinds, &description.kind, slot);
    }

    /// Entries with this tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Vec<Slot> {
        self.tags.get(tag).into_iter().flatten().copied().collect()
    }

    /// Entries of this kind.
    #[must_use]
    pub fn of_kind(&self, kind: &str) -> Vec<Slot> {
        self.kinds.get(kind).into_iter().flatten().copied().collect()
    }

    /// Places in all groups together, for checking.
    #[must_use]
    pub fn places(&self) -> usize {
        self.tags.values().chain(self.kinds.values()).map(HashSet::len).sum()
    }
}

fn remove_from(groups: &mut Groups, group: &Arc<str>, slot: Slot) {
    if let Some(slots) = groups.get_mut(group) {
        slots.remove(&slot);
        if slots.is_empty() {
            groups.remove(group);
        }
    }
}
