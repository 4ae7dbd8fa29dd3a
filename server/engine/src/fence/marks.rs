//! Soft fences: which sets of entries were marked stale, and when. What is stale may still be used: deciding that is not
//! done here, and neither is what was dropped.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    clock::Moment,
    selector::{Facets, Selector},
};

/// What is marked becomes stale at a moment of its own within this time at most.
pub const SPREAD_MAX: Duration = Duration::from_secs(3600);

/// One call that marked entries stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Moment,
    /// Over which time from then on the entries become stale; at most [`SPREAD_MAX`].
    pub spread: Duration,
}

impl Mark {
    /// When the entry of this key becomes stale: at the same share of the spread for every mark and on every server.
    #[must_use]
    pub fn of(self, key: &str) -> Moment {
        if self.spread.is_zero() {
            return self.at;
        }
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
        let share = xxh3_64(key.as_bytes()) as f64 / u64::MAX as f64;
        self.at.after(self.spread.mul_f64(share))
    }
}

/// Marks of one selector, in the order of their numbers and of their moments.
type Raised = Vec<(u64, Mark)>;

/// The sets of one namespace that were marked. Bounded by who raises them, which forgets each in its turn.
#[derive(Debug, Default)]
pub(super) struct Marks {
    newest: u64,
    everything: Raised,
    tags: HashMap<Arc<str>, Raised>,
    kinds: HashMap<Arc<str>, Raised>,
    /// By length, so that a key is tested against the lengths that exist and not against every prefix.
    prefixes: BTreeMap<usize, HashMap<Arc<str>, Raised>>,
    patterns: HashMap<Selector, Raised>,
}

impl Marks {
    pub(super) fn raise(&mut self, selector: &Selector, number: u64, mark: Mark) {
        self.newest = number;
        let raised = match selector {
            Selector::Tag(tag) => self.tags.entry(tag.clone()).or_default(),
            Selector::Kind(kind) => self.kinds.entry(kind.clone()).or_default(),
            Selector::Prefix(prefix) => {
                self.prefixes.entry(prefix.len()).or_default().entry(prefix.clone()).or_default()
            }
            Selector::Key(_)
            | Selector::Glob(_)
            | Selector::AllTags(_)
            | Selector::DependentsOf(_)
            | Selector::MadeFrom(_) => self.patterns.entry(selector.clone()).or_default(),
            Selector::Everything => &mut self.everything,
        };
        raised.push((number, mark));
    }

    /// Forgets one mark; says whether it was there.
    pub(super) fn forget(&mut self, selector: &Selector, number: u64) -> bool {
        match selector {
            Selector::Tag(tag) => forget_of(&mut self.tags, tag, number),
            Selector::Kind(kind) => forget_of(&mut self.kinds, kind, number),
            Selector::Prefix(prefix) => {
                let Some(same_length) = self.prefixes.get_mut(&prefix.len()) else { return false };
                let forgotten = forget_of(same_length, prefix, number);
                if same_length.is_empty() {
                    self.prefixes.remove(&prefix.len());
                }
                forgotten
            }
            Selector::Key(_)
            | Selector::Glob(_)
            | Selector::AllTags(_)
            | Selector::DependentsOf(_)
            | Selector::MadeFrom(_) => forget_of(&mut self.patterns, selector, number),
            Selector::Everything => forget(&mut self.everything, number),
        }
    }

    /// When something with these facets, vouched for up to this number, becomes stale by what marked it first, and the
    /// number of the newest mark; `None`: nothing marked it.
    pub(super) fn first(&self, facets: &Facets<'_>, vouched: u64) -> Option<(Moment, u64)> {
        if vouched >= self.newest {
            return None;
        }
        let tags = facets.tags.iter().filter_map(|tag| self.tags.get(tag));
        let kind = self.kinds.get(facets.kind).filter(|_| !facets.kind.is_empty());
        let prefixes = self
            .prefixes
            .iter()
            .filter_map(|(length, same_length)| facets.key.get(..*length).and_then(|prefix| same_length.get(prefix)));
        let patterns = self.patterns.iter().filter(|(selector, _)| selector.selects(facets)).map(|(_, raised)| raised);
        let all = tags.chain(kind).chain(prefixes).chain(patterns).chain(Some(&self.everything));
        let found = all.filter_map(|raised| first_of(raised, facets.key, vouched));
        found.reduce(|(first, newest), (at, number)| (first.min(at), newest.max(number)))
    }
}

/// The first moment by any of these marks that is newer than `vouched`, and the newest one's number.
fn first_of(raised: &Raised, key: &str, vouched: u64) -> Option<(Moment, u64)> {
    let newer = &raised[raised.partition_point(|(number, _)| *number <= vouched)..];
    let (newest, _) = newer.last()?;
    let mut first = Moment::NEVER;
    // None marks anything before its own moment: those that begin later cannot be first.
    for (_, mark) in newer {
        if first <= mark.at {
            break;
        }
        first = first.min(mark.of(key));
    }
    Some((first, *newest))
}

fn forget_of<K: Hash + Eq>(sets: &mut HashMap<K, Raised>, name: &K, number: u64) -> bool {
    let Some(raised) = sets.get_mut(name) else { return false };
    let forgotten = forget(raised, number);
    if raised.is_empty() {
        sets.remove(name);
    }
    forgotten
}

fn forget(raised: &mut Raised, number: u64) -> bool {
    let place = raised.binary_search_by_key(&number, |(number, _)| *number);
    if let Ok(place) = place {
        raised.remove(place);
    }
    place.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(at: u64, spread: u64) -> Mark {
        Mark { at: Moment(at), spread: Duration::from_nanos(spread) }
    }

    #[test]
    fn the_first_mark_since_something_was_vouched_for_holds() {
        let mut marks = Marks::default();
        let tag = Selector::tag("t").unwrap();
        marks.raise(&tag, 1, mark(10, 0));
        marks.raise(&Selector::Everything, 2, mark(20, 0));
        marks.raise(&tag, 3, mark(30, 0));
        let tags = [Arc::from("t")];
        let facets = Facets { key: "k", kind: "", tags: &tags, depends_on: &[] };
        let first = |vouched| marks.first(&facets, vouched);
        assert_eq!(
            [0, 1, 2, 3].map(first),
            [Some((Moment(10), 3)), Some((Moment(20), 3)), Some((Moment(30), 3)), None]
        );
        let other = Facets { key: "k", kind: "", tags: &[], depends_on: &[] };
        assert_eq!((marks.first(&other, 0), marks.first(&other, 2)), (Some((Moment(20), 2)), None));
        assert!(marks.forget(&tag, 1) && !marks.forget(&tag, 1) && marks.forget(&tag, 3) && marks.tags.is_empty());
    }

    #[test]
    fn a_later_mark_with_less_spread_may_be_first() {
        let mut marks = Marks::default();
        let spread = 1_000_000;
        marks.raise(&Selector::Everything, 1, mark(0, spread));
        marks.raise(&Selector::Everything, 2, mark(1, 0));
        let first = |key: &str| marks.first(&Facets { key, kind: "", tags: &[], depends_on: &[] }, 0);
        assert!((0..50).all(|number| first(&number.to_string()).unwrap().0 == Moment(1)));
    }

    #[test]
    fn what_is_spread_is_spread_evenly_and_always_alike() {
        let spread = mark(0, 1_000_000);
        let moments: Vec<_> = (0..1000).map(|number| spread.of(&format!("key:{number}")).0).collect();
        for tenth in 0..10 {
            let within = moments.iter().filter(|at| (tenth * 100_000..(tenth + 1) * 100_000).contains(*at)).count();
            assert!((60..=140).contains(&within), "{within} in tenth {tenth}");
        }
        assert_eq!(spread.of("key:7"), spread.of("key:7"));
    }
}
