//! What the shared tier has still to be told, because it was away when it happened. Until then it is not asked for what
//! that selects. Bounded: beyond the bound everything in the namespace counts.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::journal::everything;
use crate::{
    selector::{Facets, Selector},
    tier::{
        TierError,
        local::{LocalTier, Owed as Kept},
        shared::{FenceName, FleetStamp},
    },
};

/// Sets of one namespace that are remembered one by one: each read tests them all.
const SETS_MAX: usize = 256;

/// What has still to be told.
pub struct Debt {
    owed: Mutex<Owed>,
    /// Keeps it beyond the end of this process.
    local: Option<Arc<dyn LocalTier>>,
    /// Whether everything is owed, of namespaces that were not asked for yet as well.
    all: AtomicBool,
    /// Whether something was told since what is kept was made to say so.
    told: AtomicBool,
    /// How much that is, readable without the lock: every read asks.
    names: AtomicUsize,
    names_max: usize,
}

#[derive(Debug, Default)]
struct Owed {
    namespaces: HashMap<Arc<str>, Names>,
    next: u64,
    /// Of which everything was owed since everything is.
    doubted: HashSet<Arc<str>>,
}

/// By when it was added last: what is added again while it is being told stays.
#[derive(Debug, Default)]
struct Names {
    keys: HashMap<Arc<str>, (u64, Option<Put>)>,
    sets: HashMap<Selector, u64>,
}

/// A value that was stored here and could not be told: it is written again, if it is still what is held then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// The value's digest.
    pub digest: [u8; 32],
    /// Where the key's log was before.
    pub since: FleetStamp,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What is concerned.
    pub name: FenceName,
    /// When it was added.
    pub at: u64,
    /// What is to be written there again; otherwise it is invalidated.
    pub put: Option<Put>,
}

impl Debt {
    /// None, and at most so many names; kept beyond the end of this process where there is a tier for that.
    #[must_use]
    pub fn new(local: Option<Arc<dyn LocalTier>>, names_max: usize) -> Self {
        Self {
            owed: Mutex::new(Owed::default()),
            local,
            all: AtomicBool::new(false),
            told: AtomicBool::new(false),
            names: AtomicUsize::new(0),
            names_max,
        }
    }

    /// Takes what a process before this one owed. It is kept already.
    #[must_use]
    pub fn take_kept(&self) -> Kept {
        let Some(local) = &self.local else { return Kept::default() };
        let kept = local.take_owed();
        let mut owed = self.owed.lock();
        let _known = self.add_each(&mut owed, kept.names.iter().map(|name| (name, None)));
        drop(owed);
        if kept.all {
            self.all.store(true, Ordering::Release);
        }
        kept
    }

    /// Resolves once all of it would still be owed after a crash, where that is kept at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn kept(&self) -> Result<(), TierError> {
        match &self.local {
            Some(local) if !self.is_empty() => local.owed_kept().await,
            _ => Ok(()),
        }
    }

    /// Has what was told be kept no longer.
    pub fn keep_only_this(&self) {
        let Some(local) = &self.local else { return };
        if self.told.swap(false, Ordering::AcqRel) {
            let owed = self.owed.lock();
            let names: Vec<FenceName> = owed.each().map(|due| due.name).collect();
            // In one order with what is added.
            local.owe_only(&names);
        }
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
        self.add_and_keep(names.iter().map(|name| (name, None)));
    }

    /// Adds a value that was stored here under this name, a key's.
    pub fn add_put(&self, name: &FenceName, put: Option<Put>) {
        self.add_and_keep(std::iter::once((name, put)));
    }

    fn add_and_keep<'a>(&self, names: impl Iterator<Item = (&'a FenceName, Option<Put>)>) {
        let mut owed = self.owed.lock();
        let new = self.add_each(&mut owed, names);
        if let Some(local) = self.local.as_ref().filter(|_| !new.is_empty()) {
            local.owe(&new);
        }
    }

    /// Adds them; what of that was not owed before.
    fn add_each<'a>(
        &self,
        owed: &mut Owed,
        names: impl Iterator<Item = (&'a FenceName, Option<Put>)>,
    ) -> Vec<FenceName> {
        let mut added = Vec::new();
        for (FenceName { namespace, selector }, put) in names {
            let number = owed.next;
            owed.next += 1;
            let total = self.len();
            let of = owed.namespaces.entry(namespace.clone()).or_default();
            if let Some(everything) = of.sets.get_mut(&Selector::Everything) {
                *everything = number;
                continue;
            }
            let new = match selector {
                Selector::Key(text) => of.keys.insert(text.clone(), (number, put)).is_none(),
                set => of.sets.insert(set.clone(), number).is_none(),
            };
            let mut grown = total + usize::from(new);
            if grown > self.names_max || of.sets.len() > SETS_MAX || *selector == Selector::Everything {
                grown -= of.keys.len() + of.sets.len();
                *of = Names { keys: HashMap::new(), sets: HashMap::from([(Selector::Everything, number)]) };
                grown += 1;
                added.push(everything(namespace));
            } else if new {
                added.push(FenceName { namespace: namespace.clone(), selector: selector.clone() });
            }
            self.names.store(grown, Ordering::Release);
        }
        added
    }

    /// Of a namespace that is asked for everything is owed, when everything is: once.
    pub fn doubt(&self, namespace: &str) {
        let mut owed = self.owed.lock();
        if !owed.doubted.contains(namespace) {
            let name = everything(&Arc::from(namespace));
            owed.doubted.insert(name.namespace.clone());
            drop(owed);
            self.add(&[name]);
        }
    }

    /// Whether something with these facets is concerned. Of an entry of which only the key is known: whether it is by that.
    #[must_use]
    pub fn concerns(&self, namespace: &str, facets: &Facets<'_>) -> bool {
        if self.all.load(Ordering::Acquire) {
            self.doubt(namespace);
        }
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
        self.owed.lock().each().take(names_max).collect()
    }

    /// What is owed of one key by its name.
    #[must_use]
    pub fn of(&self, name: &FenceName) -> Option<Due> {
        let Selector::Key(text) = &name.selector else { return None };
        if self.is_empty() {
            return None;
        }
        let owed = self.owed.lock();
        let (at, put) = *owed.namespaces.get(&name.namespace)?.keys.get(text)?;
        Some(Due { name: name.clone(), at, put })
    }

    /// These values cannot be written again: what they are owed for is invalidated. What was added again since stays.
    pub fn give_up(&self, puts: &[Due]) {
        let mut owed = self.owed.lock();
        for Due { name: FenceName { namespace, selector }, at, .. } in puts {
            let Selector::Key(text) = selector else { continue };
            let of_key = owed.namespaces.get_mut(namespace).and_then(|names| names.keys.get_mut(text));
            of_key.filter(|(added, _)| added == at).into_iter().for_each(|(_, put)| *put = None);
        }
    }

    /// This was told. What was added again since stays.
    pub fn told(&self, told: &[Due]) {
        let mut owed = self.owed.lock();
        let mut gone = 0;
        for Due { name: FenceName { namespace, selector }, at, .. } in told {
            let Some(names) = owed.namespaces.get_mut(namespace) else { continue };
            gone += usize::from(match selector {
                Selector::Key(text) => {
                    names.keys.get(text).is_some_and(|(added, _)| added == at) && names.keys.remove(text).is_some()
                }
                set => names.sets.get(set) == Some(at) && names.sets.remove(set).is_some(),
            });
            if names.keys.is_empty() && names.sets.is_empty() {
                owed.namespaces.remove(namespace);
            }
        }
        self.names.fetch_sub(gone, Ordering::AcqRel);
        if gone > 0 {
            self.told.store(true, Ordering::Release);
        }
    }
}

impl Owed {
    /// Whole namespaces and other sets first.
    fn each(&self) -> impl Iterator<Item = Due> {
        let sets = self.namespaces.iter().flat_map(|(namespace, names)| {
            names.sets.iter().map(|(set, at)| {
                let name = FenceName { selector: set.clone(), ..everything(namespace) };
                Due { name, at: *at, put: None }
            })
        });
        let keys = self.namespaces.iter().flat_map(|(namespace, names)| {
            names.keys.iter().map(|(text, (at, put))| {
                let name = FenceName { selector: Selector::Key(text.clone()), ..everything(namespace) };
                Due { name, at: *at, put: *put }
            })
        });
        sets.chain(keys)
    }
}

impl fmt::Debug for Debt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debt").field("names", &self.len()).finish_non_exhaustive()
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
        let debt = Debt::new(None, 10);
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
        let debt = Debt::new(None, 3);
        debt.add(&[key("n", "a"), key("n", "b"), key("m", "c"), key("n", "d"), key("n", "e")]);
        assert_eq!(debt.len(), 2);
        assert!(debt.concerns("n", &Facets::of_key("never named")));
        assert!(!debt.concerns("m", &Facets::of_key("never named")));
        debt.told(&debt.some(10));
        assert!(debt.is_empty());
    }
}
