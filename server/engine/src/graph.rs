//! What the entries of one namespace were made from, by key: who depends on what, and what that leads to. Which entries
//! are dropped for it is not decided here.
//!
//! Its lock is taken with a shard locked and never the other way round, so entries of all shards are linked here and
//! nothing ever holds two shards. It holds no more than the entries that are there, which are charged for it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    entry::Dependencies,
    selector::{OPEN, TAG_PREFIX, is_fact},
};

/// What an entry depends on at most, with what that was made from in its turn.
pub const CLOSURE_MAX: usize = 256;
/// What an entry knows of that at most, beyond which it counts as made from anything.
pub const FACTS_MAX: usize = 256;

/// Dependencies of one namespace.
#[derive(Debug, Default)]
pub struct Graph {
    links: Mutex<Links>,
    linking: Mutex<()>,
}

#[derive(Debug, Default)]
struct Links {
    /// By the key of the dependent.
    on: HashMap<Arc<str>, Arc<Dependencies>, ahash::RandomState>,
    /// By what is depended on: keys of dependents, also of those that inherited it.
    dependents: HashMap<Arc<str>, Names, ahash::RandomState>,
}

/// Keys of dependents. Mostly there is one: then nothing is allocated.
#[derive(Debug)]
enum Names {
    One(Arc<str>),
    Many(Box<hashbrown::HashSet<Arc<str>, ahash::RandomState>>),
}

/// Why something cannot depend on something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What has this place in the list was itself made from the entry, over so many others.
    Cycle {
        /// Place among the writer's own dependencies.
        place: usize,
        /// Entries in between.
        between: usize,
    },
    /// There are more than [`CLOSURE_MAX`] with those that are inherited.
    TooMany,
}

/// How far a walk along dependents may go.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Entries reached at most.
    pub entries_max: usize,
    /// Steps at most.
    pub depth_max: usize,
}

/// A walk along dependents reached more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Entries.
    Entries,
    /// Steps.
    Depth,
}

impl Graph {
    /// Keeps others from linking until the guard goes: between testing for a cycle and storing. Take it with no shard
    /// locked.
    pub fn linking(&self) -> MutexGuard<'_, ()> {
        self.linking.lock()
    }

    /// What an entry with this key depends on, when it names `own`: with all that those were made from.
    ///
    /// # Errors
    /// A cycle, or too many.
    pub fn close(&self, key: &str, own: &[Arc<str>]) -> Result<Dependencies, Refusal> {
        let links = self.links.lock();
        let mut seen: HashSet<Arc<str>> = own.iter().cloned().collect();
        let mut ways: VecDeque<(Arc<str>, usize, usize)> =
            own.iter().enumerate().map(|(place, name)| (name.clone(), place, 0)).collect();
        let mut inherited = Vec::new();
        let mut stale = Vec::new();
        while let Some((name, place, between)) = ways.pop_front() {
            // A key that reads like a tag is not what such a name means.
            if name.starts_with(TAG_PREFIX) {
                continue;
            }
            if *name == *key {
                return Err(Refusal::Cycle { place, between: between.saturating_sub(1) });
            }
            let Some(on) = links.on.get(&name) else { continue };
            stale.extend(on.inherited.iter().cloned());
            for next in on.own.iter().filter(|next| seen.insert((*next).clone())) {
                inherited.push(next.clone());
                ways.push_back((next.clone(), place, between + 1));
            }
            if seen.len() > CLOSURE_MAX {
                return Err(Refusal::TooMany);
            }
        }
        // What was inherited before may have another origin by now, so it makes no cycle, but it still counts.
        let (facts, stale): (Vec<_>, Vec<_>) = stale.into_iter().partition(|name| is_fact(name));
        inherited.extend(stale.into_iter().filter(|name| **name != *key && seen.insert(name.clone())));
        if seen.len() > CLOSURE_MAX {
            return Err(Refusal::TooMany);
        }
        let mut own = own.to_vec();
        own.sort();
        own.dedup();
        Ok(Dependencies { own: own.into(), inherited: inherited.into() }.with(key, &facts))
    }

    /// Keys of what was made, directly or not, from what has all these names, as each knows it.
    #[must_use]
    pub fn made_from_all(&self, names: &[Arc<str>]) -> Vec<Arc<str>> {
        let links = self.links.lock();
        let first = names.first().and_then(|name| links.dependents.get(name)).into_iter().flat_map(Names::iter);
        let all = |key: &&Arc<str>| {
            links.on.get(*key).is_some_and(|on| names.iter().all(|name| on.all().any(|other| other == name)))
        };
        first.filter(all).cloned().collect()
    }

    /// Links an entry that is being stored. Call it with its shard locked.
    pub fn insert(&self, key: &Arc<str>, on: &Arc<Dependencies>) {
        let links = &mut *self.links.lock();
        for name in on.all() {
            match links.dependents.get_mut(name) {
                Some(names) => names.insert(key),
                None => drop(links.dependents.insert(name.clone(), Names::One(key.clone()))),
            }
        }
        links.on.insert(key.clone(), on.clone());
    }

    /// Unlinks an entry that goes. Call it with its shard locked.
    pub fn remove(&self, key: &str) {
        let links = &mut *self.links.lock();
        let Some(on) = links.on.remove(key) else { return };
        for name in on.all() {
            if links.dependents.get_mut(name).is_some_and(|names| names.remove(key)) {
                links.dependents.remove(name);
            }
        }
        if links.on.is_empty() {
            *links = Links::default();
        }
    }

    /// Whether nothing depends on anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.lock().on.is_empty()
    }

    /// All that something depends on.
    #[must_use]
    pub fn targets(&self) -> Vec<Arc<str>> {
        self.links.lock().dependents.keys().cloned().collect()
    }

    /// Keys of entries whose writer named this.
    #[must_use]
    pub fn named(&self, target: &str) -> Vec<Arc<str>> {
        let links = self.links.lock();
        let all = links.dependents.get(target).into_iter().flat_map(Names::iter);
        let own = |key: &&Arc<str>| links.on.get(*key).is_some_and(|on| on.own.iter().any(|name| **name == *target));
        all.filter(own).cloned().collect()
    }

    /// Keys of all that was made from any of these, over any number of others, as it is at one moment. Keys that `named`
    /// knows are followed, but neither told nor counted.
    ///
    /// # Errors
    /// It reaches further than it may.
    pub fn reached(
        &self,
        roots: &[Arc<str>],
        named: &dyn Fn(&str) -> bool,
        reach: Reach,
    ) -> Result<HashSet<Arc<str>>, Beyond> {
        let links = self.links.lock();
        let mut walk = Walk { seen: HashSet::new(), reached: HashSet::new(), depth: 0 };
        let mut level: Vec<Arc<str>> = roots.to_vec();
        while !level.is_empty() {
            let keys = level.iter().filter_map(|name| links.dependents.get(name)).flat_map(Names::iter);
            level = keys.filter_map(|key| walk.meet(key, named, reach).transpose()).collect::<Result<_, _>>()?;
            walk.depth += 1;
        }
        Ok(walk.reached)
    }

    /// Checks that both directions agree; the number of dependents.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> Result<usize, String> {
        let links = self.links.lock();
        let forth: usize = links.on.values().map(|on| on.all().count()).sum();
        let back: usize = links.dependents.values().map(|names| names.iter().count()).sum();
        let both = |(key, on): (&Arc<str>, &Arc<Dependencies>)| {
            on.all().all(|name| links.dependents.get(name).is_some_and(|names| names.iter().any(|own| own == key)))
        };
        if forth != back || !links.on.iter().all(both) {
            return Err(format!("the graph has {forth} edges forth and {back} back"));
        }
        Ok(links.on.len())
    }
}

impl Dependencies {
    /// The same, for the entry with this key, with what else it is known to be made from. More than an entry may hold of that
    /// makes it one that may be made from anything.
    #[must_use]
    pub fn with(self, key: &str, known: &[Arc<str>]) -> Self {
        let mut inherited = self.inherited.into_vec();
        let mut seen: HashSet<Arc<str>> = self.own.iter().chain(&inherited).cloned().collect();
        inherited.extend(known.iter().filter(|name| ***name != *key && seen.insert((*name).clone())).cloned());
        let facts = inherited.iter().filter(|name| is_fact(name)).count();
        if facts > FACTS_MAX || self.own.len() + inherited.len() - facts > CLOSURE_MAX {
            inherited.retain(|name| !is_fact(name));
            inherited.truncate(CLOSURE_MAX.saturating_sub(self.own.len()));
            inherited.push(Arc::from(OPEN));
        }
        Self { own: self.own, inherited: inherited.into() }
    }
}

/// Where a walk along dependents has been.
struct Walk {
    seen: HashSet<Arc<str>>,
    reached: HashSet<Arc<str>>,
    depth: usize,
}

impl Walk {
    /// Meets a dependent; tells it when the walk goes on from there.
    fn meet(&mut self, key: &Arc<str>, named: &dyn Fn(&str) -> bool, reach: Reach) -> Result<Option<Arc<str>>, Beyond> {
        if !self.seen.insert(key.clone()) {
            return Ok(None);
        }
        if self.depth == reach.depth_max {
            return Err(Beyond::Depth);
        }
        if !named(key) {
            self.reached.insert(key.clone());
        }
        if self.reached.len() > reach.entries_max {
            return Err(Beyond::Entries);
        }
        // A key that reads like a tag cannot be depended on.
        Ok((!key.starts_with(TAG_PREFIX)).then(|| key.clone()))
    }
}

impl Names {
    fn insert(&mut self, name: &Arc<str>) {
        match self {
            Self::One(only) if only == name => {}
            Self::One(only) => *self = Self::Many(Box::new([only.clone(), name.clone()].into_iter().collect())),
            Self::Many(names) => {
                names.insert(name.clone());
            }
        }
    }

    /// Whether none is left.
    fn remove(&mut self, name: &str) -> bool {
        match self {
            Self::One(only) => **only == *name,
            Self::Many(names) => {
                names.remove(name);
                names.is_empty()
            }
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = &Arc<str>> + '_> {
        match self {
            Self::One(only) => Box::new(std::iter::once(only)),
            Self::Many(names) => Box::new(names.iter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Reach = Reach { entries_max: usize::MAX, depth_max: usize::MAX };

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn link(graph: &Graph, key: &str, on: &[&str]) -> Result<(), Refusal> {
        let on = graph.close(key, &names(on))?;
        graph.remove(key);
        graph.insert(&Arc::from(key), &Arc::new(on));
        graph.check().map(drop).map_err(|_wrong| Refusal::TooMany)
    }

    fn reached(graph: &Graph, root: &str) -> Vec<String> {
        let mut all: Vec<_> =
            graph.reached(&names(&[root]), &|_| false, ALL).unwrap().iter().map(ToString::to_string).collect();
        all.sort();
        all
    }

    #[test]
    fn what_is_between_may_go_before_what_depends_on_it() {
        let graph = Graph::default();
        link(&graph, "b", &["a"]).unwrap();
        link(&graph, "c", &["b", "tag:t"]).unwrap();
        assert_eq!(reached(&graph, "a"), ["b", "c"]);
        graph.remove("b");
        assert_eq!(reached(&graph, "a"), ["c"]);
        assert_eq!(reached(&graph, "tag:t"), ["c"]);
        assert!(graph.named("a").is_empty(), "c did not name it");
        graph.remove("c");
        assert!(graph.is_empty() && graph.targets().is_empty());
    }

    #[test]
    fn cycles_are_refused_and_told_by_their_place() {
        let graph = Graph::default();
        assert_eq!(link(&graph, "a", &["a"]), Err(Refusal::Cycle { place: 0, between: 0 }));
        link(&graph, "b", &["a"]).unwrap();
        link(&graph, "c", &["b"]).unwrap();
        assert_eq!(link(&graph, "a", &["0", "c"]), Err(Refusal::Cycle { place: 1, between: 1 }));
        link(&graph, "b", &["x"]).unwrap();
        link(&graph, "a", &["c"]).unwrap();
        assert_eq!(reached(&graph, "a"), ["a", "c"], "what c inherited when it was stored still counts");
    }

    #[test]
    fn a_walk_says_when_it_reaches_too_far() {
        let graph = Graph::default();
        for number in (0..10).rev() {
            link(&graph, &(number + 1).to_string(), &[&number.to_string()]).unwrap();
        }
        let walk = |entries_max, depth_max| {
            graph.reached(&names(&["0"]), &|_| false, Reach { entries_max, depth_max }).map(|keys| keys.len())
        };
        assert_eq!(walk(10, 10), Ok(10));
        assert_eq!(walk(9, 10), Err(Beyond::Entries));
        assert_eq!(walk(10, 9), Err(Beyond::Depth));
        let named = graph.reached(&names(&["0"]), &|key| key == "1", Reach { entries_max: 9, depth_max: 10 });
        assert_eq!(named.map(|keys| keys.len()), Ok(9), "what is named anyway does not count");
    }

    #[test]
    fn what_is_inherited_is_bounded() {
        let graph = Graph::default();
        for number in 0..CLOSURE_MAX {
            link(&graph, &(number + 1).to_string(), &[&number.to_string()]).unwrap();
        }
        let (last, next) = (CLOSURE_MAX.to_string(), (CLOSURE_MAX + 1).to_string());
        assert_eq!(link(&graph, &next, &[&last]), Err(Refusal::TooMany));
    }
}
