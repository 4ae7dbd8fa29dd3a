//! What the shared tier has still to be told, because it was away when it happened. Until then it is not asked for what
//! that selects. Bounded: beyond the bound everything in the namespace counts.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::journal::everything;
use crate::{
    selector::{Facets, Selector},
    tier::shared::FenceName,
};

/// Sets of one namespace that are remembered one by one: each read tests them all.
const SETS_MAX: usize = 256;

/// What has still to be told.
#[derive(Debug)]
pub struct Debt {
    owed: Mutex<Owed>,
    /// How much that is, readable without the lock: every read asks.
    names: AtomicUsize,
    names_max: usize,
}

#[derive(Debug, Default)]
struct Owed {
    namespaces: HashMap<Arc<str>, Names>,
    next: u64,
}

/// By when it was added last: what is added again while it is being told stays.
#[derive(Debug, Default)]
struct Names {
    keys: HashMap<Arc<str>, u64>,
    sets: HashMap<Selector, u64>,
}

/// One name, and when it was added.
pub type Due = (FenceName, u64);

impl Debt {
    /// None, and at most so many names.
    #[must_use]
    pub fn new(names_max: usize) -> Self {
        Self { owed: Mutex::new(Owed::default()), names: AtomicUsize::new(0), names_max }
    }

    /// Names that have still to be told.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.load(Ordering::Acquire)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds names.
    pub fn add(&self, names: &[FenceName]) {
        let mut owed = self.owed.lock();
        for FenceName { namespace, selector } in names {
            let number = owed.next;
            owed.next += 1;
            let total = self.len();
            let of = owed.namespaces.entry(namespace.clone()).or_default();
            if let Some(everything) = of.sets.get_mut(&Selector::Everything) {
                *everything = number;
                continue;
            }
            let new = match selector {
                Selector::Key(text) => of.keys.insert(text.clone(), number),
                set => of.sets.insert(set.clone(), number),
            };
            let mut grown = total + usize::from(new.is_none());
            if grown > self.names_max || of.sets.len() > SETS_MAX || *selector == Selector::Everything {
                grown -= of.keys.len() + of.sets.len();
                *of = Names { keys: HashMap::new(), sets: HashMap::from([(Selector::Everything, number)]) };
                grown += 1;
            }
            self.names.store(grown, Ordering::Release);
        }
    }

    /// Whether something with these facets is concerned. Of an entry of which only the key is known: whether it is by that.
    #[must_use]
    pub fn concerns(&self, namespace: &str, facets: &Facets<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        let owed = self.owed.lock();
        owed.namespaces.get(namespace).is_some_and(|names| {
            names.keys.contains_key(facets.key) || names.sets.keys().any(|selector| selector.selects(facets))
        })
    }

    /// Some of it, to be told: whole namespaces and other sets first.
    #[must_use]
    pub fn some(&self, names_max: usize) -> Vec<Due> {
        let owed = self.owed.lock();
        let sets = owed.namespaces.iter().flat_map(|(namespace, names)| {
            names.sets.iter().map(|(set, at)| (FenceName { selector: set.clone(), ..everything(namespace) }, *at))
        });
        let keys = owed.namespaces.iter().flat_map(|(namespace, names)| {
            names
                .keys
                .iter()
                .map(|(text, at)| (FenceName { selector: Selector::Key(text.clone()), ..everything(namespace) }, *at))
        });
        sets.chain(keys).take(names_max).collect()
    }

    /// This was told. What was added again since stays.
    pub fn told(&self, told: &[Due]) {
        let mut owed = self.owed.lock();
        let mut gone = 0;
        for (FenceName { namespace, selector }, at) in told {
            let Some(names) = owed.namespaces.get_mut(namespace) else { continue };
            gone += usize::from(match selector {
                Selector::Key(text) => names.keys.get(text) == Some(at) && names.keys.remove(text).is_some(),
                set => names.sets.get(set) == Some(at) && names.sets.remove(set).is_some(),
            });
            if names.keys.is_empty() && names.sets.is_empty() {
                owed.namespaces.remove(namespace);
            }
        }
        self.names.fetch_sub(gone, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, text: &str) -> FenceName {
        FenceName { namespace: Arc::from(namespace), selector: Selector::Key(Arc::from(text)) }
    }

    #[test]
    fn what_is_added_again_while_it_is_told_stays() {
        let debt = Debt::new(10);
        debt.add(&[key("n", "a"), key("n", "b")]);
        let some = debt.some(10);
        debt.add(&[key("n", "a")]);
        debt.told(&some);
        assert_eq!(debt.len(), 1);
        assert!(debt.concerns("n", &Facets::of_key("a")));
        assert!(!debt.concerns("n", &Facets::of_key("b")));
        debt.told(&debt.some(10));
        assert!(debt.is_empty());
    }

    #[test]
    fn beyond_the_bound_the_whole_namespace_is_owed() {
        let debt = Debt::new(3);
        debt.add(&[key("n", "a"), key("n", "b"), key("m", "c"), key("n", "d"), key("n", "e")]);
        assert_eq!(debt.len(), 2);
        assert!(debt.concerns("n", &Facets::of_key("never named")));
        assert!(!debt.concerns("m", &Facets::of_key("never named")));
        debt.told(&debt.some(10));
        assert!(debt.is_empty());
    }
}
