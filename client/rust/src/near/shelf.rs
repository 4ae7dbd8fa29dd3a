//! Where kept entries are: a bounded concurrent map for reads, and an index by what selectors name for drops. Whether an
//! entry may be there is not decided here.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use super::{kept::Kept, selects::Set};
use crate::{Error, Result};

/// Parts of the map at most, each with a lock of its own; a power of two.
const PARTS_MAX: u64 = 16;
/// Bytes of a part at least: an entry must fit one of them.
const PART_BYTES_MIN: u64 = 4 << 20;

/// The map. Reads lock one part of it for reading; writes are made by who holds the index.
#[derive(Debug)]
pub(crate) struct Shelf {
    map: Cache<Arc<str>, Arc<Kept>, ByCharge, DefaultHashBuilder, Evictions>,
    /// What an entry takes at least, so that a bound in bytes is one in entries as well.
    share: u64,
}

#[derive(Clone, Copy, Debug)]
struct ByCharge;

impl Weighter<Arc<str>, Arc<Kept>> for ByCharge {
    fn weight(&self, _key: &Arc<str>, kept: &Arc<Kept>) -> u64 {
        kept.charge
    }
}

/// Collects what made room.
#[derive(Clone, Copy, Debug)]
struct Evictions;

impl Lifecycle<Arc<str>, Arc<Kept>> for Evictions {
    type RequestState = Vec<Arc<Kept>>;

    fn on_evict(&self, state: &mut Self::RequestState, _key: Arc<str>, kept: Arc<Kept>) {
        state.push(kept);
    }
}

impl Shelf {
    pub(crate) fn new(bytes_max: u64, entries_max: usize) -> Result<Self> {
        let parts = (bytes_max / PART_BYTES_MIN).clamp(1, PARTS_MAX);
        // Rounded down to whole parts: a part's bound would be rounded up.
        let parts = 1 << parts.ilog2();
        let bytes_max = bytes_max - bytes_max % PARTS_MAX;
        let mut options = OptionsBuilder::new();
        options.shards(parts).estimated_items_capacity(entries_max).weight_capacity(bytes_max);
        let options = options.build().map_err(|cause| Error::configuration(format!("near_cache: {cause}")))?;
        let map = Cache::with_options(options, ByCharge, DefaultHashBuilder::default(), Evictions);
        Ok(Self { map, share: bytes_max.div_ceil(entries_max as u64) })
    }

    /// An entry, as one that is used.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Kept>> {
        self.map.get(key)
    }

    /// An entry, without counting as a use.
    pub(crate) fn peek(&self, key: &str) -> Option<Arc<Kept>> {
        self.map.peek(key)
    }

    /// Puts an entry in the place of the one with its key, and answers what had to go for it: the entry itself when it
    /// does not fit.
    pub(crate) fn insert(&self, index: &mut Index, mut kept: Kept) -> Vec<Arc<Kept>> {
        kept.charge = kept.charge.max(self.share);
        let kept = Arc::new(kept);
        let key = Arc::clone(&kept.content.key);
        self.remove(index, &key);
        index.add(&kept);
        let mut gone = Vec::new();
        self.map.insert_with_lifecycle(key, kept, &mut gone);
        gone.iter().for_each(|evicted| index.remove(evicted));
        gone
    }

    /// Takes an entry out.
    pub(crate) fn remove(&self, index: &mut Index, key: &str) -> Option<Arc<Kept>> {
        let (_, kept) = self.map.remove(key)?;
        index.remove(&kept);
        Some(kept)
    }

    /// Takes everything out and answers how many that were.
    pub(crate) fn clear(&self, index: &mut Index) -> usize {
        self.map.clear();
        std::mem::take(index).keys.len()
    }
}

/// Which keys are there, and under which names.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: BTreeSet<Arc<str>>,
    names: HashMap<Name, HashSet<Arc<str>>>,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Tag(Arc<str>),
    Kind(Arc<str>),
    Dependency(Arc<str>),
    AnyDependency,
}

impl Index {
    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes counted for them.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.keys.iter()
    }

    /// Keys among which everything is that a set means; whether each of them is meant has to be asked.
    pub(crate) fn candidates(&self, set: &Set) -> Vec<Arc<str>> {
        let named = |name: Name| self.names.get(&name).into_iter().flatten().cloned().collect();
        let from = |literal: &str| {
            let rest = self.keys.range::<str, _>((std::ops::Bound::Included(literal), std::ops::Bound::Unbounded));
            rest.take_while(|key| key.starts_with(literal)).cloned().collect()
        };
        match set {
            Set::Key(key) => self.keys.get(key).cloned().into_iter().collect(),
            Set::Prefix(prefix) => from(prefix),
            Set::Glob(glob) => from(glob.literal()),
            Set::Tag(tag) => named(Name::Tag(tag.clone())),
            // Without a tag it means all.
            Set::AllTags(all) => all.first().map_or_else(|| from(""), |tag| named(Name::Tag(tag.clone()))),
            Set::Kind(kind) => named(Name::Kind(kind.clone())),
            Set::DependentsOf(name) => named(Name::Dependency(name.clone())),
            Set::Dependents => named(Name::AnyDependency),
            Set::Everything => from(""),
        }
    }

    fn add(&mut self, kept: &Kept) {
        for name in names(kept) {
            self.names.entry(name).or_default().insert(kept.content.key.clone());
        }
        self.keys.insert(kept.content.key.clone());
        self.bytes += kept.charge;
    }

    fn remove(&mut self, kept: &Kept) {
        if !self.keys.remove(&kept.content.key) {
            return;
        }
        self.bytes -= kept.charge;
        for name in names(kept) {
            let Some(keys) = self.names.get_mut(&name) else { continue };
            keys.remove(&kept.content.key);
            if keys.is_empty() {
                self.names.remove(&name);
            }
        }
    }
}

fn names(kept: &Kept) -> impl Iterator<Item = Name> + '_ {
    let facts = &kept.content.facts;
    let tags = facts.tags.iter().cloned().map(Name::Tag);
    let dependencies = facts.depends_on.iter().cloned().map(Name::Dependency);
    let any = (!facts.depends_on.is_empty()).then_some(Name::AnyDependency);
    tags.chain(dependencies).chain(any).chain([Name::Kind(facts.kind.clone())])
}
