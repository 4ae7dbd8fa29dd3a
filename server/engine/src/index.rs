//! Which entries of a table have a tag: so that a group is dropped without looking at everything. Kinds are not indexed:
//! most entries have one, few kinds are ever dropped, and looking at everything then is cheaper than ten bytes an entry.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use ahash::AHasher;
use hashbrown::HashSet;

use crate::{entry::Description, policy::Slot};

/// The entries that have a tag. Many tags are those of one entry: then nothing is allocated.
#[derive(Debug)]
enum Slots {
    One(Slot),
    Many(Box<HashSet<Slot, BuildHasherDefault<AHasher>>>),
}

/// Entries by tag.
#[derive(Debug, Default)]
pub struct Index {
    tags: HashMap<Arc<str>, Slots, ahash::RandomState>,
}

impl Index {
    /// Adds an entry.
    pub fn insert(&mut self, slot: Slot, description: &Description) {
        for tag in &description.tags {
            self.tags.entry(tag.clone()).and_modify(|slots| slots.insert(slot)).or_insert(Slots::One(slot));
        }
    }

    /// Removes an entry; groups without entries take no room.
    pub fn remove(&mut self, slot: Slot, description: &Description) {
        for tag in &description.tags {
            self.remove_from(tag, slot);
        }
        if self.tags.is_empty() {
            self.tags = HashMap::default();
        }
    }

    /// Entries with this tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Vec<Slot> {
        self.tags.get(tag).map(Slots::all).unwrap_or_default()
    }

    /// How many entries have this tag.
    #[must_use]
    pub fn count(&self, tag: &str) -> usize {
        self.tags.get(tag).map_or(0, Slots::len)
    }

    /// Some entries with this tag, at most `most`.
    #[must_use]
    pub fn some_tagged(&self, tag: &str, most: usize) -> Vec<Slot> {
        match self.tags.get(tag) {
            Some(Slots::Many(slots)) => slots.iter().copied().take(most).collect(),
            Some(Slots::One(only)) => vec![*only],
            None => Vec::new(),
        }
    }

    /// Places in all groups together, for checking.
    #[must_use]
    pub fn places(&self) -> usize {
        self.tags.values().map(Slots::len).sum()
    }

    fn remove_from(&mut self, tag: &Arc<str>, slot: Slot) {
        if self.tags.get_mut(tag).is_some_and(|slots| slots.remove(slot)) {
            self.tags.remove(tag);
        }
    }
}

impl Slots {
    fn insert(&mut self, slot: Slot) {
        match self {
            Self::One(only) if *only == slot => {}
            Self::One(only) => *self = Self::Many(Box::new([*only, slot].into_iter().collect())),
            Self::Many(slots) => {
                slots.insert(slot);
            }
        }
    }

    /// Whether none is left.
    fn remove(&mut self, slot: Slot) -> bool {
        match self {
            Self::One(only) => *only == slot,
            Self::Many(slots) => {
                slots.remove(&slot);
                slots.is_empty()
            }
        }
    }

    fn all(&self) -> Vec<Slot> {
        match self {
            Self::One(only) => vec![*only],
            Self::Many(slots) => slots.iter().copied().collect(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(slots) => slots.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tags: &[&str]) -> Description {
        Description { tags: tags.iter().map(|tag| Arc::from(*tag)).collect(), ..Description::default() }
    }

    #[test]
    fn a_tag_knows_its_entries_whether_few_or_many() {
        let mut index = Index::default();
        for slot in 0..100 {
            index.insert(slot, &tagged(&["all", if slot % 2 == 0 { "even" } else { "odd" }]));
        }
        index.insert(100, &tagged(&["alone"]));
        assert_eq!(index.tagged("alone"), [100]);
        assert_eq!((index.count("alone"), index.count("even"), index.count("none")), (1, 50, 0));
        assert_eq!((index.some_tagged("even", 7).len(), index.some_tagged("alone", 7)), (7, vec![100]));
        assert_eq!((index.tagged("all").len(), index.tagged("even").len(), index.places()), (100, 50, 201));
        index.remove(100, &tagged(&["alone"]));
        assert!(index.tagged("alone").is_empty() && index.tagged("none").is_empty());
        for slot in 0..99 {
            index.remove(slot, &tagged(&["all", if slot % 2 == 0 { "even" } else { "odd" }]));
        }
        assert_eq!((index.tagged("all"), index.tagged("odd")), (vec![99], vec![99]));
        index.remove(99, &tagged(&["all", "odd"]));
        assert_eq!((index.places(), index.tags.capacity()), (0, 0), "an empty index takes no room");
    }
}
