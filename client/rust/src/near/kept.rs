//! One kept answer: the entry as it came, what was read from it, and how it is told again.

use std::{
    any::{Any, TypeId},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;

use super::{rule::Stamp, selects::Facts};
use crate::{
    Etag, Hit, Lookup, Negative, Result,
    codec::{Decode, decode_checked},
    ttl, v1,
};

/// What keeping an entry takes besides its texts and value, roughly: maps, index and this record.
const ENTRY_BYTES: u64 = 384;
/// The same for each tag and each dependency.
const NAME_BYTES: u64 = 96;

/// What does not change while an entry stays the same.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) key: Arc<str>,
    pub(crate) facts: Facts,
    pub(crate) etag: Etag,
    content_type: String,
    encoding: String,
    body: Body,
    tier: v1::Tier,
    /// Read by the codec and as the type that came first; others read anew.
    shared: OnceLock<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

#[derive(Debug)]
enum Body {
    Value(Bytes),
    Negative { reason: String, message: String },
}

/// An entry and what was known of it when the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) content: Arc<Content>,
    pub(crate) stamp: Stamp,
    /// Of which unbroken following of changes it is part.
    pub(crate) trust: u64,
    /// When it was asked for: what the server said of lifetimes held a little later.
    pub(crate) asked_at: Duration,
    /// When it is no longer served.
    pub(crate) until: Duration,
    /// What it takes of the room, in bytes.
    pub(crate) charge: u64,
    lives: Lives,
}

/// Durations as the server said them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lives {
    pub(crate) age: Duration,
    pub(crate) fresh_for: Duration,
    pub(crate) usable_for: Duration,
}

impl Content {
    /// The content of a fresh answer; `None` for anything else.
    pub(crate) fn of(key: &str, response: &v1::GetResponse) -> Option<(Self, Lives)> {
        let entry = response.entry.as_ref()?;
        let metadata = entry.metadata.as_ref()?;
        let body = match (&entry.payload, response.outcome()) {
            // A copy of its own: the bytes of an answer keep the whole message alive.
            (Some(v1::entry::Payload::Value(bytes)), v1::GetOutcome::Hit) => Body::Value(Bytes::copy_from_slice(bytes)),
            (Some(v1::entry::Payload::Negative(negative)), v1::GetOutcome::Negative) => {
                Body::Negative { reason: negative.reason.clone(), message: negative.message.clone() }
            }
            _ => return None,
        };
        let lives = Lives {
            age: ttl::from_wire(metadata.age.as_ref()).unwrap_or_default(),
            fresh_for: ttl::from_wire(metadata.fresh_for.as_ref()).unwrap_or_default(),
            usable_for: ttl::from_wire(metadata.usable_for.as_ref()).unwrap_or_default(),
        };
        let content = Self {
            key: key.into(),
            facts: Facts::of(metadata),
            etag: metadata.etag.clone().into(),
            content_type: metadata.content_type.clone(),
            encoding: metadata.encoding.clone(),
            body,
            tier: response.served_from(),
            shared: OnceLock::new(),
        };
        Some((content, lives))
    }

    /// Bytes it counts for: its value twice, as it came and as it was read.
    fn bytes(&self) -> u64 {
        let facts = &self.facts;
        let body = match &self.body {
            Body::Value(bytes) => 2 * bytes.len(),
            Body::Negative { reason, message } => reason.len() + message.len(),
        };
        let texts = [self.key.len(), self.etag.len(), self.content_type.len(), self.encoding.len(), facts.kind.len()];
        let names = facts.tags.iter().chain(&facts.depends_on);
        let names: u64 = names.map(|name| NAME_BYTES + name.len() as u64).sum();
        ENTRY_BYTES + names + body as u64 + texts.iter().sum::<usize>() as u64
    }
}

impl Kept {
    /// An answer as of `stamp` to what was asked at `asked_at`.
    pub(crate) fn new(content: Arc<Content>, stamp: Stamp, (asked_at, lives): (Duration, Lives)) -> Self {
        let charge = content.bytes();
        Self { content, stamp, trust: 0, asked_at, until: asked_at.saturating_add(lives.fresh_for), charge, lives }
    }

    /// How old it is by now.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        self.lives.age.saturating_add(now.saturating_sub(self.asked_at))
    }

    /// What a read answers, with the value made by `read`.
    fn tell<T>(&self, now: Duration, read: impl FnOnce(&Content, &Bytes) -> Result<T>) -> Result<Lookup<T>> {
        let passed = now.saturating_sub(self.asked_at);
        let fresh_for = self.lives.fresh_for.saturating_sub(passed);
        match &self.content.body {
            Body::Negative { reason, message } => {
                Ok(Lookup::Negative(Negative { reason: reason.clone(), message: message.clone(), fresh_for }))
            }
            Body::Value(bytes) => Ok(Lookup::Hit(Hit {
                value: read(&self.content, bytes)?,
                stale: false,
                age: self.age(now),
                fresh_for,
                usable_for: self.lives.usable_for.saturating_sub(passed),
                tier: self.content.tier,
                etag: self.content.etag.clone(),
                near: true,
            })),
        }
    }

    /// The value, read anew.
    pub(crate) fn lookup<T, C: Decode<T>>(&self, codec: &C, now: Duration) -> Result<Lookup<T>> {
        self.tell(now, |content, bytes| content.read(codec, bytes))
    }

    /// The value, read once and shared with all who ask for the same type.
    pub(crate) fn shared<T, C>(&self, codec: &C, now: Duration) -> Result<Lookup<Arc<T>>>
    where
        C: Decode<T>,
        T: Send + Sync + 'static,
    {
        self.tell(now, |content, bytes| {
            if let Some(value) = content.shared_as::<T, C>() {
                return Ok(value);
            }
            let value: Arc<T> = Arc::new(content.read(codec, bytes)?);
            let kept: Arc<dyn Any + Send + Sync> = value.clone();
            // Another reader may have been first: then all share what that one read, unless it is of another type.
            content.shared.get_or_init(|| (TypeId::of::<(C, T)>(), kept));
            Ok(content.shared_as::<T, C>().unwrap_or(value))
        })
    }
}

impl Content {
    fn read<T, C: Decode<T>>(&self, codec: &C, bytes: &Bytes) -> Result<T> {
        decode_checked(codec, &self.content_type, &self.encoding, bytes.clone())
    }

    fn shared_as<T: Send + Sync + 'static, C: 'static>(&self) -> Option<Arc<T>> {
        let (kind, value) = self.shared.get()?;
        if *kind != TypeId::of::<(C, T)>() {
            return None;
        }
        Arc::clone(value).downcast::<T>().ok()
    }
}
