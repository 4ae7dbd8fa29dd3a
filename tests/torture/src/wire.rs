//! Calls of the contract as a run makes them: one namespace, keys by number, tags and prefixes that follow from the key.
//! What the answers mean is not decided here.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use hotplate_proto::v1::{
    self, GetOutcome, MissReason, PutOutcome, Tier, cache_service_client::CacheServiceClient,
    selector::Selector as Selects,
};
use tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};

/// Longest time a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Keys that share a tag have the same remainder by this.
pub const TAGS: u32 = 20;
/// Keys that share a prefix have the same remainder by this.
pub const PREFIXES: u32 = 10;

/// A client of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(CacheServiceClient<Channel>);

/// What an Invalidate names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A key.
    Key(u32),
    /// All keys with this tag.
    Tag(u32),
    /// All keys that begin so.
    Prefix(u32),
}

impl Named {
    /// Whether it selects a key.
    #[must_use]
    pub fn selects(self, key: u32) -> bool {
        match self {
            Self::Key(named) => named == key,
            Self::Tag(tag) => key % TAGS == tag,
            Self::Prefix(prefix) => key % PREFIXES == prefix,
        }
    }

    fn selector(self) -> v1::Selector {
        let selector = match self {
            Self::Key(key) => Selects::Key(name(key)),
            Self::Tag(tag) => Selects::Tag(format!("t{tag}")),
            Self::Prefix(prefix) => Selects::Prefix(format!("p{prefix}/")),
        };
        v1::Selector { selector: Some(selector) }
    }
}

/// What a Get found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// A value, and whether it came from memory.
    Value(Bytes, bool),
    /// Nothing.
    Nothing,
    /// Nothing that is known: a tier could not be asked.
    Unknown,
}

fn name(key: u32) -> String {
    format!("p{}/k{key}", key % PREFIXES)
}

impl Client {
    /// Connects with the first call.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(grpc: SocketAddr) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{grpc}")).map_err(|error| error.to_string())?;
        Ok(Self(CacheServiceClient::new(endpoint.timeout(CALL_TIMEOUT).connect_lazy())))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// The call failed.
    pub async fn get(&self, key: u32) -> Result<Got, Status> {
        let request = v1::GetRequest { key: name(key), ..Default::default() };
        let answer = self.0.clone().get(request).await?.into_inner();
        let unavailable = answer.miss_reason() == MissReason::TierUnavailable;
        let memory = answer.served_from() == Tier::Memory;
        Ok(match (answer.outcome(), answer.entry.and_then(|entry| entry.payload)) {
            (GetOutcome::Hit | GetOutcome::Stale, Some(v1::entry::Payload::Value(value))) => Got::Value(value, memory),
            (GetOutcome::Miss, _) if unavailable => Got::Unknown,
            _ => Got::Nothing,
        })
    }

    /// Writes a value; whether it is said to be stored.
    ///
    /// # Errors
    /// The call failed.
    pub async fn put(&self, key: u32, value: Bytes, ttl: Option<Duration>) -> Result<bool, Status> {
        let lifetime = ttl.and_then(|ttl| prost_types::Duration::try_from(ttl).ok()).map(v1::expiration::Lifetime::Ttl);
        let request = v1::PutRequest {
            key: name(key),
            payload: Some(v1::put_request::Payload::Value(value)),
            expiration: lifetime.map(|lifetime| v1::Expiration { lifetime: Some(lifetime), ..Default::default() }),
            tags: vec![format!("t{}", key % TAGS)],
            ..Default::default()
        };
        Ok(self.0.clone().put(request).await?.into_inner().outcome() == PutOutcome::Stored)
    }

    /// Invalidates.
    ///
    /// # Errors
    /// The call failed: then nothing is promised.
    pub async fn invalidate(&self, named: Named) -> Result<(), Status> {
        let request = v1::InvalidateRequest { selectors: vec![named.selector()], ..Default::default() };
        self.0.clone().invalidate(Request::new(request)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_selects_what_bears_that_name() {
        assert!(Named::Key(7).selects(7) && !Named::Key(7).selects(27));
        assert!(Named::Tag(7).selects(27) && !Named::Tag(7).selects(17));
        assert!(Named::Prefix(7).selects(17) && name(17).starts_with("p7/") && !Named::Prefix(7).selects(18));
    }
}
