//! The fences of the fleet that select more than a key, as far as this replica has heard of them: whether what lies in the
//! shared tier was dropped by one since it was computed.

use std::sync::Arc;

use crate::{
    entry::Description,
    fence::{SelectorFences, Stamp},
    position::Position,
    selector::{Facets, Selector},
    tier::shared::{FenceName, lineage},
};

/// The fleet's selector fences.
#[derive(Debug)]
pub struct FleetFences {
    epoch: Option<u64>,
    fences: SelectorFences,
    /// What was computed before counts as dropped: the fences up to there are not known.
    base: u64,
    /// Where one epoch of this lineage took over from another first.
    began: u64,
    fences_max: usize,
    /// What was told while the history was not known: some of it may be newer than what that is taken up with.
    meanwhile: Vec<(FenceName, Position)>,
    /// The newest of it that was not remembered.
    beyond: Vec<Position>,
}

/// Fences remembered that were told while the history was not known.
const MEANWHILE_MAX: usize = 4096;

impl FleetFences {
    /// None is known, nor which history they are of: nothing is allowed.
    #[must_use]
    pub fn new(fences_max: usize) -> Self {
        Self {
            epoch: None,
            fences: SelectorFences::new(0, fences_max),
            base: 0,
            began: 0,
            fences_max,
            meanwhile: Vec::new(),
            beyond: Vec::new(),
        }
    }

    /// Forgets all, for a history of which everything after `base` will be told, and in whose lineage epochs took over from
    /// `began` on.
    pub fn begin(&mut self, epoch: u64, base: u64, began: u64) {
        let beyond = self.beyond.drain(..).filter(|place| place.epoch == epoch).map(|place| place.number);
        self.began = began;
        self.base = beyond.fold(base, u64::max);
        self.epoch = Some(epoch);
        self.fences = SelectorFences::new(epoch, self.fences_max);
        for (name, position) in std::mem::take(&mut self.meanwhile) {
            self.raise(&[name], position);
        }
    }

    /// The history is not known any more.
    pub fn lose(&mut self) {
        self.epoch = None;
    }

    /// Notes fences that one change raised. Of another history than the one that is known: nothing.
    pub fn raise(&mut self, names: &[FenceName], position: Position) {
        if self.epoch.is_none() {
            self.later(names, position);
        }
        if self.epoch != Some(position.epoch) {
            return;
        }
        for FenceName { namespace, selector } in names {
            self.fences.raise(namespace, std::slice::from_ref(selector), position.number);
        }
    }

    fn later(&mut self, names: &[FenceName], position: Position) {
        if self.meanwhile.len() + names.len() <= MEANWHILE_MAX {
            self.meanwhile.extend(names.iter().map(|name| (name.clone(), position)));
            return;
        }
        // One place for each history: there are few.
        let known = self.beyond.iter_mut().find(|place| place.epoch == position.epoch);
        if let Some(place) = known {
            place.number = place.number.max(position.number);
        } else if self.beyond.len() < MEANWHILE_MAX {
            self.beyond.push(position);
        }
    }

    /// Where a place in this log is in the history that is known. One of an earlier epoch of the same lineage, where that
    /// may be used, is where epochs began to take over at the latest: what it had beyond that may have been lost, and its
    /// numbers were given again.
    #[must_use]
    pub fn counted(&self, place: Position, earlier: bool) -> Option<Position> {
        let here = Position { epoch: self.epoch?, ..place };
        if here == place {
            return Some(place);
        }
        (earlier && lineage(here) == lineage(place)).then(|| Position { number: place.number.min(self.began), ..here })
    }

    /// Whether no fence selects an entry that was computed at this place.
    #[must_use]
    pub fn allow(&self, (namespace, key): (&str, &str), said: &Description, computed: Position) -> bool {
        let depends_on = all_dependencies(said);
        let facets = Facets { key, kind: &said.kind, tags: &said.tags, depends_on: &depends_on };
        let stamp = Stamp { epoch: computed.epoch, key: 0, selector: computed.number };
        self.epoch == Some(computed.epoch)
            && computed.number >= self.base
            && self.fences.allow(namespace, &facets, stamp)
    }
}

/// All that an entry was made from, directly or not.
#[must_use]
pub fn all_dependencies(said: &Description) -> Vec<Arc<str>> {
    said.depends_on.iter().flat_map(|names| names.all()).cloned().collect()
}

/// Whether a selector names a key, and so lies in the key's log.
#[must_use]
pub fn is_key(selector: &Selector) -> bool {
    matches!(selector, Selector::Key(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::shared::TURN_BITS;

    #[test]
    fn fences_hold_in_whatever_order_they_are_heard_of() {
        let mut fences = FleetFences::new(100);
        let at = |number| Position { epoch: 3, number };
        let tag = FenceName { namespace: Arc::from("n"), selector: Selector::Tag(Arc::from("t")) };
        let said = Description { tags: vec![Arc::from("t")], ..Description::default() };
        assert!(!fences.allow(("n", "k"), &said, at(9)), "nothing is known yet");
        fences.begin(3, 2, 0);
        assert!(!fences.allow(("n", "k"), &said, at(1)), "before what is known");
        fences.raise(std::slice::from_ref(&tag), at(7));
        fences.raise(&[tag], at(5));
        assert!(!fences.allow(("n", "k"), &said, at(6)));
        assert!(fences.allow(("n", "k"), &said, at(7)));
        assert!(fences.allow(("n", "k"), &Description::default(), at(2)));
        fences.lose();
        assert!(!fences.allow(("n", "k"), &said, at(7)));
        let other = FenceName { namespace: Arc::from("n"), selector: Selector::Everything };
        fences.raise(std::slice::from_ref(&other), at(12));
        fences.raise(&[other], Position { epoch: 4, number: 99 });
        fences.begin(3, 8, 0);
        assert!(!fences.allow(("n", "k"), &said, at(11)), "told while the history was not known");
        assert!(fences.allow(("n", "k"), &said, at(12)));
    }

    #[test]
    fn what_an_earlier_epoch_numbered_counts_as_where_the_next_began_at_most() {
        let mut fences = FleetFences::new(100);
        let (line, next) = (7 << TURN_BITS, 8 << TURN_BITS);
        let at = |epoch, number| Position { epoch, number };
        assert_eq!(fences.counted(at(line, 1), true), None, "nothing is known yet");
        fences.begin(line + 2, 0, 50);
        assert_eq!(fences.counted(at(line + 2, 90), false), Some(at(line + 2, 90)));
        assert_eq!(fences.counted(at(line + 1, 90), true), Some(at(line + 2, 50)));
        assert_eq!(fences.counted(at(line + 1, 40), true), Some(at(line + 2, 40)));
        assert_eq!(fences.counted(at(line + 1, 40), false), None);
        assert_eq!(fences.counted(at(next + 1, 40), true), None, "of another lineage");
    }
}
