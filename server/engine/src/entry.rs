//! A stored result and what is known about it; its freshness at a moment. Where it is stored is not known here.

use std::{collections::BTreeMap, ops::Deref, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    ahead::RefreshAhead,
    chunks::{self, Chunks},
    clock::Moment,
    compress::Compressed,
};

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes, exactly as they came.
    Value(Bytes),
    /// The same, held smaller in memory.
    Compressed(Compressed),
    /// The same, in the chunks it came in.
    Chunks(Chunks),
    /// A remembered absence or failure.
    Negative(Negative),
}

impl Payload {
    /// A value that came in chunks: plain when it is one small piece, as if it had come so.
    #[must_use]
    pub fn collected(chunks: Chunks) -> Self {
        let plain = chunks.chunks().len() <= 1 && chunks.size() <= chunks::SHA256_BYTES_MAX;
        if plain { Self::Value(chunks.to_bytes()) } else { Self::Chunks(chunks) }
    }

    /// The same with its bytes as they came; `None` when what was held smaller is damaged.
    #[must_use]
    pub fn plain(self) -> Option<Self> {
        match self {
            Self::Compressed(compressed) => compressed.value().map(Self::Value),
            plain => Some(plain),
        }
    }

    /// Bytes of the value as it came; none for a negative result.
    #[must_use]
    pub fn value_bytes(&self) -> u64 {
        match self {
            Self::Value(value) => value.len() as u64,
            Self::Compressed(compressed) => compressed.raw_bytes(),
            Self::Chunks(chunks) => chunks.size(),
            Self::Negative(_) => 0,
        }
    }
}

/// A result that says there is none, or that it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negative {
    /// Reason in UPPER_SNAKE_CASE, at most 64 bytes.
    pub reason: Arc<str>,
    /// A sentence for people, at most 1,024 bytes.
    pub message: Arc<str>,
}

/// What a writer says of an entry besides its payload. Bounds are checked by the flow that takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Description {
    /// Media type; empty for none.
    pub content_type: Arc<str>,
    /// Encoding on top of it; empty for none.
    pub encoding: Arc<str>,
    /// Operation or model type; empty for none.
    pub kind: Arc<str>,
    /// Sorted, without duplicates.
    pub tags: Vec<Arc<str>>,
    /// Free-form facts.
    pub labels: Labels,
    /// What it was made from; `None` for nothing known.
    pub depends_on: Option<Arc<Dependencies>>,
    /// What computing the value cost. The store keeps it apart: descriptions of stored entries say nothing of it.
    pub compute_cost: Option<Duration>,
}

/// Free-form facts by name. Few entries have any: none take no room of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::box_collection, reason = "a third of the room in every description that has none")]
pub struct Labels(Option<Box<BTreeMap<String, String>>>);

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

impl Deref for Labels {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or(&NO_LABELS)
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(labels: T) -> Self {
        let labels: BTreeMap<_, _> = labels.into_iter().collect();
        Self((!labels.is_empty()).then(|| Box::new(labels)))
    }
}

/// What an entry was made from: keys of its namespace, and tags written as `tag:NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dependencies {
    /// What the writer named; of a stored entry sorted, without duplicates.
    pub own: Box<[Arc<str>]>,
    /// What those were made from in their turn when this was stored, besides `own`, and where tiers are shared the tags and
    /// kinds of all of it: kept here because they may go before this does.
    pub inherited: Box<[Arc<str>]>,
}

impl Dependencies {
    /// What a writer names, as it came; `None` for nothing. The flow that stores it puts it in order.
    #[must_use]
    pub fn of(own: impl IntoIterator<Item = Arc<str>>) -> Option<Arc<Self>> {
        let own: Box<[_]> = own.into_iter().collect();
        (!own.is_empty()).then(|| Arc::new(Self { own, inherited: Box::default() }))
    }

    /// The same, with what the writer named in order.
    #[must_use]
    pub fn sorted(self) -> Self {
        let mut own = self.own.into_vec();
        own.sort();
        own.dedup();
        Self { own: own.into(), inherited: self.inherited }
    }

    /// All it depends on.
    pub fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.own.iter().chain(&self.inherited)
    }
}

/// Bytes charged for an entry's own description besides its texts: as the allocator hands them out.
const DESCRIPTION_BYTES: u64 = 144;
/// Bytes charged for each tag besides its text: its places in the description and in the index.
const TAG_BYTES: u64 = 104;
/// Bytes charged for each label besides its texts.
const LABEL_BYTES: u64 = 24;
/// Bytes charged for an entry with dependencies besides its key's text: its place in the graph, that text's and its list's
/// own pieces of memory.
const DEPENDENT_BYTES: u64 = 128;
/// Bytes charged for each dependency besides its text: its places in the list and in the graph.
const DEPENDENCY_BYTES: u64 = 80;
/// Bytes charged for labels at all: where they are.
const LABELS_BYTES: u64 = 32;
/// Bytes charged for each node of the labels, whether it is full or not.
const LABEL_NODE_BYTES: u64 = 640;
/// Labels that a node holds.
const LABELS_PER_NODE: u64 = 11;

impl Description {
    /// What the writer named as what it was made from.
    #[must_use]
    pub fn made_from(&self) -> &[Arc<str>] {
        self.depends_on.as_ref().map_or(&[], |depends_on| &depends_on.own)
    }

    /// Bytes charged to an entry whose own it is, with a key of this length.
    #[must_use]
    pub fn charge(&self, key_bytes: usize) -> u64 {
        let texts = self.content_type.len() + self.encoding.len() + self.kind.len();
        let tags: u64 = self.tags.iter().map(|tag| tag.len() as u64 + TAG_BYTES).sum();
        let labels: u64 = self.labels.iter().map(|(name, text)| (name.len() + text.len()) as u64 + LABEL_BYTES).sum();
        DESCRIPTION_BYTES + texts as u64 + tags + labels + self.label_nodes() + self.dependencies(key_bytes)
    }

    /// Bytes it takes in memory, roughly: what keeps one alive counts them against a bound of its own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 32).sum();
        let labels: usize = self.labels.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>();
        let labels = labels + usize::try_from(self.label_nodes()).unwrap_or(usize::MAX);
        let depends_on: usize = self.depends_on.iter().flat_map(|all| all.all()).map(|name| name.len() + 32).sum();
        size_of::<Self>() + tags + labels + depends_on + self.kind.len() + self.content_type.len() + self.encoding.len()
    }

    fn label_nodes(&self) -> u64 {
        let nodes = (self.labels.len() as u64).div_ceil(LABELS_PER_NODE) * LABEL_NODE_BYTES;
        if nodes == 0 { 0 } else { LABELS_BYTES + nodes }
    }

    fn dependencies(&self, key_bytes: usize) -> u64 {
        let Some(depends_on) = &self.depends_on else { return 0 };
        let each: u64 = depends_on.all().map(|name| name.len() as u64 + DEPENDENCY_BYTES).sum();
        DEPENDENT_BYTES + key_bytes as u64 + each
    }
}

/// A lifetime as asked for; `None` leaves the choice to kind and namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expiration {
    /// Fresh for how long.
    pub ttl: Ttl,
    /// Usable as stale for how long after that.
    pub stale_for: Option<Duration>,
    /// Ends when unread for this long.
    pub idle_ttl: Option<Duration>,
    /// Share of the TTL, 0 to 0.5, taken off at random.
    pub jitter: Option<f64>,
    /// When it is due to be renewed before its end; `None`: as the namespace says.
    pub refresh_ahead: Option<RefreshAhead>,
}

/// The fresh part of a lifetime as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// By kind, else by namespace.
    #[default]
    Default,
    /// By a named class.
    Class(String),
    /// Exactly.
    Exact(Duration),
}

/// An entry as an answer shows it: a snapshot that shares the value's bytes.
#[derive(Clone, Debug)]
pub struct EntryView {
    /// The key's text.
    pub key: Arc<str>,
    /// What was stored.
    pub payload: Payload,
    /// What is known about it.
    pub facts: Facts,
}

/// Where the cost of an entry is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostSource {
    /// The writer said so.
    Given,
    /// Taken here, when the value was fetched.
    Measured,
    /// Nobody said so: it is estimated.
    Estimated,
}

/// What is known about an entry at the moment of an answer.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Opaque version: equal content, equal etag.
    pub etag: Arc<str>,
    /// What the writer said.
    pub description: Arc<Description>,
    /// What computing the value cost, if that was given or measured.
    pub compute_cost: Option<Duration>,
    /// Where that is known from.
    pub cost_source: CostSource,
    /// Bytes of the value.
    pub size_bytes: u64,
    /// Bytes charged.
    pub charged_bytes: u64,
    /// What identifies the value: its SHA-256 up to 3 MiB, see [`chunks::digest_of_value`].
    pub digest: [u8; 32],
    /// SHA-256 of the value; `None`: it is a large one of which nobody worked that out.
    pub sha256: Option<[u8; 32]>,
    /// Since it was stored or confirmed.
    pub age: Duration,
    /// Until it is stale; zero when it is.
    pub fresh_for: Duration,
    /// Until it may not be used at all.
    pub usable_for: Duration,
    /// Gets answered.
    pub hit_count: u64,
    /// Whether it makes no room for others now.
    pub pinned: bool,
    /// Whether it was marked stale since it was stored, or is to become stale by that.
    pub marked_stale: bool,
    /// Why computing it anew failed, when that was tried last.
    pub failure: Option<Box<FailureView>>,
}

/// A computation that was to renew an entry and failed, at the moment of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureView {
    /// Why.
    pub negative: Negative,
    /// How long ago.
    pub age: Duration,
    /// For how long it is remembered as an answer: until then nobody is to try again.
    pub retry_after: Duration,
}

/// Whether an entry may be served at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Within its TTL.
    Fresh,
    /// Past its TTL or marked stale, within its `stale_for`.
    Stale,
    /// Past both, or idle for too long.
    Gone,
}

/// When an entry stops being fresh and when it stops being usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Fresh before this moment.
    pub fresh_until: Moment,
    /// Usable before this moment; not before `fresh_until`.
    pub usable_until: Moment,
}

impl Deadlines {
    /// The same for what is stale from `at` on at the latest: usable for as long as before after its fresh time, which
    /// is never longer than before.
    #[must_use]
    pub fn stale_from(self, at: Moment) -> Self {
        let stale_for = self.usable_until.since(self.fresh_until);
        let fresh_until = self.fresh_until.min(at);
        Self { fresh_until, usable_until: fresh_until.after(stale_for).min(self.usable_until) }
    }

    /// Freshness at `now`, idleness aside.
    #[must_use]
    pub fn at(&self, now: Moment) -> Freshness {
        if now < self.fresh_until {
            Freshness::Fresh
        } else if now < self.usable_until {
            Freshness::Stale
        } else {
            Freshness::Gone
        }
    }
}
