//! What typed reads and writes answer.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use crate::{
    Result,
    codec::{Decode, decode_checked},
    ttl, v1,
};

/// What a read found.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup<T> {
    /// A value.
    Hit(Hit<T>),
    /// A remembered absence or failure.
    Negative(Negative),
    /// Nothing that may be used.
    Miss(MissReason),
}

impl<T> Lookup<T> {
    /// The value, when there is one.
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Hit(hit) => Some(hit.value),
            Self::Negative(_) | Self::Miss(_) => None,
        }
    }

    /// The same with another value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Negative(negative) => Lookup::Negative(negative),
            Self::Miss(reason) => Lookup::Miss(reason),
            Self::Hit(hit) => Lookup::Hit(Hit {
                value: change(hit.value),
                stale: hit.stale,
                age: hit.age,
                fresh_for: hit.fresh_for,
                usable_for: hit.usable_for,
                tier: hit.tier,
                etag: hit.etag,
                near: hit.near,
            }),
        }
    }

    /// Whether there is a value.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        matches!(self, Self::Hit(_))
    }
}

/// A value with what is known about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit<T> {
    /// The value.
    pub value: T,
    /// Whether it is past its TTL.
    pub stale: bool,
    /// Time since it was stored or last confirmed.
    pub age: Duration,
    /// Time for which it stays fresh; zero when stale.
    pub fresh_for: Duration,
    /// Time for which it may be used at all.
    pub usable_for: Duration,
    /// The tier that held it.
    pub tier: v1::Tier,
    /// Its version, for conditional writes.
    pub etag: Etag,
    /// Whether it was kept in this process, and the server was not asked.
    pub near: bool,
}

/// The version of an entry: equal content has an equal one. Read it as the text it is; a copy shares that text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Etag(Arc<str>);

impl Deref for Etag {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Etag {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Etag> for String {
    fn from(etag: Etag) -> Self {
        etag.0.as_ref().to_owned()
    }
}

impl PartialEq<str> for Etag {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Etag {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

/// A remembered absence or failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negative {
    /// For programs, such as `NOT_FOUND`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Time for which it stays fresh.
    pub fresh_for: Duration,
}

/// Why a read found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissReason {
    /// Nothing is known of this key.
    NeverStored,
    /// Its lifetime ran out.
    Expired,
    /// It made room for others.
    Evicted,
    /// It was invalidated.
    Invalidated,
    /// It could not fit.
    NotAdmitted,
    /// It is older than was asked for.
    TooOld,
    /// A slower tier that may have it could not be asked.
    TierUnavailable,
    /// The cache did not answer in time.
    Timeout,
    /// The cache is away.
    Unavailable,
    /// The cache is turned off in this process.
    Disabled,
    /// The server gave a reason that this client does not know.
    Other,
}

impl From<v1::MissReason> for MissReason {
    fn from(reason: v1::MissReason) -> Self {
        match reason {
            v1::MissReason::NeverStored => Self::NeverStored,
            v1::MissReason::Expired => Self::Expired,
            v1::MissReason::Evicted => Self::Evicted,
            v1::MissReason::Invalidated => Self::Invalidated,
            v1::MissReason::NotAdmitted => Self::NotAdmitted,
            v1::MissReason::TooOld => Self::TooOld,
            v1::MissReason::TierUnavailable => Self::TierUnavailable,
            v1::MissReason::Unspecified => Self::Other,
        }
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// Stored, with this etag.
    Stored {
        /// The entry's version.
        etag: String,
    },
    /// The same content was there: its lifetime was renewed.
    Refreshed {
        /// The entry's version.
        etag: String,
    },
    /// The condition does not hold; nothing changed.
    PreconditionFailed {
        /// The version of the entry in the way, when there is one.
        etag: Option<String>,
    },
    /// It cannot fit.
    NotAdmitted {
        /// Why, and what would change it.
        reason: String,
    },
    /// The cache is away or turned off: dropped and counted.
    Dropped(MissReason),
}

impl Written {
    pub(crate) fn from_wire(response: v1::PutResponse) -> Self {
        let etag = response.metadata.as_ref().map(|metadata| metadata.etag.clone());
        match response.outcome() {
            v1::PutOutcome::Refreshed => Self::Refreshed { etag: etag.unwrap_or_default() },
            // Only `get_or_compute` puts under a lease, and it reads that outcome by itself.
            v1::PutOutcome::PreconditionFailed | v1::PutOutcome::LeaseLost => Self::PreconditionFailed { etag },
            v1::PutOutcome::NotAdmitted => Self::NotAdmitted { reason: response.not_admitted_reason },
            v1::PutOutcome::Stored | v1::PutOutcome::Unspecified => Self::Stored { etag: etag.unwrap_or_default() },
        }
    }

    /// Whether the value is in the cache now.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::Refreshed { .. })
    }
}

/// What became of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidated {
    /// Done: this many entries were selected.
    Done {
        /// Entries selected; an estimate where a set selected many.
        matched: u64,
    },
    /// The cache is away: remembered, and carried out before this client reads again.
    Queued,
    /// The cache is turned off in this process.
    Disabled,
}

/// What became of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refreshing {
    /// What is selected is marked stale, and is being fetched.
    Started {
        /// Entries selected; an estimate where a set selected many.
        matched: u64,
        /// Entries that are fetched anew.
        refreshing: u64,
        /// The job that fetches them; empty when there is nothing to fetch.
        job: String,
    },
    /// The cache is away: remembered as an invalidation, and carried out before this client reads again.
    Queued,
    /// The cache is turned off in this process.
    Disabled,
}

/// Turns an answer into what the caller asked for.
///
/// What is left of the answer has no payload any more. It is read where it lies: it is half a kilobyte, and goes through many
/// hands.
pub(crate) fn lookup<T, C: Decode<T>>(codec: &C, response: &mut v1::GetResponse) -> Result<Lookup<T>> {
    let (outcome, reason) = (response.outcome(), response.miss_reason());
    let tier = response.served_from();
    let Some(entry) = &mut response.entry else { return Ok(Lookup::Miss(reason.into())) };
    let metadata = &*entry.metadata.get_or_insert_default();
    let fresh_for = ttl::from_wire(metadata.fresh_for.as_ref()).unwrap_or_default();
    match entry.payload.take() {
        Some(v1::entry::Payload::Negative(negative)) => {
            Ok(Lookup::Negative(Negative { reason: negative.reason, message: negative.message, fresh_for }))
        }
        Some(v1::entry::Payload::Value(bytes)) if outcome != v1::GetOutcome::Miss => {
            let value = decode_checked(codec, &metadata.content_type, &metadata.encoding, bytes)?;
            Ok(hit(value, metadata, (outcome, tier)))
        }
        Some(_) | None => Ok(Lookup::Miss(reason.into())),
    }
}

/// Turns the header of a stream into what is known of the value before its bytes: its size stands for it.
pub(crate) fn of_stream(header: &v1::ReadValueHeader) -> Lookup<u64> {
    let response = header.found.clone().unwrap_or_default();
    let (outcome, reason, tier) = (response.outcome(), response.miss_reason(), response.served_from());
    let entry = response.entry.unwrap_or_default();
    let metadata = entry.metadata.unwrap_or_default();
    let fresh_for = ttl::from_wire(metadata.fresh_for.as_ref()).unwrap_or_default();
    if header.version.is_empty() {
        return match entry.payload {
            Some(v1::entry::Payload::Negative(v1::Negative { reason, message })) => {
                Lookup::Negative(Negative { reason, message, fresh_for })
            }
            _ => Lookup::Miss(reason.into()),
        };
    }
    hit(header.size_bytes, &metadata, (outcome, tier))
}

/// A value that the server found, with what it says of it.
fn hit<T>(value: T, metadata: &v1::EntryMetadata, (outcome, tier): (v1::GetOutcome, v1::Tier)) -> Lookup<T> {
    Lookup::Hit(Hit {
        value,
        stale: outcome == v1::GetOutcome::Stale,
        age: ttl::from_wire(metadata.age.as_ref()).unwrap_or_default(),
        fresh_for: ttl::from_wire(metadata.fresh_for.as_ref()).unwrap_or_default(),
        usable_for: ttl::from_wire(metadata.usable_for.as_ref()).unwrap_or_default(),
        tier,
        etag: Etag(metadata.etag.as_str().into()),
        near: false,
    })
}
