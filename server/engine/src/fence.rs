//! Fences and the validity test: whether something computed at one place in the history may still be stored or served.
//!
//! Pure: no locks, no clock, no bytes. Whoever owns a fence table decides when to raise and when to ask.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

mod marks;

use lru::LruCache;

use self::marks::Marks;
pub use self::marks::{Mark, SPREAD_MAX};
use crate::{
    clock::Moment,
    key::Key,
    position::{AsOf, LOGS, LogId},
    selector::{Facets, Selector},
};

/// Bytes that remembered selectors may take on average; longer ones leave room for fewer.
const FENCE_BYTES_MEAN: usize = 256;

/// The place in the history at which the computation of a value began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The history it belongs to.
    pub epoch: u64,
    /// Number in the key's log.
    pub key: u64,
    /// Number in the selector log.
    pub selector: u64,
}

impl From<AsOf> for Stamp {
    fn from(as_of: AsOf) -> Self {
        Self { epoch: as_of.key.epoch, key: as_of.key.number, selector: as_of.selector.number }
    }
}

/// For each key of one shard, the number of its last authoritative change. Bounded: the oldest fences are forgotten
/// and raise the floor of their log, which refuses every fill older than it.
#[derive(Debug)]
pub struct KeyFences {
    epoch: u64,
    fences: LruCache<(LogId, u64), u64>,
    floors: [u64; LOGS],
}

impl KeyFences {
    /// Remembers at most `fences_max` keys of one history.
    #[must_use]
    pub fn new(epoch: u64, fences_max: NonZeroUsize) -> Self {
        Self { epoch, fences: LruCache::new(fences_max), floors: [0; LOGS] }
    }

    /// Notes an authoritative change of this key: a Put or an Invalidate that named it, not a fill.
    pub fn raise(&mut self, key: &Key, number: u64) {
        let fence = (key.log(), key.hash());
        if let Some((forgotten, old)) = self.fences.push(fence, number)
            && forgotten != fence
        {
            let floor = &mut self.floors[forgotten.0.index()];
            *floor = old.max(*floor);
        }
    }

    /// Whether a fill whose computation began at `stamp` may be stored. Stored entries need not ask again: an
    /// Invalidate drops them under the same lock that raises the fence. Keys whose hashes collide share a fence, which
    /// can only refuse more.
    #[must_use]
    pub fn admit(&self, key: &Key, stamp: Stamp) -> bool {
        let known = self.fences.peek(&(key.log(), key.hash())).copied();
        stamp.epoch == self.epoch && stamp.key >= known.unwrap_or(self.floors[key.log().index()])
    }
}

/// When each key of one shard was last confirmed by a writer that found its own content already there. That is no change
/// and takes no number, but what was fetched before it may be older than what the writer knows. Bounded: forgetting the
/// oldest refuses every fill that began before it.
#[derive(Debug)]
pub struct Confirmations {
    uses: LruCache<(LogId, u64), u64>,
    floor: u64,
}

impl Confirmations {
    /// Remembers at most `keys_max` keys.
    #[must_use]
    pub fn new(keys_max: NonZeroUsize) -> Self {
        Self { uses: LruCache::new(keys_max), floor: 0 }
    }

    /// Notes that a writer confirmed this key, at this place in the order of uses.
    pub fn note(&mut self, key: &Key, place: u64) {
        let confirmed = (key.log(), key.hash());
        if let Some((forgotten, old)) = self.uses.push(confirmed, place)
            && forgotten != confirmed
        {
            self.floor = self.floor.max(old);
        }
    }

    /// Whether a fill whose computation began at this place in the order of uses is newer than every confirmation.
    #[must_use]
    pub fn admit(&self, key: &Key, place: u64) -> bool {
        let known = self.uses.peek(&(key.log(), key.hash())).copied();
        place > known.unwrap_or(self.floor)
    }
}

/// For each key of one shard, when what is made from it was last dropped together with it. A key's own fence says nothing of
/// that: another content in its place leaves what was made from it alone. Bounded: the oldest are forgotten and raise the
/// floor, which refuses everything that depends on anything and was computed before.
#[derive(Debug)]
pub struct DependencyFences {
    hits: LruCache<(LogId, u64), Hit>,
    floor: Hit,
}

/// When what is made from a key was dropped; zero: never that way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// By its name: the place in the store's order of uses.
    pub place: u64,
    /// By more than its name: the number in the selector log.
    pub selector: u64,
}

impl DependencyFences {
    /// Remembers at most `keys_max` keys.
    #[must_use]
    pub fn new(keys_max: NonZeroUsize) -> Self {
        Self { hits: LruCache::new(keys_max), floor: Hit::default() }
    }

    /// Notes that what is made from this key was dropped.
    pub fn raise(&mut self, key: &Key, hit: Hit) {
        let name = (key.log(), key.hash());
        let hit = self.hit(key).or(hit);
        if let Some((forgotten, old)) = self.hits.push(name, hit)
            && forgotten != name
        {
            self.floor = self.floor.or(old);
        }
    }

    /// When what is made from this key was last dropped, or later.
    #[must_use]
    pub fn hit(&self, key: &Key) -> Hit {
        self.hits.peek(&(key.log(), key.hash())).copied().unwrap_or(self.floor)
    }

    /// Whether what is made from this key, and whose computation began here, may be stored.
    #[must_use]
    pub fn admit(&self, key: &Key, (stamp, place): (Stamp, u64)) -> bool {
        let hit = self.hit(key);
        place > hit.place && stamp.selector >= hit.selector
    }
}

impl Hit {
    /// The later of both, in either way.
    fn or(self, other: Self) -> Self {
        Self { place: self.place.max(other.place), selector: self.selector.max(other.selector) }
    }
}

/// The fences that select more than a key: tags, kinds, prefixes, globs and whole namespaces. Bounded: the oldest are
/// forgotten and raise the floor of their namespace, below which everything in it counts as invalid.
#[derive(Debug)]
pub struct SelectorFences {
    epoch: u64,
    namespaces: HashMap<Arc<str>, NamespaceFences>,
    raised: VecDeque<(Arc<str>, Selector, u64)>,
    fences_max: usize,
    /// Bytes of the selectors in `raised`.
    bytes: usize,
    newest: Newest,
}

/// The number up to which the selector log is applied, for those who do not hold the lock of the fences. It rises before the
/// fences do: who sees a number that what it looks at is not vouched for takes the lock, and waits there until they did.
#[derive(Clone, Debug, Default)]
pub struct Newest(Arc<AtomicU64>);

impl Newest {
    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn rise(&self, number: u64) {
        self.0.fetch_max(number, Ordering::AcqRel);
    }
}

/// What the fences that were raised since make of something stored or computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Untouched,
    /// It was marked stale: from which moment on by the mark that comes first, and the number of the newest one.
    Marked(Moment, u64),
    /// It was dropped, whatever marked it.
    Dropped,
}

/// Which fence concerns an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// Its number in the selector log.
    pub number: u64,
    /// Whether it is the floor: the fences up to there were forgotten, and count for everything in the namespace.
    pub floor: bool,
}

#[derive(Debug, Default)]
struct NamespaceFences {
    newest: u64,
    /// The newest one that selects by tags or kind, also among those forgotten.
    by_meaning: u64,
    /// Of this namespace alone: what one namespace invalidates never costs another its entries.
    floor: u64,
    everything: u64,
    tags: HashMap<Arc<str>, u64>,
    kinds: HashMap<Arc<str>, u64>,
    keys: HashMap<Arc<str>, u64>,
    /// By what the selected were made from.
    dependencies: HashMap<Arc<str>, u64>,
    /// By length, so that a key is tested against the lengths that exist and not against every prefix.
    prefixes: BTreeMap<usize, HashMap<Arc<str>, u64>>,
    /// Globs and sets of tags, which have to be matched one by one.
    patterns: HashMap<Selector, u64>,
    marks: Marks,
}

impl SelectorFences {
    /// Remembers at most `fences_max` fences of one history, not counting those of whole namespaces.
    #[must_use]
    pub fn new(epoch: u64, fences_max: usize) -> Self {
        Self {
            epoch,
            namespaces: HashMap::new(),
            raised: VecDeque::new(),
            fences_max,
            bytes: 0,
            newest: Newest::default(),
        }
    }

    /// [`Self::newest`] for those who do not hold the lock.
    #[must_use]
    pub fn newest_shared(&self) -> Newest {
        self.newest.clone()
    }

    /// The number up to which the selector log is applied here. Answers and tickets carry this one, read under the
    /// lock of these fences, and never the log's own number: that one runs ahead while a fence is being raised.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest.get()
    }

    /// Notes that what any of `selectors` selects in `namespace` was invalidated at `number`. Call it under the same
    /// write lock under which the change was appended.
    pub fn raise(&mut self, namespace: &Arc<str>, selectors: &[Selector], number: u64) {
        self.newest.rise(number);
        let fences = self.namespaces.entry(namespace.clone()).or_default();
        fences.newest = fences.newest.max(number);
        fences.note_meaning(selectors, number);
        for selector in selectors {
            fences.set(selector, number);
            if *selector != Selector::Everything {
                self.bytes += selector.bytes();
                self.raised.push_back((namespace.clone(), selector.clone(), number));
            }
        }
        self.bound();
    }

    /// Notes that what any of `selectors` selects in `namespace` was marked stale at `number`. Call it under the same
    /// write lock under which the change was appended.
    pub fn mark(&mut self, namespace: &Arc<str>, selectors: &[Selector], (number, mark): (u64, Mark)) {
        self.newest.rise(number);
        let fences = self.namespaces.entry(namespace.clone()).or_default();
        fences.newest = fences.newest.max(number);
        fences.note_meaning(selectors, number);
        for selector in selectors {
            fences.marks.raise(selector, number, mark);
            self.bytes += selector.bytes();
            self.raised.push_back((namespace.clone(), selector.clone(), number));
        }
        self.bound();
    }

    fn bound(&mut self) {
        while self.raised.len() > self.fences_max || self.bytes > self.fences_max.saturating_mul(FENCE_BYTES_MEAN) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((namespace, selector, number)) = self.raised.pop_front() else { return };
        self.bytes -= selector.bytes();
        if let Some(fences) = self.namespaces.get_mut(&namespace)
            && (fences.forget(&selector, number) || fences.marks.forget(&selector, number))
        {
            fences.floor = fences.floor.max(number);
        }
    }

    /// Whether something with these facets, computed at `stamp`, is untouched by every fence: what was marked stale since
    /// must not be stored as fresh.
    #[must_use]
    pub fn allow(&self, namespace: &str, facets: &Facets<'_>, stamp: Stamp) -> bool {
        self.standing(namespace, facets, stamp) == Standing::Untouched
    }

    /// What has become of something with these facets that was last vouched for at `stamp`. What was dropped stays so
    /// whatever marked it before or after. Unless it was dropped, its stamp's selector number may then be set to
    /// [`SelectorFences::newest`].
    #[must_use]
    pub fn standing(&self, namespace: &str, facets: &Facets<'_>, stamp: Stamp) -> Standing {
        let number = stamp.selector;
        if stamp.epoch != self.epoch {
            return Standing::Dropped;
        }
        let fences = self.namespaces.get(namespace).filter(|fences| number < self.newest() && number < fences.newest);
        let Some(fences) = fences else { return Standing::Untouched };
        if number < fences.floor.max(fences.highest(facets)) {
            return Standing::Dropped;
        }
        fences.marks.first(facets, number).map_or(Standing::Untouched, |(at, by)| Standing::Marked(at, by))
    }
}

impl SelectorFences {
    /// The newest fence of a namespace that selects by more than the text of a key; zero: none.
    #[must_use]
    pub fn newest_by_meaning(&self, namespace: &str) -> u64 {
        self.namespaces.get(namespace).map_or(0, |fences| fences.by_meaning.max(fences.floor))
    }

    /// The newest fence that concerns something with these facets, wherever it is vouched for.
    #[must_use]
    pub fn concerning(&self, namespace: &str, facets: &Facets<'_>) -> Option<Fenced> {
        let fences = self.namespaces.get(namespace)?;
        let highest = fences.highest(facets);
        let number = highest.max(fences.floor);
        (number > 0).then_some(Fenced { number, floor: highest < number })
    }

    /// The number of the newest fence of a namespace, whatever it selects; zero for none.
    #[must_use]
    pub fn newest_in(&self, namespace: &str) -> u64 {
        self.namespaces.get(namespace).map_or(0, |fences| fences.newest)
    }

    /// Forgets the fences below a number without raising a floor: for an owner who keeps nothing that is as old.
    pub fn forget_below(&mut self, number: u64) {
        while let Some((namespace, selector, raised)) = self.raised.front().filter(|oldest| oldest.2 < number).cloned()
        {
            self.raised.pop_front();
            self.bytes -= selector.bytes();
            if let Some(fences) = self.namespaces.get_mut(&namespace)
                && !fences.forget(&selector, raised)
            {
                fences.marks.forget(&selector, raised);
            }
        }
    }
}

impl NamespaceFences {
    fn note_meaning(&mut self, selectors: &[Selector], number: u64) {
        let by_meaning = |selector: &Selector| {
            !matches!(selector, Selector::Key(_) | Selector::Prefix(_) | Selector::Glob(_) | Selector::Everything)
        };
        if selectors.iter().any(by_meaning) {
            self.by_meaning = self.by_meaning.max(number);
        }
    }

    /// Sets a fence, unless a newer one of the same name is known: they may be heard of in any order.
    fn set(&mut self, selector: &Selector, number: u64) {
        let fence = match selector {
            Selector::Tag(tag) => self.tags.entry(tag.clone()).or_default(),
            Selector::Kind(kind) => self.kinds.entry(kind.clone()).or_default(),
            Selector::Key(key) => self.keys.entry(key.clone()).or_default(),
            Selector::DependentsOf(name) => self.dependencies.entry(name.clone()).or_default(),
            Selector::Prefix(prefix) => {
                self.prefixes.entry(prefix.len()).or_default().entry(prefix.clone()).or_default()
            }
            Selector::Glob(_) | Selector::AllTags(_) | Selector::MadeFrom(_) => {
                self.patterns.entry(selector.clone()).or_default()
            }
            Selector::Everything => &mut self.everything,
        };
        *fence = number.max(*fence);
    }

    /// Forgets a fence unless it was raised again since; says whether it did.
    fn forget(&mut self, selector: &Selector, number: u64) -> bool {
        match selector {
            Selector::Tag(tag) => forget_at(&mut self.tags, tag, number),
            Selector::Kind(kind) => forget_at(&mut self.kinds, kind, number),
            Selector::Key(key) => forget_at(&mut self.keys, key, number),
            Selector::DependentsOf(name) => forget_at(&mut self.dependencies, name, number),
            Selector::Prefix(prefix) => {
                let Some(same_length) = self.prefixes.get_mut(&prefix.len()) else { return false };
                let forgotten = forget_at(same_length, prefix, number);
                if same_length.is_empty() {
                    self.prefixes.remove(&prefix.len());
                }
                forgotten
            }
            Selector::Glob(_) | Selector::AllTags(_) | Selector::MadeFrom(_) => {
                forget_at(&mut self.patterns, selector, number)
            }
            Selector::Everything => false,
        }
    }

    /// The newest fence that selects these facets.
    fn highest(&self, facets: &Facets<'_>) -> u64 {
        let tags = facets.tags.iter().filter_map(|tag| self.tags.get(tag));
        let kind = self.kinds.get(facets.kind).filter(|_| !facets.kind.is_empty());
        let prefixes = self
            .prefixes
            .iter()
            .filter_map(|(length, same_length)| facets.key.get(..*length).and_then(|prefix| same_length.get(prefix)));
        let key = self.keys.get(facets.key);
        let dependencies = facets.depends_on.iter().filter_map(|name| self.dependencies.get(name));
        let patterns = self.patterns.iter().filter(|(selector, _)| selector.selects(facets)).map(|(_, number)| number);
        let named = tags.chain(kind).chain(key).chain(dependencies);
        named.chain(prefixes).chain(patterns).copied().fold(self.everything, u64::max)
    }
}

fn forget_at<K: std::hash::Hash + Eq>(fences: &mut HashMap<K, u64>, name: &K, number: u64) -> bool {
    let current = fences.get(name) == Some(&number);
    if current {
        fences.remove(name);
    }
    current
}
