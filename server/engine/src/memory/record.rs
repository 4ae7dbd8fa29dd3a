//! An entry as the store holds it. Small values lie with their key in one piece of memory; what only some entries need is
//! beside it. What an entry means to a verb is not known here.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    allocation::allocated,
    compact::{Count, Micros, Millis},
    content::Content,
    shared::{Said, Shared},
    table::Held,
};
use crate::{
    clock::Moment,
    entry::{CostSource, Deadlines, Description, EntryView, Facts, Freshness, Negative, Payload},
    key::Key,
    selector::Facets,
};

/// Values smaller than this lie with their key; they are copied when they are read, which costs no more than sharing.
const PACKED_BYTES_MAX: usize = 1024;
/// No compute cost was given.
const NO_COST: u32 = u32::MAX;
/// In `Record::key`: the compute cost was measured here, and not said by the writer.
const COST_MEASURED: u16 = 1 << 15;
/// In `Record::key`: the length.
const KEY_LENGTH: u16 = COST_MEASURED - 1;

/// A lifetime that has been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When it stops being fresh and usable.
    pub deadlines: Deadlines,
    /// Ends when unread for this long.
    pub idle_ttl: Option<Duration>,
}

/// An entry as stored: 40 bytes, and what they point to.
#[derive(Debug)]
pub struct Record {
    body: Body,
    /// When it was stored or last confirmed.
    stored: Millis,
    /// What is said of it; entries that are not packed may have their own.
    said: Option<Said>,
    /// When it stops being fresh; packed entries are not usable longer than that.
    fresh_until: Micros,
    /// Its place in the selector log.
    selector: Count,
    /// Microseconds.
    cost: u32,
    /// The length of its key, which is never zero, so that no record takes no room of its own; and a flag.
    key: NonZeroU16,
}

const _: () = assert!(size_of::<Option<Record>>() == 40, "what is charged for a record counts on its size");

#[derive(Debug)]
enum Body {
    /// Key and value. The digest is computed again for each answer: it takes about a microsecond.
    Packed(Box<[u8]>),
    Whole(Box<Whole>),
}

/// An entry with what only some need.
#[derive(Debug)]
struct Whole {
    key: Arc<str>,
    payload: Payload,
    digest: [u8; 32],
    lifetime: Lifetime,
    read: Moment,
    cost: Option<Duration>,
    /// What is said of it, where that is not shared.
    own: Option<Arc<Description>>,
}

/// What a record is made of.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// For how long.
    pub lifetime: Lifetime,
    /// When it was stored.
    pub stored: Moment,
    /// Its place in the selector log.
    pub selector: u64,
}

/// When and how a record is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When.
    pub now: Moment,
    /// The times it answered.
    pub hits: u64,
    /// What its place in the order of eviction takes.
    pub order_bytes: u64,
    /// Until when it is pinned, if it is.
    pub pinned_until: Option<Moment>,
}

/// Bytes charged for what every entry has besides its place in the order of eviction: its place in the table (48), its
/// links in the timer wheel (8), and where it is found (5.7 to 11.4 as the index fills and grows).
pub const FIXED_BYTES: u64 = 64;
/// Counts before a shared text.
const COUNTS_BYTES: u64 = 16;
/// What counts those who share a value.
const SHARED_BYTES: u64 = 32;

/// What a record takes, without what is said of it.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// Bytes it has use for.
    used: u64,
    /// Bytes of the pieces of memory that these are in.
    allocated: u64,
}

impl Taken {
    fn piece(self, bytes: u64) -> Self {
        Self { used: self.used + bytes, allocated: self.allocated + allocated(bytes) }
    }
}

impl Record {
    /// A record of some content; `said`: the number of its description, where that is shared with others.
    #[must_use]
    pub fn new(key: &Key, content: &Content, terms: Terms, said: Option<Said>) -> Self {
        let packed = packed(content, terms.lifetime, said.is_some());
        let body = match packed {
            true => Body::Packed([key.text().as_bytes(), content.value()].concat().into()),
            false => Body::Whole(Box::new(Whole {
                key: key.text().clone(),
                payload: content.payload.clone(),
                digest: content.digest,
                lifetime: terms.lifetime,
                read: terms.stored,
                cost: content.cost,
                own: said.is_none().then(|| content.description.clone()),
            })),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a key has at most 1,024 bytes")]
        let length = NonZeroU16::new(key.text().len() as u16).unwrap_or(NonZeroU16::MIN);
        Self {
            body,
            stored: Millis::floor(terms.stored),
            said,
            fresh_until: Micros::floor(terms.lifetime.deadlines.fresh_until),
            selector: Count::new(terms.selector),
            cost: content.cost.and_then(micros).unwrap_or(NO_COST),
            key: length | if content.cost_measured { COST_MEASURED } else { 0 },
        }
    }

    /// The key's text.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.body {
            Body::Packed(_) => str::from_utf8(self.key_bytes()).unwrap_or_default(),
            Body::Whole(whole) => &whole.key,
        }
    }

    /// What it holds. Large values are shared, small ones copied.
    #[must_use]
    pub fn payload(&self) -> Payload {
        match &self.body {
            Body::Packed(_) => Payload::Value(Bytes::copy_from_slice(self.packed_value())),
            Body::Whole(whole) => whole.payload.clone(),
        }
    }

    /// Whether it is a remembered absence or failure.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        matches!(&self.body, Body::Whole(whole) if matches!(whole.payload, Payload::Negative(_)))
    }

    /// What the writer said of it; `shared`: of its shard.
    #[must_use]
    pub fn description<'a>(&'a self, shared: &'a Shared) -> &'a Arc<Description> {
        match (&self.body, self.said) {
            (Body::Whole(whole), None) => whole.own.as_ref().unwrap_or_else(|| shared.none()),
            (_, Some(said)) => shared.get(said),
            (Body::Packed(_), None) => shared.none(),
        }
    }

    /// The number of its description, where that is shared.
    #[must_use]
    pub fn said(&self) -> Option<Said> {
        self.said
    }

    /// As it was put in, with what is said of it.
    #[must_use]
    pub fn content(&self, description: &Arc<Description>) -> Content {
        Content {
            payload: self.payload(),
            description: description.clone(),
            digest: self.digest(),
            cost: self.cost(),
            cost_measured: self.cost_measured(),
        }
    }

    /// SHA-256 of the value.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        match &self.body {
            Body::Packed(_) => Content::digest_of_value(self.packed_value()),
            Body::Whole(whole) => whole.digest,
        }
    }

    /// Opaque version.
    #[must_use]
    pub fn etag(&self, description: &Description) -> Arc<str> {
        Content::etag(self.is_negative(), &self.digest(), description)
    }

    /// Where its cost is known from.
    #[must_use]
    pub fn cost_source(&self) -> CostSource {
        match self.cost() {
            None => CostSource::Estimated,
            Some(_) if self.cost_measured() => CostSource::Measured,
            Some(_) => CostSource::Given,
        }
    }

    /// What computing it cost, if that is known.
    #[must_use]
    pub fn cost(&self) -> Option<Duration> {
        match &self.body {
            Body::Whole(whole) => whole.cost,
            Body::Packed(_) => (self.cost != NO_COST).then(|| Duration::from_micros(u64::from(self.cost))),
        }
    }

    /// How long it lives.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        match &self.body {
            Body::Packed(_) => {
                let fresh_until = self.fresh_until.moment();
                Lifetime { deadlines: Deadlines { fresh_until, usable_until: fresh_until }, idle_ttl: None }
            }
            Body::Whole(whole) => whole.lifetime,
        }
    }

    /// When it was stored or last confirmed.
    #[must_use]
    pub fn stored(&self) -> Moment {
        self.stored.moment()
    }

    /// Its place in the selector log: invalidations up to there do not concern it.
    #[must_use]
    pub fn selector(&self) -> u64 {
        self.selector.get()
    }

    /// Notes that no invalidation up to this place in the selector log concerns it.
    pub fn vouch(&mut self, selector: u64) {
        self.selector = Count::new(selector);
    }

    /// Notes that it was read.
    pub fn read(&mut self, now: Moment) {
        if let Body::Whole(whole) = &mut self.body {
            whole.read = now;
        }
    }

    /// Whether it may be served at a moment.
    #[must_use]
    pub fn freshness(&self, now: Moment) -> Freshness {
        if self.idle_at(now) { Freshness::Gone } else { self.lifetime().deadlines.at(now) }
    }

    /// Whether it was not read for its idle TTL.
    #[must_use]
    pub fn idle_at(&self, now: Moment) -> bool {
        self.idle_end().is_some_and(|end| now >= end)
    }

    /// What selectors look at.
    #[must_use]
    pub fn facets<'a>(&'a self, description: &'a Description) -> Facets<'a> {
        Facets { key: self.text(), kind: &description.kind, tags: &description.tags }
    }

    /// Bytes of the value.
    #[must_use]
    pub fn value_bytes(&self) -> u64 {
        match &self.body {
            Body::Packed(_) => self.packed_value().len() as u64,
            Body::Whole(whole) => match &whole.payload {
                Payload::Value(value) => value.len() as u64,
                Payload::Negative(_) => 0,
            },
        }
    }

    /// Bytes charged for it, with what its place in the order of eviction takes.
    #[must_use]
    pub fn charged(&self, order_bytes: u64) -> u64 {
        let said = match &self.body {
            Body::Packed(_) => 0,
            Body::Whole(whole) => whole.own.as_ref().map_or(0, |own| own.charge()),
        };
        FIXED_BYTES + order_bytes + self.taken().allocated + said
    }

    /// Bytes of those charged that are lost to the sizes in which the allocator hands out memory.
    #[must_use]
    pub fn rounding(&self) -> u64 {
        let Taken { used, allocated } = self.taken();
        allocated - used
    }

    fn taken(&self) -> Taken {
        match &self.body {
            Body::Packed(body) => Taken::default().piece(body.len() as u64),
            Body::Whole(whole) => whole_bytes(whole.key.len(), &whole.payload),
        }
    }

    /// As an answer shows it.
    #[must_use]
    pub fn view(&self, key: &Key, description: &Arc<Description>, at: Look) -> EntryView {
        let now = at.now;
        let (digest, ends) = (self.digest(), self.ends());
        let facts = Facts {
            etag: Content::etag(self.is_negative(), &digest, description),
            description: description.clone(),
            compute_cost: self.cost(),
            cost_source: self.cost_source(),
            size_bytes: self.value_bytes(),
            charged_bytes: self.charged(at.order_bytes),
            digest,
            age: now.since(self.stored()),
            fresh_for: self.lifetime().deadlines.fresh_until.min(ends).since(now),
            usable_for: ends.since(now),
            hit_count: at.hits,
            pinned: at.pinned_until.is_some_and(|until| until > now),
        };
        EntryView { key: key.text().clone(), payload: self.payload(), facts }
    }

    fn idle_end(&self) -> Option<Moment> {
        match &self.body {
            Body::Packed(_) => None,
            Body::Whole(whole) => whole.lifetime.idle_ttl.map(|idle| whole.read.after(idle)),
        }
    }

    fn cost_measured(&self) -> bool {
        self.key.get() & COST_MEASURED != 0
    }

    fn key_length(&self) -> usize {
        usize::from(self.key.get() & KEY_LENGTH)
    }

    fn key_bytes(&self) -> &[u8] {
        match &self.body {
            Body::Packed(body) => &body[..self.key_length()],
            Body::Whole(whole) => whole.key.as_bytes(),
        }
    }

    fn packed_value(&self) -> &[u8] {
        match &self.body {
            Body::Packed(body) => &body[self.key_length()..],
            Body::Whole(_) => &[],
        }
    }
}

impl Held for Record {
    fn ends(&self) -> Moment {
        let usable_until = self.lifetime().deadlines.usable_until;
        self.idle_end().map_or(usable_until, |end| end.min(usable_until))
    }

    fn is_at(&self, key: &[u8]) -> bool {
        self.key_bytes() == key
    }
}

/// Whether it can be packed: small values with a plain lifetime and a shared description.
fn packed(content: &Content, lifetime: Lifetime, shared: bool) -> bool {
    let Payload::Value(value) = &content.payload else { return false };
    let Lifetime { deadlines, idle_ttl } = lifetime;
    let plain = idle_ttl.is_none() && deadlines.usable_until == deadlines.fresh_until;
    let fits = Micros::holds(deadlines.fresh_until) && content.cost.is_none_or(|cost| micros(cost).is_some());
    shared && plain && fits && value.len() < PACKED_BYTES_MAX
}

/// Bytes charged for some content under a key, living this long, with a shared description or its own.
#[must_use]
pub fn charge((key, order_bytes): (&Key, u64), content: &Content, lifetime: Lifetime, shared: bool) -> u64 {
    let taken = match packed(content, lifetime, shared) {
        true => Taken::default().piece((key.text().len() + content.value().len()) as u64),
        false => whole_bytes(key.text().len(), &content.payload),
    };
    let said = if shared { 0 } else { content.description.charge() };
    FIXED_BYTES + order_bytes + taken.allocated + said
}

fn whole_bytes(key: usize, payload: &Payload) -> Taken {
    let taken = Taken::default().piece(size_of::<Whole>() as u64).piece(COUNTS_BYTES + key as u64);
    match payload {
        Payload::Value(value) => taken.piece(value.len() as u64).piece(SHARED_BYTES),
        Payload::Negative(Negative { reason, message }) => {
            [reason, message].into_iter().fold(taken, |taken, text| taken.piece(COUNTS_BYTES + text.len() as u64))
        }
    }
}

/// A cost in whole microseconds, where it is that.
fn micros(cost: Duration) -> Option<u32> {
    let micros = u32::try_from(cost.as_micros()).ok()?;
    (micros != NO_COST && Duration::from_micros(u64::from(micros)) == cost).then_some(micros)
}
