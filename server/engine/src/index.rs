//! Which keys of a partition have a tag or a kind: so that a group is dropped without looking at everything.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::entry::Description;

/// Keys by tag and by kind.
#[derive(Debug, Default)]
pub struct Index {
    tags: HashMap<Arc<str>, HashSet<Arc<str>>>,
    kinds: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl Index {
    /// Adds a key.
    pub fn insert(&mut self, key: &Arc<str>, description: &Description) {
        for tag in &description.tags {
            self.tags.entry(tag.clone()).or_default().insert(key.clone());
        }
        if !description.kind.is_empty() {
            self.kinds.entry(description.kind.clone()).or_default().insert(key.clone());
        }
    }

    /// Removes a key; groups without keys take no room.
    pub fn remove(&mut self, key: &str, description: &Description) {
        for tag in &description.tags {
            remove_from(&mut self.tags, tag, key);
        }
        remove_from(&mut self.kinds, &description.kind, key);
    }

    /// Keys with this tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Vec<Arc<str>> {
        self.tags.get(tag).into_iter().flatten().cloned().collect()
    }

    /// Keys of this kind.
    #[must_use]
    pub fn of_kind(&self, kind: &str) -> Vec<Arc<str>> {
        self.kinds.get(kind).into_iter().flatten().cloned().collect()
    }

    /// Places in all groups together, for checking.
    #[must_use]
    pub fn places(&self) -> usize {
        self.tags.values().chain(self.kinds.values()).map(HashSet::len).sum()
    }
}

fn remove_from(groups: &mut HashMap<Arc<str>, HashSet<Arc<str>>>, group: &Arc<str>, key: &str) {
    if let Some(keys) = groups.get_mut(group) {
        keys.remove(key);
        if keys.is_empty() {
            groups.remove(group);
        }
    }
}
