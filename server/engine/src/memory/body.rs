//! What an entry's bytes lie in: small values in one piece of memory with their key; larger ones, and those of which there is
//! more to tell, in pieces of their own. What an entry means is not known here.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    compact::Micros,
    content::Content,
    record::{Lifetime, Terms, micros},
};
use crate::{
    allocation::allocated,
    chunks::{Chunks, SHA256_BYTES_MAX},
    clock::Moment,
    compress::Compressed,
    entry::{Description, FailureView, Negative, Payload},
};

/// Values smaller than this lie with their key; they are copied when they are read, which costs no more than sharing.
const PACKED_BYTES_MAX: usize = 1024;
/// Counts before a shared text.
const COUNTS_BYTES: usize = 16;
/// What counts those who share a value.
const SHARED_BYTES: usize = 24;

/// What an entry's bytes lie in.
#[derive(Debug)]
pub(super) enum Body {
    /// Key and value. The digest is computed again for each answer: it takes about a microsecond.
    Packed(Box<[u8]>),
    Whole(Box<Whole>),
}

/// An entry in pieces.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) key: Box<str>,
    value: Value,
    pub(super) digest: [u8; 32],
    pub(super) rare: Option<Box<Rare>>,
}

/// What is held of a value.
#[derive(Debug)]
enum Value {
    /// All of it; nothing for a remembered absence or failure.
    Plain(Bytes),
    Other(Box<Other>),
}

/// What is held of a value otherwise than in one piece as it came.
#[derive(Debug)]
enum Other {
    Smaller(Compressed),
    Chunks(Chunks),
}

const _: () = assert!(size_of::<Value>() == size_of::<Bytes>(), "what is held as it came does not pay for what is not");

impl Value {
    fn payload(&self) -> Payload {
        match self {
            Self::Plain(value) => Payload::Value(value.clone()),
            Self::Other(other) => match &**other {
                Other::Smaller(value) => Payload::Compressed(value.clone()),
                Other::Chunks(chunks) => Payload::Chunks(chunks.clone()),
            },
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Plain(value) => value.len() as u64,
            Self::Other(other) => match &**other {
                Other::Smaller(value) => value.raw_bytes(),
                Other::Chunks(chunks) => chunks.size(),
            },
        }
    }

    fn sha256(&self, digest: [u8; 32]) -> Option<[u8; 32]> {
        let bytes = match self {
            Self::Plain(value) => value.len() as u64,
            Self::Other(other) => match &**other {
                Other::Smaller(value) => value.raw_bytes(),
                Other::Chunks(chunks) => return chunks.sha256(),
            },
        };
        (bytes <= SHA256_BYTES_MAX).then_some(digest)
    }

    fn taken(&self, key: usize) -> Taken {
        match self {
            Self::Plain(value) => Taken::of_whole(key, value),
            Self::Other(other) => match &**other {
                Other::Smaller(value) => Taken::of_smaller(key, value),
                Other::Chunks(chunks) => Taken::of_chunks(key, chunks),
            },
        }
    }
}

/// What only some entries need.
#[derive(Debug)]
pub(super) struct Rare {
    pub(super) lifetime: Lifetime,
    pub(super) read: Moment,
    pub(super) cost: Option<Duration>,
    pub(super) negative: Option<Negative>,
    /// What is said of it, where that is not shared.
    pub(super) own: Option<Arc<Description>>,
    pub(super) failure: Option<Box<Failure>>,
}

/// A computation that was to renew an entry and failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why.
    pub negative: Negative,
    /// When.
    pub at: Moment,
    /// Until when it is remembered as an answer.
    pub until: Moment,
}

impl Failure {
    /// As an answer shows it.
    #[must_use]
    pub fn view(&self, now: Moment) -> FailureView {
        let (age, retry_after) = (now.since(self.at), self.until.since(now));
        FailureView { negative: self.negative.clone(), age, retry_after }
    }
}

/// How an entry's bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Packed,
    Whole,
    Rare,
}

/// What a body takes, without what is said of the entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    /// Bytes it has use for.
    pub(super) used: u64,
    /// Bytes of the pieces of memory that these are in.
    pub(super) allocated: u64,
}

impl Body {
    /// A body for some content; `shared`: whether its description is shared with others.
    pub(super) fn new(key: &str, content: &Content, terms: Terms, shared: bool) -> Self {
        let form = form(content, terms.lifetime, shared);
        if form == Form::Packed {
            return Self::Packed([key.as_bytes(), content.plain()].concat().into());
        }
        let (value, negative) = match &content.payload {
            Payload::Value(value) => (Value::Plain(value.clone()), None),
            Payload::Compressed(value) => (Value::Other(Box::new(Other::Smaller(value.clone()))), None),
            Payload::Chunks(chunks) => (Value::Other(Box::new(Other::Chunks(chunks.clone()))), None),
            Payload::Negative(negative) => (Value::Plain(Bytes::new()), Some(negative.clone())),
        };
        let rare = (form == Form::Rare).then(|| {
            let own = (!shared).then(|| content.description.clone());
            Box::new(Rare {
                lifetime: terms.lifetime,
                read: terms.stored,
                cost: content.cost,
                negative,
                own,
                failure: None,
            })
        });
        Self::Whole(Box::new(Whole { key: key.into(), value, digest: content.digest, rare }))
    }

    pub(super) fn rare(&self) -> Option<&Rare> {
        match self {
            Self::Packed(_) => None,
            Self::Whole(whole) => whole.rare.as_deref(),
        }
    }

    pub(super) fn rare_mut(&mut self) -> Option<&mut Rare> {
        match self {
            Self::Packed(_) => None,
            Self::Whole(whole) => whole.rare.as_deref_mut(),
        }
    }

    /// The key, whose length must be told.
    pub(super) fn key(&self, length: usize) -> &[u8] {
        match self {
            Self::Packed(bytes) => &bytes[..length],
            Self::Whole(whole) => whole.key.as_bytes(),
        }
    }

    /// The value after a key of this length where it lies, if it is held in one piece as it came.
    pub(super) fn plain(&self, length: usize) -> Option<&[u8]> {
        match self {
            Self::Packed(bytes) => Some(&bytes[length..]),
            Self::Whole(whole) => match &whole.value {
                Value::Plain(value) => Some(value),
                Value::Other(_) => None,
            },
        }
    }

    /// The value after a key of this length. Large ones are shared, small ones copied; what is held smaller stays so.
    pub(super) fn payload(&self, length: usize) -> Payload {
        match self {
            Self::Packed(bytes) => Payload::Value(Bytes::copy_from_slice(&bytes[length..])),
            Self::Whole(whole) => match self.rare().and_then(|rare| rare.negative.clone()) {
                Some(negative) => Payload::Negative(negative),
                None => whole.value.payload(),
            },
        }
    }

    pub(super) fn digest(&self, length: usize) -> [u8; 32] {
        match self {
            Self::Packed(bytes) => Content::digest_of_value(&bytes[length..]),
            Self::Whole(whole) => whole.digest,
        }
    }

    /// SHA-256 of the value with this digest; `None`: it is a large one, whose digest is another, and nobody worked it out.
    pub(super) fn sha256(&self, digest: [u8; 32]) -> Option<[u8; 32]> {
        match self {
            Self::Packed(_) => Some(digest),
            Self::Whole(whole) => whole.value.sha256(digest),
        }
    }

    /// Bytes of the value after a key of this length.
    pub(super) fn value_bytes(&self, length: usize) -> u64 {
        match self {
            Self::Packed(bytes) => (bytes.len() - length) as u64,
            Self::Whole(whole) => whole.value.bytes(),
        }
    }

    pub(super) fn taken(&self) -> Taken {
        match self {
            Self::Packed(bytes) => Taken::default().piece(bytes.len()),
            Self::Whole(whole) => {
                let taken = whole.value.taken(whole.key.len());
                whole.rare.as_ref().map_or(taken, |rare| {
                    let taken = taken.with_rare(rare.negative.as_ref());
                    rare.failure.as_ref().map_or(taken, |failure| taken.with_failure(failure))
                })
            }
        }
    }
}

impl Taken {
    /// What some content takes under a key, living this long, with a shared description or its own.
    pub(super) fn by(key: &str, content: &Content, lifetime: Lifetime, shared: bool) -> Self {
        let form = form(content, lifetime, shared);
        if form == Form::Packed {
            return Self::default().piece(key.len() + content.plain().len());
        }
        let (taken, negative) = match &content.payload {
            Payload::Value(value) => (Self::of_whole(key.len(), value), None),
            Payload::Compressed(value) => (Self::of_smaller(key.len(), value), None),
            Payload::Chunks(chunks) => (Self::of_chunks(key.len(), chunks), None),
            Payload::Negative(negative) => (Self::of_whole(key.len(), &[]), Some(negative)),
        };
        if form == Form::Rare { taken.with_rare(negative) } else { taken }
    }

    fn of_whole(key: usize, value: &[u8]) -> Self {
        let taken = Self::default().piece(size_of::<Whole>()).piece(key);
        if value.is_empty() { taken } else { taken.piece(value.len()).piece(SHARED_BYTES) }
    }

    fn of_smaller(key: usize, value: &Compressed) -> Self {
        Self::of_whole(key, value.held()).piece(size_of::<Other>())
    }

    fn of_chunks(key: usize, chunks: &Chunks) -> Self {
        let (used, allocated) = (chunks.size(), chunks.charged_bytes());
        let taken = Self::of_whole(key, &[]).piece(size_of::<Other>());
        Self { used: taken.used + used.min(allocated), allocated: taken.allocated + allocated }
    }

    fn with_rare(self, negative: Option<&Negative>) -> Self {
        let taken = self.piece(size_of::<Rare>());
        negative.map_or(taken, |negative| taken.with_texts(negative))
    }

    /// Bytes that a failure takes.
    pub(super) fn by_failure(failure: &Failure) -> u64 {
        Self::default().with_failure(failure).allocated
    }

    fn with_failure(self, failure: &Failure) -> Self {
        self.piece(size_of::<Failure>()).with_texts(&failure.negative)
    }

    fn with_texts(self, negative: &Negative) -> Self {
        self.piece(COUNTS_BYTES + negative.reason.len()).piece(COUNTS_BYTES + negative.message.len())
    }

    fn piece(self, bytes: usize) -> Self {
        let bytes = bytes as u64;
        Self { used: self.used + bytes, allocated: self.allocated + allocated(bytes) }
    }
}

/// How some content lies: values with a plain lifetime, a shared description and a cost that a record holds need nothing
/// rare, and small ones of them are packed.
fn form(content: &Content, lifetime: Lifetime, shared: bool) -> Form {
    let small = match &content.payload {
        Payload::Value(value) => value.len() < PACKED_BYTES_MAX,
        Payload::Compressed(_) | Payload::Chunks(_) => false,
        Payload::Negative(_) => return Form::Rare,
    };
    let Lifetime { deadlines, idle_ttl, refresh_ahead, marked: _ } = lifetime;
    let plain = idle_ttl.is_none() && refresh_ahead.is_none() && deadlines.usable_until == deadlines.fresh_until;
    let fits = Micros::holds(deadlines.fresh_until) && content.cost.is_none_or(|cost| micros(cost).is_some());
    match shared && plain && fits {
        false => Form::Rare,
        true if small => Form::Packed,
        true => Form::Whole,
    }
}
