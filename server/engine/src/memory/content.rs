//! Content as it comes in, before it is stored: payload and description with what is computed from them.

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};

use crate::{
    chunks,
    compress::{Compress, Compressed, Said},
    entry::{Description, Payload},
    selector::Facets,
};

/// Content of an entry.
#[derive(Clone, Debug)]
pub struct Content {
    /// What is stored.
    pub payload: Payload,
    /// What the writer says of it, except what computing it cost.
    pub description: Arc<Description>,
    /// What identifies the value: see [`chunks::digest_of_value`].
    pub digest: [u8; 32],
    /// What computing it cost, if that is known.
    pub cost: Option<Duration>,
    /// Whether that was measured here, and not said by the writer.
    pub cost_measured: bool,
}

impl Content {
    /// Describes a payload: computes its digest.
    #[must_use]
    pub fn new(payload: Payload, mut description: Description) -> Self {
        let digest = digest(&payload);
        let cost = description.compute_cost.take().map(to_the_microsecond);
        Self { payload, description: Arc::new(description), digest, cost, cost_measured: false }
    }

    /// Notes what computing it took, unless the writer says what it cost.
    pub fn measure(&mut self, took: Duration) {
        if self.cost.is_none() {
            self.cost = Some(to_the_microsecond(took));
            self.cost_measured = true;
        }
    }

    /// The value, if it is held as it came and in one piece.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        match &self.payload {
            Payload::Value(value) => value,
            Payload::Compressed(_) | Payload::Chunks(_) | Payload::Negative(_) => &[],
        }
    }

    /// The same held smaller, where that is worth it. Its digest stays that of the value.
    #[must_use]
    pub fn compressed(&self, by: &Arc<dyn Compress>) -> Option<Self> {
        let Payload::Value(value) = &self.payload else { return None };
        let said = Said { content_type: &self.description.content_type, encoding: &self.description.encoding };
        let compressed = Compressed::new(by, value, said)?;
        Some(Self { payload: Payload::Compressed(compressed), ..self.clone() })
    }

    /// What selectors look at.
    #[must_use]
    pub fn facets<'a>(&'a self, key: &'a str) -> Facets<'a> {
        let said = &self.description;
        Facets { key, kind: &said.kind, tags: &said.tags, depends_on: said.made_from() }
    }

    /// Whether both say the same to everyone who follows: content, media type, kind, tags and what it was made from.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let negative = |content: &Self| matches!(content.payload, Payload::Negative(_));
        let (mine, theirs) = (&self.description, &other.description);
        self.digest == other.digest
            && negative(self) == negative(other)
            && mine.content_type == theirs.content_type
            && mine.encoding == theirs.encoding
            && mine.tags == theirs.tags
            && mine.kind == theirs.kind
            && mine.made_from() == theirs.made_from()
    }

    /// What identifies a value.
    #[must_use]
    pub fn digest_of_value(value: &[u8]) -> [u8; 32] {
        chunks::digest_of_value(value)
    }

    /// SHA-256 of the value, whatever its size: milliseconds for each MiB of a large one, unless it is known already.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        match &self.payload {
            Payload::Value(value) if value.len() as u64 > chunks::SHA256_BYTES_MAX => Sha256::digest(value).into(),
            Payload::Chunks(chunks) => chunks.sha256_now(),
            Payload::Value(_) | Payload::Compressed(_) | Payload::Negative(_) => self.digest,
        }
    }

    /// The first 16 bytes of a SHA-256 over what kind of payload it is, its digest and how it is to be read.
    #[must_use]
    pub fn etag(negative: bool, digest: &[u8; 32], description: &Description) -> Arc<str> {
        let sort: &[u8] = if negative { b"negative" } else { b"value" };
        let hash = Sha256::new()
            .chain_update(sort)
            .chain_update(digest)
            .chain_update(&*description.content_type)
            .chain_update([0])
            .chain_update(&*description.encoding)
            .finalize();
        let mut text = [0; 32];
        hex::encode_to_slice(&hash[..16], &mut text).expect("16 bytes are 32 digits");
        Arc::from(str::from_utf8(&text).unwrap_or_default())
    }
}

/// What is measured has nanoseconds that mean nothing; kept, they would keep small entries from being packed.
fn to_the_microsecond(cost: Duration) -> Duration {
    let nanos = match cost.as_nanos() {
        0 => 0,
        nanos => ((nanos + 500) / 1000).max(1) * 1000,
    };
    u64::try_from(nanos).map_or(cost, Duration::from_nanos)
}

fn digest(payload: &Payload) -> [u8; 32] {
    match payload {
        Payload::Value(value) => Content::digest_of_value(value),
        Payload::Compressed(compressed) => Content::digest_of_value(&compressed.value().unwrap_or_default()),
        Payload::Chunks(chunks) => chunks.digest(),
        Payload::Negative(negative) => Sha256::new()
            .chain_update(&*negative.reason)
            .chain_update([0])
            .chain_update(&*negative.message)
            .finalize()
            .into(),
    }
}
