//! What may happen to a cache, and how likely: settings and operations as strategies. What they lead to is not known
//! here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    clock::Moment,
    entry::{Negative, Payload},
    flow::{get::StalePolicy, touch::TouchMode},
    policy::{Objective, REGISTRY},
    selector::Selector,
};
use proptest::{collection::vec, option, prelude::*, sample::select, strategy::BoxedStrategy};

use super::reference::{Answer, Reference};

/// The namespaces, all configured.
pub(crate) const SPACES: [&str; 3] = ["one", "two", "three"];
/// The keys of each.
pub(crate) const KEYS: [&str; 16] =
    ["a", "a:b", "a:b:1", "a:b:2", "a:c", "b", "b:1", "b:2", "m:x", "m:y", "n:1", "n:2", "n:3", "n:4", "z", "z:z"];
const TAGS: [&str; 3] = ["blue", "green", "red"];
const KINDS: [&str; 3] = ["", "fit", "predict"];
/// Sizes at which the store changes how it keeps a value, and their neighbours.
const EDGES: [usize; 9] = [0, 1, 255, 256, 1023, 1024, 1025, 4095, 4096];

/// A namespace and a key, by number.
pub(crate) type Id = (usize, usize);

/// What a cache is made with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) shards: usize,
    pub(crate) bytes_max: u64,
    pub(crate) entries_max: u64,
    pub(crate) objective: Objective,
    pub(crate) spaces: Vec<Space>,
}

/// What a namespace is made with.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) policy: &'static str,
    pub(crate) bytes_max: Option<u64>,
    pub(crate) entries_max: Option<u64>,
    pub(crate) weight: f64,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// A byte and how many of it; `None`: a remembered absence.
    pub(crate) value: Option<(u8, usize)>,
    pub(crate) kind: &'static str,
    /// A bit for each tag.
    tags: u8,
    pub(crate) cost: Option<Duration>,
}

/// For how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) ttl: Duration,
    pub(crate) stale: Duration,
    pub(crate) idle: Option<Duration>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// `absent`: only where nothing is.
    Put {
        id: Id,
        written: Written,
        lifetime: Lifetime,
        absent: bool,
    },
    Get {
        id: Id,
        stale: StalePolicy,
        peek: bool,
        max_age: Option<Duration>,
    },
    /// A look for what memory has of these keys, which is how most reads are answered.
    Glance {
        space: usize,
        keys: Vec<usize>,
    },
    Touch {
        id: Id,
        mode: TouchMode,
        lifetime: Lifetime,
    },
    Invalidate {
        space: usize,
        selectors: Vec<Selector>,
    },
    List {
        space: usize,
        page_size: usize,
    },
    Maintain,
    Advance(Duration),
    Clear,
}

impl Written {
    pub(crate) fn is_negative(&self) -> bool {
        self.value.is_none()
    }

    pub(crate) fn payload(&self) -> Payload {
        match self.value {
            Some((byte, length)) => Payload::Value(Bytes::from(vec![byte; length])),
            None => Payload::Negative(Negative { reason: "NOT_FOUND".into(), message: "".into() }),
        }
    }

    /// Whether a cache takes both for the same.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.value == other.value && self.kind == other.kind && self.tags == other.tags
    }

    pub(crate) fn tags(&self) -> Vec<Arc<str>> {
        let named = TAGS.iter().enumerate().filter(|(number, _)| self.tags & 1 << number != 0);
        named.map(|(_, tag)| Arc::from(*tag)).collect()
    }
}

fn ids() -> impl Strategy<Value = Id> {
    (0..SPACES.len(), 0..KEYS.len())
}

/// Whole microseconds up to so many milliseconds.
fn spans(milliseconds_max: u64) -> impl Strategy<Value = Duration> {
    (1000..=milliseconds_max * 1000).prop_map(Duration::from_micros)
}

fn lifetimes() -> impl Strategy<Value = Lifetime> {
    let stale = prop_oneof![3 => Just(Duration::ZERO), 2 => spans(2000)];
    let ttl = prop_oneof![8 => spans(4000), 1 => spans(900_000)];
    (ttl, stale, option::weighted(0.3, spans(2000))).prop_map(|(ttl, stale, idle)| Lifetime { ttl, stale, idle })
}

fn values() -> impl Strategy<Value = Option<(u8, usize)>> {
    let length = prop_oneof![
        6 => 0..64_usize,
        3 => select(&EDGES[..]),
        5 => 64..4000_usize,
        2 => 4000..30_000_usize,
        1 => 30_000..300_000_usize,
    ];
    // An empty value has no bytes to tell apart.
    let value = (0..3_u8, length).prop_map(|(byte, length)| (if length == 0 { 0 } else { byte }, length));
    option::weighted(0.9, value)
}

fn written() -> impl Strategy<Value = Written> {
    let tags = prop_oneof![2 => Just(0), 1 => 0..8_u8];
    let cost = option::of((0..5_000_000_u64).prop_map(Duration::from_micros));
    (values(), select(&KINDS[..]), tags, cost).prop_map(|(value, kind, tags, cost)| Written { value, kind, tags, cost })
}

fn selectors() -> impl Strategy<Value = Selector> {
    let key = || (0..KEYS.len()).prop_map(|key| KEYS[key]);
    let made = |made: Result<Selector, hotplate_engine::Error>| made.expect("a selector of this file is well formed");
    prop_oneof![
        6 => key().prop_map(move |key| made(Selector::key(key))),
        2 => key().prop_map(move |key| made(Selector::prefix(&key[..1]))),
        1 => select(&["a:?:*", "*:1", "z*", "[mn]:?"][..]).prop_map(move |text| made(Selector::glob(text))),
        2 => select(&TAGS[..]).prop_map(move |tag| made(Selector::tag(tag))),
        1 => select(&TAGS[..]).prop_map(move |tag| made(Selector::all_tags([tag, "red"]))),
        1 => select(&KINDS[1..]).prop_map(move |kind| made(Selector::kind(kind))),
        1 => Just(Selector::Everything),
    ]
}

/// Operations, the ones that fill a cache most often.
pub(crate) fn operations() -> BoxedStrategy<Operation> {
    let put = (ids(), written(), lifetimes(), prop::bool::weighted(0.2))
        .prop_map(|(id, written, lifetime, absent)| Operation::Put { id, written, lifetime, absent });
    let stale = select(&[StalePolicy::Refuse, StalePolicy::WhileRevalidate, StalePolicy::IfError][..]);
    let get = (ids(), stale, prop::bool::weighted(0.2), option::weighted(0.1, spans(1000)))
        .prop_map(|(id, stale, peek, max_age)| Operation::Get { id, stale, peek, max_age });
    let glance =
        (0..SPACES.len(), vec(0..KEYS.len(), 1..6)).prop_map(|(space, keys)| Operation::Glance { space, keys });
    let mode = select(&[TouchMode::Set, TouchMode::Extend, TouchMode::Shorten][..]);
    let touch = (ids(), mode, lifetimes()).prop_map(|(id, mode, lifetime)| Operation::Touch { id, mode, lifetime });
    let invalidate = (0..SPACES.len(), vec(selectors(), 1..4))
        .prop_map(|(space, selectors)| Operation::Invalidate { space, selectors });
    let list = (0..SPACES.len(), 1..8_usize).prop_map(|(space, page_size)| Operation::List { space, page_size });
    let advance = prop_oneof![20 => spans(600), 1 => spans(100_000)].prop_map(Operation::Advance);
    prop_oneof![
        40 => put,
        30 => get,
        8 => glance,
        8 => touch,
        4 => invalidate,
        2 => list,
        4 => Just(Operation::Maintain),
        8 => advance,
        1 => Just(Operation::Clear),
    ]
    .boxed()
}

/// Caches that are too small for what will be written, with every policy there is.
pub(crate) fn setups() -> BoxedStrategy<Reference> {
    let policy = (0..REGISTRY.len()).prop_map(|number| REGISTRY[number].name);
    let quota = option::weighted(0.4, prop_oneof![3000..60_000_u64, 60_000..500_000_u64]);
    let space = (policy, quota, option::weighted(0.2, 1..10_u64), select(&[0.25, 1.0, 3.0][..]));
    let space =
        space.prop_map(|(policy, bytes_max, entries_max, weight)| Space { policy, bytes_max, entries_max, weight });
    let bytes_max = prop_oneof![8000..60_000_u64, 60_000..1_000_000_u64];
    let entries_max = prop_oneof![3 => Just(1_000_000), 1 => 5..40_u64];
    let objective = (0..Objective::ALL.len()).prop_map(|number| Objective::ALL[number].0);
    let shards = select(&[1_usize, 4, 16][..]);
    let sizes = (any::<u64>(), shards, bytes_max, entries_max, objective, vec(space, SPACES.len()));
    sizes
        .prop_map(|(seed, shards, bytes_max, entries_max, objective, spaces)| Reference {
            setup: Setup { seed, shards, bytes_max, entries_max, objective, spaces },
            now: Moment(0),
            known: BTreeMap::new(),
            answer: Answer::None,
        })
        .boxed()
}
