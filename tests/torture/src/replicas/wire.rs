//! Calls of the contract as a run of replicas makes them. What the answers mean is not decided here.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use hotplate_proto::v1::{
    self, EventType, GetOutcome, InvalidateMode, MissPolicy, Position, PutOutcome, StalePolicy, WatchContent,
    cache_service_client::CacheServiceClient, selector::Selector as Selects, watch_response::Message,
};
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

use super::record::Event;
use crate::wire::TAGS;

/// Longest time a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest wait for who computes.
const WAIT: Duration = Duration::from_secs(2);
/// Bytes a value is filled up with.
const FILLER: usize = 300;
/// The header in which an answer says that its replica has not heard from the others lately.
const COHERENCE: &str = "x-hotplate-coherence";

/// A client of one replica. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    stub: CacheServiceClient<Channel>,
    endless: CacheServiceClient<Channel>,
}

/// What a Get was answered with.
#[derive(Clone, Debug)]
pub struct Got {
    /// The truth of its value, when there was one.
    pub truth: Option<u64>,
    /// The lease.
    pub lease: Option<String>,
    /// Whether the replica said that it is cut off.
    pub degraded: bool,
}

/// What a Get wants besides the key.
#[derive(Clone, Debug)]
pub enum Wants {
    /// What is there.
    WhatIsThere,
    /// The lease, or to wait.
    Lease,
    /// A state that includes this.
    From(Position),
}

fn name(key: u32) -> String {
    format!("k{key}")
}

fn content(key: u32, truth: u64) -> Bytes {
    format!("{key} {truth} {:FILLER$}", "").into()
}

fn truth_of(key: u32, value: &[u8]) -> Result<u64, Status> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let mut words = text.split(' ');
    let named = words.next().and_then(|word| word.parse::<u32>().ok());
    let truth = words.next().and_then(|word| word.parse().ok());
    match truth {
        Some(truth) if named == Some(key) && content(key, truth) == value => Ok(truth),
        _ => Err(Status::data_loss(format!("key {key} has a value that nobody wrote"))),
    }
}

impl Client {
    /// Connects with the first call.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(grpc: SocketAddr) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{grpc}")).map_err(|error| error.to_string())?;
        let endless = CacheServiceClient::new(endpoint.clone().connect_lazy());
        Ok(Self { stub: CacheServiceClient::new(endpoint.timeout(CALL_TIMEOUT).connect_lazy()), endless })
    }

    /// Reads a key.
    ///
    /// # Errors
    /// The call failed, or found what nobody wrote (`DATA_LOSS`).
    pub async fn get(&self, key: u32, wants: Wants) -> Result<Got, Status> {
        let mut request =
            v1::GetRequest { key: name(key), stale_policy: StalePolicy::Refuse.into(), ..Default::default() };
        match wants {
            Wants::WhatIsThere => {}
            Wants::Lease => {
                request.miss_policy = MissPolicy::LeaseOrWait.into();
                request.wait_timeout = prost_types::Duration::try_from(WAIT).ok();
            }
            Wants::From(position) => request.min_position = Some(position),
        }
        let answer = self.stub.clone().get(request).await?;
        let degraded = answer.metadata().get(COHERENCE).is_some_and(|value| value == "degraded");
        let answer = answer.into_inner();
        let lease = answer.lease.as_ref().map(|lease| lease.token.clone());
        let truth = match (answer.outcome(), answer.entry.and_then(|entry| entry.payload)) {
            (GetOutcome::Hit, Some(v1::entry::Payload::Value(value))) => Some(truth_of(key, &value)?),
            _ => None,
        };
        Ok(Got { truth, lease, degraded })
    }

    /// Writes a value; whether it was stored, and where the logs then are.
    ///
    /// # Errors
    /// The call failed.
    pub async fn put(&self, key: u32, truth: u64, lease: Option<String>) -> Result<(bool, Position), Status> {
        let request = v1::PutRequest {
            key: name(key),
            payload: Some(v1::put_request::Payload::Value(content(key, truth))),
            tags: vec![format!("t{}", key % TAGS)],
            lease_token: lease.unwrap_or_default(),
            ..Default::default()
        };
        let answer = self.stub.clone().put(request).await?.into_inner();
        let stored = matches!(answer.outcome(), PutOutcome::Stored | PutOutcome::Refreshed);
        Ok((stored, answer.position.unwrap_or_default()))
    }

    /// Invalidates a key, or all with its tag; where the logs then are.
    ///
    /// # Errors
    /// The call failed: then nothing is promised.
    pub async fn invalidate(&self, key: u32, by_tag: bool) -> Result<Position, Status> {
        let selector = if by_tag { Selects::Tag(format!("t{}", key % TAGS)) } else { Selects::Key(name(key)) };
        let request = v1::InvalidateRequest {
            selectors: vec![v1::Selector { selector: Some(selector) }],
            mode: InvalidateMode::Delete.into(),
            ..Default::default()
        };
        let answer = self.stub.clone().invalidate(request).await?.into_inner();
        Ok(answer.position.unwrap_or_default())
    }

    /// Follows everything, from where a stream ended or from now on.
    ///
    /// # Errors
    /// The call failed.
    pub async fn watch(&self, resume_token: Bytes) -> Result<Streaming<v1::WatchResponse>, Status> {
        let selectors = vec![v1::Selector { selector: Some(Selects::Everything(true)) }];
        let request = v1::WatchRequest {
            selectors,
            resume_token,
            content: WatchContent::Keys.into(),
            progress_interval: prost_types::Duration::try_from(Duration::from_secs(1)).ok(),
            ..Default::default()
        };
        self.endless.clone().watch(request).await.map(tonic::Response::into_inner)
    }
}

/// What a message of a watch tells of.
#[must_use]
pub fn events(message: v1::WatchResponse) -> Vec<Event> {
    match message.message {
        Some(Message::Created(_)) => vec![Event::Began],
        Some(Message::Discontinuity(_)) => vec![Event::Anything],
        Some(Message::Events(events)) => events.events.iter().filter_map(event).collect(),
        _ => Vec::new(),
    }
}

fn event(event: &v1::WatchEvent) -> Option<Event> {
    let number = |text: &str, first: char| text.strip_prefix(first).and_then(|rest| rest.parse().ok());
    match event.r#type() {
        EventType::Put | EventType::Invalidated => number(&event.key, 'k').map(Event::Key),
        EventType::SetInvalidated => {
            let selector = event.selector.as_ref().and_then(|selector| selector.selector.as_ref());
            match selector {
                Some(Selects::Tag(tag)) => number(tag, 't').map(Event::Tag),
                _ => Some(Event::Anything),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        assert_eq!(truth_of(7, &content(7, 42)).ok(), Some(42));
        assert!(truth_of(8, &content(7, 42)).is_err() && truth_of(7, b"7 42").is_err());
    }
}
