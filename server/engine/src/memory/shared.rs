//! Descriptions that many entries of a shard have in common, by a number of one byte: what an entry is, is mostly said by
//! few operations. Which entries have which is counted, not known.

use std::{collections::HashMap, num::NonZeroU8, sync::Arc};

use crate::entry::Description;

/// Descriptions that a shard shares at most; what finds no place is an entry's own, and charged to it.
const SHARED_MAX: usize = 255;

/// The number of a shared description, plus one: so that none takes no room of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said(NonZeroU8);

impl Said {
    fn new(index: usize) -> Option<Self> {
        NonZeroU8::new(u8::try_from(index + 1).ok()?).map(Self)
    }

    fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

/// The shared descriptions of a shard.
#[derive(Debug, Default)]
pub struct Shared {
    places: Vec<Place>,
    numbers: HashMap<Arc<Description>, Said, ahash::RandomState>,
    /// What is said where nothing is.
    none: Arc<Description>,
}

#[derive(Debug)]
struct Place {
    description: Arc<Description>,
    entries: u32,
}

impl Shared {
    /// Whether a description can be shared: without tags, labels and dependencies, and there is room for it.
    #[must_use]
    pub fn takes(&self, description: &Arc<Description>) -> bool {
        description.tags.is_empty()
            && description.labels.is_empty()
            && description.depends_on.is_none()
            && (self.numbers.len() < SHARED_MAX || self.numbers.contains_key(description))
    }

    /// Counts one more entry with this description; `None`: it must have its own.
    pub fn take(&mut self, description: &Arc<Description>) -> Option<Said> {
        if !self.takes(description) {
            return None;
        }
        if let Some(number) = self.numbers.get(description) {
            self.places[number.index()].entries += 1;
            return Some(*number);
        }
        let place = Place { description: description.clone(), entries: 1 };
        let index = self.places.iter().position(|place| place.entries == 0).unwrap_or(self.places.len());
        match self.places.get_mut(index) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        let number = Said::new(index)?;
        self.numbers.insert(description.clone(), number);
        Some(number)
    }

    /// Counts one entry less; a description without entries is forgotten.
    pub fn release(&mut self, said: Said) {
        let place = &mut self.places[said.index()];
        place.entries -= 1;
        if place.entries == 0 {
            self.numbers.remove(&place.description);
            place.description = Arc::default();
        }
    }

    /// The description with this number.
    #[must_use]
    pub fn get(&self, said: Said) -> &Arc<Description> {
        &self.places[said.index()].description
    }

    /// A description that says nothing.
    #[must_use]
    pub fn none(&self) -> &Arc<Description> {
        &self.none
    }

    /// Entries that share, for the checker.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.places.iter().map(|place| u64::from(place.entries)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(number: usize) -> Arc<Description> {
        Arc::new(Description { kind: number.to_string().into(), ..Description::default() })
    }

    #[test]
    fn equal_descriptions_have_one_number_and_unused_ones_are_forgotten() {
        let mut shared = Shared::default();
        let first = shared.take(&kind(1)).unwrap();
        assert_eq!(shared.take(&kind(1)), Some(first));
        assert_eq!(*shared.get(first).kind, *"1");
        shared.release(first);
        assert_eq!(shared.entries(), 1);
        shared.release(first);
        assert_eq!((shared.entries(), shared.numbers.len()), (0, 0));
    }

    #[test]
    fn the_number_of_shared_ones_is_bounded_and_places_are_used_again() {
        let mut shared = Shared::default();
        let all: Vec<_> = (0..SHARED_MAX).map(|number| shared.take(&kind(number)).unwrap()).collect();
        assert_eq!(shared.take(&kind(SHARED_MAX)), None);
        assert!(shared.take(&kind(3)).is_some(), "what is shared already is still shared");
        shared.release(all[7]);
        assert_eq!(shared.take(&kind(SHARED_MAX)), Some(all[7]));
    }

    #[test]
    fn tags_and_labels_are_not_shared() {
        let tagged = Arc::new(Description { tags: vec!["t".into()], ..Description::default() });
        assert_eq!(Shared::default().take(&tagged), None);
    }
}
