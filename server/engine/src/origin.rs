//! The port to where values come from: fetch one key. How is the business of `hotplate-tiers`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;

/// What to fetch.
#[derive(Clone, Debug)]
pub struct OriginRequest {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The key.
    pub key: Arc<str>,
    /// Values for the origin's template.
    pub parameters: BTreeMap<String, String>,
    /// The origin's own validator of the content that is stored now, to ask whether it is still current.
    pub validator: Option<Arc<str>>,
}

/// What the origin says.
#[derive(Clone, Debug)]
pub enum OriginAnswer {
    /// Here it is.
    Found(Loaded),
    /// What is stored is still current.
    NotModified {
        /// How long it stays fresh, when the origin says so.
        ttl: Option<Duration>,
    },
    /// There is none.
    Absent,
}

/// A fetched value.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The bytes.
    pub value: Bytes,
    /// Media type; empty for unknown.
    pub content_type: Arc<str>,
    /// Encoding the bytes still have; empty for none.
    pub encoding: Arc<str>,
    /// How long it stays fresh, when the origin says so. Zero: not to be stored.
    pub ttl: Option<Duration>,
    /// The origin's validator (an HTTP ETag), for asking again.
    pub validator: Option<Arc<str>>,
}

/// Why an origin gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError {
    /// Reason in UPPER_SNAKE_CASE: ORIGIN_TIMEOUT, ORIGIN_STATUS, ORIGIN_TOO_LARGE, ORIGIN_REFUSED, ORIGIN_UNREACHABLE,
    /// BAD_PARAMETERS.
    pub reason: &'static str,
    /// A sentence for people, without secrets or keys.
    pub message: String,
    /// Whether asking again may help.
    pub retryable: bool,
}

/// Fetches values. Cancelled by dropping the future.
pub trait Origin: Send + Sync + 'static {
    /// Asks for one key.
    fn load(&self, request: OriginRequest) -> BoxFuture<'_, Result<OriginAnswer, OriginError>>;
}

/// The origins of each namespace, by namespace and name.
pub type Origins = BTreeMap<String, BTreeMap<String, Arc<dyn Origin>>>;
