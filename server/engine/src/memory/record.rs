//! An entry as the store holds it: payload, facts, deadlines, and the stamp it is valid by.

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};

use crate::{
    clock::Moment,
    entry::{Deadlines, Description, EntryView, Facts, Freshness, Payload},
    fence::Stamp,
    key::Key,
    memory::wheel::Tick,
    selector::Facets,
};

/// Bytes charged for an entry besides its texts and its value: its record and its places in the map, in the order of
/// eviction and in the wheel. Calibrated by `tests/accounting.rs` against what the allocator hands out.
const FIXED_BYTES: u64 = 780;
/// Bytes charged for each tag besides its text: its places in the entry and in the index.
const TAG_BYTES: u64 = 175;
/// Bytes charged for each label besides its texts.
const LABEL_BYTES: u64 = 100;

/// Content of an entry, as a writer gives it.
#[derive(Clone, Debug)]
pub struct Content {
    /// What is stored.
    pub payload: Payload,
    /// What the writer says of it.
    pub description: Arc<Description>,
    /// SHA-256 of the value.
    pub digest: [u8; 32],
    /// Opaque version.
    pub etag: Arc<str>,
}

/// A lifetime that has been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When it stops being fresh and usable.
    pub deadlines: Deadlines,
    /// Ends when unread for this long.
    pub idle_ttl: Option<Duration>,
}

/// An entry as stored.
#[derive(Debug)]
pub struct Record {
    /// What it is.
    pub content: Content,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// When it was stored or last confirmed.
    pub stored: Moment,
    /// When it was last read, for its idle TTL.
    pub read: Moment,
    /// Gets answered.
    pub hits: u64,
    /// Bytes charged.
    pub charged: u64,
    /// The place in the history it is vouched for.
    pub stamp: Stamp,
    /// The tick its deadline is scheduled at.
    pub tick: Tick,
}

impl Content {
    /// Describes a payload: computes digest and etag.
    #[must_use]
    pub fn new(payload: Payload, description: Description) -> Self {
        let digest = digest(&payload);
        let etag = etag(&payload, &digest, &description);
        Self { payload, description: Arc::new(description), digest, etag }
    }

    /// Bytes of the value.
    #[must_use]
    pub fn value_bytes(&self) -> u64 {
        match &self.payload {
            Payload::Value(value) => value.len() as u64,
            Payload::Negative(_) => 0,
        }
    }

    /// Bytes charged when it is stored under this key.
    #[must_use]
    pub fn charge(&self, key: &Key) -> u64 {
        let payload = match &self.payload {
            Payload::Value(value) => value.len(),
            Payload::Negative(negative) => negative.reason.len() + negative.message.len() + 32,
        };
        let said = &self.description;
        let texts = said.content_type.len() + said.encoding.len() + said.kind.len();
        let tags: u64 = said.tags.iter().map(|tag| 2 * tag.len() as u64 + TAG_BYTES).sum();
        let labels: u64 = said.labels.iter().map(|(name, text)| (name.len() + text.len()) as u64 + LABEL_BYTES).sum();
        FIXED_BYTES + (payload + key.text().len() + texts) as u64 + tags + labels
    }

    /// What selectors look at.
    #[must_use]
    pub fn facets<'a>(&'a self, key: &'a str) -> Facets<'a> {
        Facets { key, kind: &self.description.kind, tags: &self.description.tags }
    }

    /// Whether both say the same to everyone who follows: content, media type, kind and tags.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.etag == other.etag
            && self.description.tags == other.description.tags
            && self.description.kind == other.description.kind
    }
}

impl Record {
    /// Whether it may be served at a moment.
    #[must_use]
    pub fn freshness(&self, now: Moment) -> Freshness {
        if self.idle_at(now) { Freshness::Gone } else { self.lifetime.deadlines.at(now) }
    }

    /// Whether it was not read for its idle TTL.
    #[must_use]
    pub fn idle_at(&self, now: Moment) -> bool {
        self.lifetime.idle_ttl.is_some_and(|idle| now >= self.read.after(idle))
    }

    /// When it ends unless it is read or renewed.
    #[must_use]
    pub fn ends(&self) -> Moment {
        let idle_end = self.lifetime.idle_ttl.map(|idle| self.read.after(idle));
        idle_end.map_or(self.lifetime.deadlines.usable_until, |end| end.min(self.lifetime.deadlines.usable_until))
    }

    /// What selectors look at.
    #[must_use]
    pub fn facets<'a>(&'a self, key: &'a str) -> Facets<'a> {
        self.content.facets(key)
    }

    /// As an answer shows it.
    #[must_use]
    pub fn view(&self, key: &Key, now: Moment) -> EntryView {
        let facts = Facts {
            etag: self.content.etag.clone(),
            description: self.content.description.clone(),
            size_bytes: self.content.value_bytes(),
            charged_bytes: self.charged,
            digest: self.content.digest,
            age: now.since(self.stored),
            fresh_for: self.lifetime.deadlines.fresh_until.min(self.ends()).since(now),
            usable_for: self.ends().since(now),
            hit_count: self.hits,
        };
        EntryView { key: key.text().clone(), payload: self.content.payload.clone(), facts }
    }
}

fn digest(payload: &Payload) -> [u8; 32] {
    match payload {
        Payload::Value(value) => Sha256::digest(value).into(),
        Payload::Negative(negative) => Sha256::new()
            .chain_update(&*negative.reason)
            .chain_update([0])
            .chain_update(&*negative.message)
            .finalize()
            .into(),
    }
}

/// The first 16 bytes of a SHA-256 over what kind of payload it is, its digest and how it is to be read.
fn etag(payload: &Payload, digest: &[u8; 32], description: &Description) -> Arc<str> {
    let sort: &[u8] = match payload {
        Payload::Value(_) => b"value",
        Payload::Negative(_) => b"negative",
    };
    let hash = Sha256::new()
        .chain_update(sort)
        .chain_update(digest)
        .chain_update(&*description.content_type)
        .chain_update([0])
        .chain_update(&*description.encoding)
        .finalize();
    Arc::from(hex::encode(&hash[..16]))
}
