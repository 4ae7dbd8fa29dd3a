//! A tier of this machine that lies in memory: what it holds outlives a cache. It is as slow, forgetful and unhelpful as the
//! port allows.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use futures::future::BoxFuture;
use hotplate_engine::{
    key::Key,
    selector::{Facets, OPEN, Selector, TAG_PREFIX},
    tier::{
        Kept, TierError, TierErrorKind, TierName, TierState,
        local::{HandedDown, LocalTier, Owed, Saved},
        shared::FenceName,
    },
};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// How it is unhelpful.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// One put in so many is not taken; zero: all are.
    pub(crate) refuses_one_in: u32,
    /// One entry in so many is gone when the next is put; zero: none.
    pub(crate) loses_one_in: u32,
    /// A read is answered after up to so many turns of the others with what was there when it began.
    pub(crate) turns_max: u32,
}

/// The double.
pub(crate) struct Disk {
    held: Mutex<Held>,
    manners: Manners,
    /// Reads that were asked of it.
    pub(crate) reads: AtomicUsize,
    /// Times somebody waited for what was forgotten to be written.
    pub(crate) settled: AtomicUsize,
    /// While set, reads fail.
    pub(crate) away: AtomicBool,
    /// While set, what is forgotten cannot be written.
    pub(crate) unwritable: AtomicBool,
    /// While set, reads wait.
    pub(crate) stuck: tokio::sync::watch::Sender<bool>,
}

struct Held {
    entries: HashMap<Key, Kept>,
    order: VecDeque<Key>,
    handed: Vec<(Key, HandedDown)>,
    random: StdRng,
    saved: Option<Saved>,
    owes: Owes,
}

/// What is owed: as it is kept, as it was handed over since, and as it was found.
#[derive(Default)]
struct Owes {
    kept: Vec<FenceName>,
    handed: Vec<FenceName>,
    found: Owed,
}

impl Disk {
    pub(crate) fn new(seed: u64, manners: Manners) -> Arc<Self> {
        let random = StdRng::seed_from_u64(seed);
        let held = Held {
            entries: HashMap::new(),
            order: VecDeque::new(),
            handed: Vec::new(),
            random,
            saved: None,
            owes: Owes::default(),
        };
        Arc::new(Self {
            held: Mutex::new(held),
            manners,
            reads: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            unwritable: AtomicBool::new(false),
            stuck: tokio::sync::watch::Sender::new(false),
        })
    }

    pub(crate) fn entry(&self, key: &str) -> Option<Kept> {
        self.held.lock().entries.get(&Key::new("", key).unwrap()).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.held.lock().entries.keys().map(|key| key.text().to_string()).collect();
        keys.sort();
        keys
    }

    pub(crate) fn handed(&self) -> Vec<(String, HandedDown)> {
        let handed = std::mem::take(&mut self.held.lock().handed);
        handed.into_iter().map(|(key, why)| (key.text().to_string(), why)).collect()
    }

    /// The process above it ends without a word, and another one opens it. `damaged`: it cannot read all that was owed.
    pub(crate) fn crash(&self, damaged: bool) {
        let owes = &mut self.held.lock().owes;
        owes.handed.clear();
        owes.found = Owed { names: owes.kept.clone(), all: damaged };
    }

    /// What it keeps of what is owed.
    pub(crate) fn owed(&self) -> usize {
        self.held.lock().owes.kept.len()
    }

    fn retain(&self, namespace: &str, keep: impl Fn(&Facets<'_>, &Kept) -> bool) {
        self.held.lock().entries.retain(|key, kept| {
            let said = &kept.description;
            let all: Vec<Arc<str>> = said.depends_on.iter().flat_map(|on| on.all().cloned()).collect();
            let facets = Facets { key: key.text(), kind: &said.kind, tags: &said.tags, depends_on: &all };
            **key.namespace() != *namespace || keep(&facets, kept)
        });
    }
}

impl LocalTier for Disk {
    fn name(&self) -> TierName {
        TierName::Disk
    }

    fn put(&self, key: &Key, kept: Kept, why: HandedDown) -> bool {
        let mut held = self.held.lock();
        let one_in = |held: &mut Held, many: u32| many > 0 && held.random.random_range(0..many) == 0;
        held.entries.remove(key);
        if one_in(&mut held, self.manners.refuses_one_in) {
            return false;
        }
        held.handed.push((key.clone(), why));
        held.entries.insert(key.clone(), kept);
        held.order.push_back(key.clone());
        if one_in(&mut held, self.manners.loses_one_in)
            && let Some(oldest) = held.order.pop_front()
        {
            held.entries.remove(&oldest);
        }
        true
    }

    fn forget(&self, key: &Key) -> bool {
        self.held.lock().entries.remove(key).is_some()
    }

    fn forget_sets(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        self.retain(namespace, |facets, _| !selectors.iter().any(|selector| selector.selects(facets)));
    }

    fn forget_all(&self) {
        self.held.lock().entries.clear();
    }

    fn forget_dependents(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        let hit = |name: &Arc<str>| match name.strip_prefix(TAG_PREFIX) {
            Some(tag) => selectors.iter().any(|selector| matches!(selector, Selector::Tag(named) if **named == *tag)),
            None => {
                let by_text = |selector: &&Selector| {
                    matches!(selector, Selector::Key(_) | Selector::Prefix(_) | Selector::Glob(_))
                };
                selectors.iter().filter(by_text).any(|selector| selector.selects(&Facets::of_key(name)))
            }
        };
        self.retain(namespace, |facets, _| !facets.depends_on.iter().any(|name| **name == *OPEN || hit(name)));
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), TierError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.settled.fetch_add(1, SeqCst);
            if self.unwritable.load(SeqCst) {
                return Err(TierError { kind: TierErrorKind::Unreachable, message: "it is read-only".to_owned() });
            }
            Ok(())
        })
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Kept>, TierError>> {
        self.reads.fetch_add(1, SeqCst);
        let (found, turns) = {
            let mut held = self.held.lock();
            let turns = held.random.random_range(0..=self.manners.turns_max);
            (held.entries.get(key).cloned(), turns)
        };
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            let mut stuck = self.stuck.subscribe();
            stuck.wait_for(|stuck| !stuck).await.unwrap();
            if self.away.load(SeqCst) {
                return Err(TierError { kind: TierErrorKind::Away, message: "it is away".to_owned() });
            }
            Ok(found)
        })
    }

    fn holds(&self, key: &Key) -> bool {
        self.held.lock().entries.contains_key(key)
    }

    fn positions(&self) -> Option<Saved> {
        self.held.lock().saved.clone()
    }

    fn save_positions(&self, saved: Option<Saved>) {
        self.held.lock().saved = saved;
    }

    fn take_owed(&self) -> Owed {
        std::mem::take(&mut self.held.lock().owes.found)
    }

    fn owe(&self, names: &[FenceName]) {
        self.held.lock().owes.handed.extend_from_slice(names);
    }

    fn owe_only(&self, names: &[FenceName]) {
        let owes = &mut self.held.lock().owes;
        owes.handed.clear();
        owes.kept = names.to_vec();
    }

    fn owed_kept(&self) -> BoxFuture<'_, Result<(), TierError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            if self.unwritable.load(SeqCst) {
                return Err(TierError { kind: TierErrorKind::Unreachable, message: "it is read-only".to_owned() });
            }
            let owes = &mut self.held.lock().owes;
            let handed = std::mem::take(&mut owes.handed);
            owes.kept.extend(handed);
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn state(&self) -> TierState {
        TierState { entries: Some(self.held.lock().entries.len() as u64), ..TierState::default() }
    }
}
