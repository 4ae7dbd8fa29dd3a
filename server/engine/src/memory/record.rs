//! An entry as the store holds it: what is known of each, close together. What its bytes lie in is the body's; what an entry
//! means to a verb is not known here.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use super::{
    body::{Body, Failure, Taken},
    compact::{Count, Micros, Millis},
    content::Content,
    shared::{Said, Shared},
    table::Held,
};
use crate::{
    ahead::RefreshAhead,
    clock::Moment,
    entry::{CostSource, Deadlines, Description, EntryView, Facts, Freshness, Payload},
    key::Key,
    selector::Facets,
};

/// No compute cost was given.
const NO_COST: u32 = u32::MAX;
/// In `Record::key`: the compute cost was measured here, and not said by the writer.
const COST_MEASURED: u16 = 1 << 15;
/// In `Record::key`: it was marked stale, and its fresh time may not be made longer.
const MARKED: u16 = 1 << 14;
/// In `Record::key`: the length.
const KEY_LENGTH: u16 = MARKED - 1;

/// A lifetime that has been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When it stops being fresh and usable.
    pub deadlines: Deadlines,
    /// Ends when unread for this long.
    pub idle_ttl: Option<Duration>,
    /// When it is due to be renewed before its end; `None`: as the namespace says.
    pub refresh_ahead: Option<RefreshAhead>,
    /// Whether it was marked stale: then its fresh time may not be made longer, except by storing it anew.
    pub marked: bool,
}

impl Lifetime {
    /// Plain: fresh until a moment, and then over.
    #[must_use]
    pub fn until(end: Moment) -> Self {
        let deadlines = Deadlines { fresh_until: end, usable_until: end };
        Self { deadlines, idle_ttl: None, refresh_ahead: None, marked: false }
    }

    /// The same for what is marked stale from a moment on.
    #[must_use]
    pub fn stale_from(self, at: Moment) -> Self {
        Self { deadlines: self.deadlines.stale_from(at), marked: true, ..self }
    }
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
    /// From when on it is stale by what marked it and is not yet noted in it.
    pub marked: Option<Moment>,
}

/// Bytes charged for what every entry has besides its place in the order of eviction: its place in the table (48), its
/// links in the timer wheel (8), and where it is found (5.7 to 11.4 as the index fills and grows).
pub const FIXED_BYTES: u64 = 64;
impl Record {
    /// A record of some content; `said`: the number of its description, where that is shared with others.
    #[must_use]
    pub fn new(key: &Key, content: &Content, terms: Terms, said: Option<Said>) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a key has at most 1,024 bytes")]
        let length = NonZeroU16::new(key.text().len() as u16).unwrap_or(NonZeroU16::MIN);
        Self {
            body: Body::new(key.text(), content, terms, said.is_some()),
            stored: Millis::floor(terms.stored),
            said,
            fresh_until: Micros::floor(terms.lifetime.deadlines.fresh_until),
            selector: Count::new(terms.selector),
            cost: content.cost.and_then(micros).unwrap_or(NO_COST),
            key: length
                | if content.cost_measured { COST_MEASURED } else { 0 }
                | if terms.lifetime.marked { MARKED } else { 0 },
        }
    }

    /// The key's text.
    #[must_use]
    pub fn text(&self) -> &str {
        str::from_utf8(self.body.key(self.key_length())).unwrap_or_default()
    }

    /// What it holds. Large values are shared, small ones copied.
    #[must_use]
    pub fn payload(&self) -> Payload {
        self.body.payload(self.key_length())
    }

    /// Some byte of what it lies in, which says nothing: it is there for the next who reads it.
    #[must_use]
    pub fn glance(&self) -> u8 {
        self.body.key(self.key_length()).first().copied().unwrap_or_default()
    }

    /// The value where it lies, if it is held in one piece as it came. A remembered absence has one of no bytes.
    #[must_use]
    pub fn plain(&self) -> Option<&[u8]> {
        self.body.plain(self.key_length())
    }

    /// Whether it is a remembered absence or failure.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.body.rare().is_some_and(|rare| rare.negative.is_some())
    }

    /// What the writer said of it; `shared`: of its shard.
    #[must_use]
    pub fn description<'a>(&'a self, shared: &'a Shared) -> &'a Arc<Description> {
        match self.said {
            Some(said) => shared.get(said),
            None => self.body.rare().and_then(|rare| rare.own.as_ref()).unwrap_or_else(|| shared.none()),
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
        self.body.digest(self.key_length())
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
        let held = || (self.cost != NO_COST).then(|| Duration::from_micros(u64::from(self.cost)));
        self.body.rare().map_or_else(held, |rare| rare.cost)
    }

    /// How long it lives.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        let plain = || Lifetime { marked: self.is_marked(), ..Lifetime::until(self.fresh_until.moment()) };
        self.body.rare().map_or_else(plain, |rare| rare.lifetime)
    }

    /// Whether it was marked stale since it was stored.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.key.get() & MARKED != 0
    }

    /// Marks it stale from a moment on. Its end may be nearer then; a failure beside it, which has no stale time, is an
    /// answer only until then.
    pub fn mark(&mut self, at: Moment) {
        let lifetime = self.lifetime().stale_from(at);
        self.fresh_until = Micros::floor(lifetime.deadlines.fresh_until);
        self.key |= MARKED;
        if let Some(rare) = self.body.rare_mut() {
            rare.lifetime = lifetime;
            if let Some(failure) = &mut rare.failure {
                failure.until = failure.until.min(at);
            }
        }
    }

    /// Why computing it anew failed, when that was tried last.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.body.rare()?.failure.as_deref()
    }

    /// Whether it is a value that has room for a failure beside it.
    #[must_use]
    pub fn takes_failure(&self) -> bool {
        self.body.rare().is_some_and(|rare| rare.negative.is_none())
    }

    /// What it would be charged with this failure in place of the one that is noted.
    #[must_use]
    pub fn charged_with(&self, order_bytes: u64, failure: &Failure) -> u64 {
        let noted = self.failure().map_or(0, Taken::by_failure);
        self.charged(order_bytes) - noted + Taken::by_failure(failure)
    }

    /// Notes why computing it anew failed. It is charged more then.
    pub fn fail(&mut self, failure: Failure) {
        if let Some(rare) = self.body.rare_mut() {
            rare.failure = Some(Box::new(failure));
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
        if let Some(rare) = self.body.rare_mut() {
            rare.read = now;
        }
    }

    /// Whether it may be served at a moment.
    #[must_use]
    pub fn freshness(&self, now: Moment) -> Freshness {
        self.freshness_if((now, None))
    }

    /// Whether it may be served at a moment when it is stale from another one on.
    #[must_use]
    pub fn freshness_if(&self, (now, marked): (Moment, Option<Moment>)) -> Freshness {
        if self.idle_at(now) { Freshness::Gone } else { self.lifetime_if(marked).deadlines.at(now) }
    }

    fn lifetime_if(&self, marked: Option<Moment>) -> Lifetime {
        let lifetime = self.lifetime();
        marked.map_or(lifetime, |at| lifetime.stale_from(at))
    }

    /// Whether it was not read for its idle TTL.
    #[must_use]
    pub fn idle_at(&self, now: Moment) -> bool {
        self.idle_end().is_some_and(|end| now >= end)
    }

    /// When it stopped being usable, or will.
    #[must_use]
    pub fn gone_since(&self) -> Moment {
        self.ends()
    }

    /// What selectors look at.
    #[must_use]
    pub fn facets<'a>(&'a self, description: &'a Description) -> Facets<'a> {
        Facets {
            key: self.text(),
            kind: &description.kind,
            tags: &description.tags,
            depends_on: description.made_from(),
        }
    }

    /// Bytes of the value.
    #[must_use]
    pub fn value_bytes(&self) -> u64 {
        self.body.value_bytes(self.key_length())
    }

    /// Bytes charged for it, with what its place in the order of eviction takes.
    #[must_use]
    pub fn charged(&self, order_bytes: u64) -> u64 {
        let said = self.body.rare().and_then(|rare| rare.own.as_ref()).map_or(0, |own| own.charge(self.text().len()));
        FIXED_BYTES + order_bytes + self.body.taken().allocated + said
    }

    /// Bytes of those charged that are lost to the sizes in which the allocator hands out memory.
    #[must_use]
    pub fn rounding(&self) -> u64 {
        let Taken { used, allocated } = self.body.taken();
        allocated - used
    }

    /// As an answer shows it.
    #[must_use]
    pub fn view(&self, key: &Key, description: &Arc<Description>, at: Look) -> EntryView {
        EntryView { key: key.text().clone(), payload: self.payload(), facts: self.facts(description, at) }
    }

    /// What an answer tells of it.
    #[must_use]
    pub fn facts(&self, description: &Arc<Description>, at: Look) -> Facts {
        let now = at.now;
        let lifetime = self.lifetime_if(at.marked);
        let (digest, ends) = (self.digest(), self.ends().min(lifetime.deadlines.usable_until));
        Facts {
            etag: Content::etag(self.is_negative(), &digest, description),
            description: description.clone(),
            compute_cost: self.cost(),
            cost_source: self.cost_source(),
            size_bytes: self.value_bytes(),
            charged_bytes: self.charged(at.order_bytes),
            digest,
            sha256: self.body.sha256(digest),
            age: now.since(self.stored()),
            fresh_for: lifetime.deadlines.fresh_until.min(ends).since(now),
            usable_for: ends.since(now),
            hit_count: at.hits,
            pinned: at.pinned_until.is_some_and(|until| until > now),
            marked_stale: lifetime.marked,
            failure: self.failure().map(|failure| Box::new(failure.view(now))),
        }
    }

    fn idle_end(&self) -> Option<Moment> {
        let rare = self.body.rare()?;
        rare.lifetime.idle_ttl.map(|idle| rare.read.after(idle))
    }

    fn cost_measured(&self) -> bool {
        self.key.get() & COST_MEASURED != 0
    }

    fn key_length(&self) -> usize {
        usize::from(self.key.get() & KEY_LENGTH)
    }
}

impl Held for Record {
    fn ends(&self) -> Moment {
        let usable_until = self.lifetime().deadlines.usable_until;
        self.idle_end().map_or(usable_until, |end| end.min(usable_until))
    }

    fn is_at(&self, key: &[u8]) -> bool {
        self.body.key(self.key_length()) == key
    }
}

/// Bytes charged for some content under a key, living this long, with a shared description or its own.
#[must_use]
pub fn charge((key, order_bytes): (&Key, u64), content: &Content, lifetime: Lifetime, shared: bool) -> u64 {
    let said = if shared { 0 } else { content.description.charge(key.text().len()) };
    FIXED_BYTES + order_bytes + Taken::by(key.text(), content, lifetime, shared).allocated + said
}

/// A cost in whole microseconds, where it is that.
pub(super) fn micros(cost: Duration) -> Option<u32> {
    let micros = u32::try_from(cost.as_micros()).ok()?;
    (micros != NO_COST && Duration::from_micros(u64::from(micros)) == cost).then_some(micros)
}
