//! What a caller may ask of a read, a write or an invalidation. Computations have `compute_options`.

use std::{collections::HashMap, time::Duration};

use crate::{AsKey, Result, Ttl, ttl, v1};

/// How a value is stored. Start with [`WriteOptions::new`] and add what matters.
///
/// ```
/// use std::time::Duration;
/// use hotplate::{TtlClass, WriteOptions};
/// let options = WriteOptions::new().ttl(TtlClass::Long).stale_for(Duration::from_secs(60)).tag("model:abc");
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    ttl: Option<Ttl>,
    stale_for: Option<Duration>,
    idle: Option<Duration>,
    jitter: Option<f64>,
    refresh_ahead: Option<v1::refresh_ahead::When>,
    kind: String,
    tags: Vec<String>,
    depends_on: Vec<String>,
    labels: HashMap<String, String>,
    pub(crate) cost: Option<Duration>,
    condition: Option<v1::precondition::Condition>,
}

impl WriteOptions {
    /// Nothing special: the namespace's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Describes a failure as the value would have been described: what drops that drops the failure.
    pub(crate) fn describe_failure(&self, request: &mut v1::ReleaseLeaseRequest) {
        request.kind.clone_from(&self.kind);
        request.tags.clone_from(&self.tags);
        request.depends_on.clone_from(&self.depends_on);
    }

    /// How long it stays fresh: a [`crate::TtlClass`], a [`Duration`] or a [`Ttl`].
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = Some(ttl.into());
        self
    }

    /// For how long after that it may still be served as stale.
    #[must_use]
    pub fn stale_for(mut self, duration: Duration) -> Self {
        self.stale_for = Some(duration);
        self
    }

    /// Ends it when it was not read for this long.
    #[must_use]
    pub fn idle(mut self, duration: Duration) -> Self {
        self.idle = Some(duration);
        self
    }

    /// Share of the TTL, 0 to 0.5, by which the end moves earlier at random.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = Some(share);
        self
    }

    /// Makes it due to be renewed in this last share of its TTL, 0 to 0.9: then one reader at a time who asks for a lease
    /// gets it with the value. Zero: never, whatever the namespace says.
    #[must_use]
    pub fn refresh_ahead(mut self, share: f64) -> Self {
        self.refresh_ahead = Some(v1::refresh_ahead::When::Fraction(share));
        self
    }

    /// Makes it due to be renewed by XFetch: at random, the more likely the nearer its end and the more it cost to compute.
    /// 1 is the rule; a larger factor renews earlier. Above 0, at most 100.
    #[must_use]
    pub fn refresh_ahead_xfetch(mut self, beta: f64) -> Self {
        self.refresh_ahead = Some(v1::refresh_ahead::When::XfetchBeta(beta));
        self
    }

    /// The operation or model type that made it, at most 128 bytes; picks the TTL where none is given.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// A group it belongs to, at most 128 bytes; call again for more, up to 64.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Groups it belongs to.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// What it was made from: a key, or a tag as `tag:NAME`. When that is invalidated, so is this. Call again for more.
    #[must_use]
    pub fn depends_on(mut self, name: impl Into<String>) -> Self {
        self.depends_on.push(name.into());
        self
    }

    /// A free-form fact.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// What computing it cost. [`crate::Namespace::get_or_compute`] measures it by itself.
    #[must_use]
    pub fn cost(mut self, cost: Duration) -> Self {
        self.cost = Some(cost);
        self
    }

    /// Stores only where there is none.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.condition = Some(v1::precondition::Condition::Absent(true));
        self
    }

    /// Stores only where there is one.
    #[must_use]
    pub fn if_present(mut self) -> Self {
        self.condition = Some(v1::precondition::Condition::Present(true));
        self
    }

    /// Stores only in place of the entry with this etag.
    #[must_use]
    pub fn if_etag(mut self, etag: impl Into<String>) -> Self {
        self.condition = Some(v1::precondition::Condition::Etag(etag.into()));
        self
    }

    /// Everything but key and payload, as the contract carries it.
    pub(crate) fn request(&self) -> Result<v1::PutRequest> {
        Ok(v1::PutRequest {
            expiration: self.expiration()?,
            kind: self.kind.clone(),
            tags: self.tags.clone(),
            depends_on: self.depends_on.clone(),
            labels: self.labels.clone(),
            precondition: self.condition.clone().map(|condition| v1::Precondition { condition: Some(condition) }),
            compute_cost: self.cost.map(|cost| ttl::wire_duration("compute_cost", cost)).transpose()?,
            ..v1::PutRequest::default()
        })
    }

    pub(crate) fn expiration(&self) -> Result<Option<v1::Expiration>> {
        let plain = self.stale_for.is_none() && self.idle.is_none() && self.jitter.is_none();
        if self.ttl.is_none() && plain && self.refresh_ahead.is_none() {
            return Ok(None);
        }
        Ok(Some(v1::Expiration {
            lifetime: self.ttl.as_ref().map(Ttl::lifetime).transpose()?,
            stale_for: self.stale_for.map(|duration| ttl::wire_duration("stale_for", duration)).transpose()?,
            idle_ttl: self.idle.map(|duration| ttl::wire_duration("idle_ttl", duration)).transpose()?,
            jitter: self.jitter,
            refresh_ahead: self.refresh_ahead.map(|when| v1::RefreshAhead { when: Some(when) }),
        }))
    }
}

/// What a read accepts.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    pub(crate) stale: v1::StalePolicy,
    pub(crate) max_age: Option<Duration>,
    pub(crate) peek: bool,
    pub(crate) slowest: v1::Tier,
}

impl ReadOptions {
    /// Fresh values of any age.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also stale values, which the caller means to renew.
    #[must_use]
    pub fn accept_stale(mut self) -> Self {
        self.stale = v1::StalePolicy::WhileRevalidate;
        self
    }

    /// Nothing older than this.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Looks without touching recency, idle time or statistics.
    #[must_use]
    pub fn peek(mut self) -> Self {
        self.peek = true;
        self
    }

    /// Looks no further than in this tier of the server: with [`v1::Tier::Memory`] no answer waits for a disk or a network.
    #[must_use]
    pub fn slowest_tier(mut self, tier: v1::Tier) -> Self {
        self.slowest = tier;
        self
    }
}

/// Which entries are meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector(pub(crate) v1::Selector);

impl Selector {
    fn of(selector: v1::selector::Selector) -> Self {
        Self(v1::Selector { selector: Some(selector) })
    }

    /// The entry with this key.
    ///
    /// # Errors
    /// When the key cannot be rendered.
    pub fn key(key: impl AsKey) -> Result<Self> {
        Ok(Self::of(v1::selector::Selector::Key(key.as_key()?)))
    }

    /// Every key that begins with this.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self::of(v1::selector::Selector::Prefix(prefix.into()))
    }

    /// Every key that matches: `*`, `?`, `[a-z]`, `\` escapes.
    pub fn glob(glob: impl Into<String>) -> Self {
        Self::of(v1::selector::Selector::Glob(glob.into()))
    }

    /// Every entry with this tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self::of(v1::selector::Selector::Tag(tag.into()))
    }

    /// Every entry that has all of these tags, 1 to 16.
    pub fn all_tags<T: Into<String>>(tags: impl IntoIterator<Item = T>) -> Self {
        let tags = tags.into_iter().map(Into::into).collect();
        Self::of(v1::selector::Selector::AllTags(v1::TagSet { tags }))
    }

    /// Every entry whose writer named this in `depends_on`: a key, or a tag as `tag:NAME`.
    pub fn dependents_of(name: impl Into<String>) -> Self {
        Self::of(v1::selector::Selector::DependentsOf(name.into()))
    }

    /// Every entry of this kind.
    pub fn kind(kind: impl Into<String>) -> Self {
        Self::of(v1::selector::Selector::Kind(kind.into()))
    }

    /// Every entry of the namespace.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(v1::selector::Selector::Everything(true))
    }
}
