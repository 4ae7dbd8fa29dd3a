//! Words to speak the contract in tests: short requests, durations, and what a failed call says. Starts nothing.

use std::{fmt::Debug, time::Duration};

use hotplate_proto::v1::{self, cache_service_client::CacheServiceClient};
use tonic::{Code, Response, Status, transport::Channel};
use tonic_types::StatusExt;

/// A client of the service.
pub(crate) type Client = CacheServiceClient<Channel>;

/// How long anything that must happen may take before the test gives up: far beyond what a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen in {PATIENCE:?}"))
}

/// What a Get answers when every tier could be asked. A disk that is late is not waited for, and the answer says so: then it is
/// asked again. Every other answer, and so every other miss, is the answer.
pub(crate) async fn everywhere(client: &Client, key: &str) -> v1::GetResponse {
    let ask = || async { client.clone().ask(get(key)).await };
    until("all tiers are asked", ask, |answer| answer.miss_reason() != v1::MissReason::TierUnavailable).await
}

/// Asks again until the answer pleases; for effects that have no event to wait for.
pub(crate) async fn until<T: Debug, F: Future<Output = T>>(
    what: &str,
    mut ask: impl FnMut() -> F,
    pleases: impl Fn(&T) -> bool,
) -> T {
    let mut last = None;
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let answer = ask().await;
            if pleases(&answer) {
                return answer;
            }
            last = Some(answer);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    match found.await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} did not happen in {PATIENCE:?}; last seen: {last:?}"),
    }
}

/// A duration of the wire.
pub(crate) fn wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap()
}

/// Seconds as the wire has them.
pub(crate) fn seconds(seconds: u64) -> Option<prost_types::Duration> {
    Some(wire(Duration::from_secs(seconds)))
}

/// A duration of the wire as Rust has it.
pub(crate) fn std_duration(duration: Option<prost_types::Duration>) -> Duration {
    Duration::try_from(duration.expect("a duration is set")).unwrap()
}

/// A lifetime of this many seconds.
pub(crate) fn ttl(seconds: u64) -> v1::Expiration {
    ttl_exact(Duration::from_secs(seconds))
}

/// A lifetime of this duration.
pub(crate) fn ttl_exact(duration: Duration) -> v1::Expiration {
    v1::Expiration { lifetime: Some(v1::expiration::Lifetime::Ttl(wire(duration))), ..Default::default() }
}

/// A lifetime by class.
pub(crate) fn ttl_class(name: &str) -> v1::Expiration {
    v1::Expiration { lifetime: Some(v1::expiration::Lifetime::TtlClass(name.to_owned())), ..Default::default() }
}

pub(crate) fn get(key: &str) -> v1::GetRequest {
    v1::GetRequest { key: key.to_owned(), ..Default::default() }
}

pub(crate) fn lease(key: &str) -> v1::GetRequest {
    v1::GetRequest { miss_policy: v1::MissPolicy::Lease.into(), ..get(key) }
}

pub(crate) fn lease_or_wait(key: &str) -> v1::GetRequest {
    v1::GetRequest { miss_policy: v1::MissPolicy::LeaseOrWait.into(), ..get(key) }
}

pub(crate) fn put_under(token: &str, key: &str, value: impl AsRef<[u8]>) -> v1::PutRequest {
    v1::PutRequest { lease_token: token.to_owned(), ..put(key, value) }
}

/// The token of the lease an answer carries.
#[track_caller]
pub(crate) fn token_of(answer: &v1::GetResponse) -> String {
    answer.lease.as_ref().unwrap_or_else(|| panic!("no lease in {answer:?}")).token.clone()
}

pub(crate) fn peek(key: &str) -> v1::GetRequest {
    v1::GetRequest { peek: true, ..get(key) }
}

pub(crate) fn put(key: &str, value: impl AsRef<[u8]>) -> v1::PutRequest {
    let value = bytes::Bytes::copy_from_slice(value.as_ref());
    v1::PutRequest {
        key: key.to_owned(),
        payload: Some(v1::put_request::Payload::Value(value)),
        expiration: Some(ttl(3600)),
        ..Default::default()
    }
}

pub(crate) fn put_tagged(key: &str, value: impl AsRef<[u8]>, tags: &[&str]) -> v1::PutRequest {
    v1::PutRequest { tags: texts(tags), ..put(key, value) }
}

pub(crate) fn put_kind(key: &str, value: impl AsRef<[u8]>, kind: &str) -> v1::PutRequest {
    v1::PutRequest { kind: kind.to_owned(), expiration: None, ..put(key, value) }
}

pub(crate) fn put_negative(key: &str, reason: &str) -> v1::PutRequest {
    let negative = v1::Negative { reason: reason.to_owned(), message: "there is none".to_owned() };
    v1::PutRequest { payload: Some(v1::put_request::Payload::Negative(negative)), ..put(key, "") }
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn condition(condition: v1::precondition::Condition) -> Option<v1::Precondition> {
    Some(v1::Precondition { condition: Some(condition) })
}

/// The selectors, short.
pub(crate) mod select {
    use hotplate_proto::v1::{Selector, TagSet, selector::Selector as Kind};

    fn selector(kind: Kind) -> Selector {
        Selector { selector: Some(kind) }
    }

    pub(crate) fn key(key: &str) -> Selector {
        selector(Kind::Key(key.to_owned()))
    }

    pub(crate) fn prefix(prefix: &str) -> Selector {
        selector(Kind::Prefix(prefix.to_owned()))
    }

    pub(crate) fn glob(glob: &str) -> Selector {
        selector(Kind::Glob(glob.to_owned()))
    }

    pub(crate) fn tag(tag: &str) -> Selector {
        selector(Kind::Tag(tag.to_owned()))
    }

    pub(crate) fn all_tags(tags: &[&str]) -> Selector {
        selector(Kind::AllTags(TagSet { tags: super::texts(tags) }))
    }

    pub(crate) fn kind(kind: &str) -> Selector {
        selector(Kind::Kind(kind.to_owned()))
    }

    pub(crate) fn dependents_of(name: &str) -> Selector {
        selector(Kind::DependentsOf(name.to_owned()))
    }

    pub(crate) fn everything() -> Selector {
        selector(Kind::Everything(true))
    }
}

pub(crate) fn invalidate(selectors: Vec<v1::Selector>) -> v1::InvalidateRequest {
    v1::InvalidateRequest { selectors, ..Default::default() }
}

pub(crate) fn watch(selectors: Vec<v1::Selector>) -> v1::WatchRequest {
    v1::WatchRequest { selectors, progress_interval: Some(wire(Duration::from_millis(100))), ..Default::default() }
}

pub(crate) fn touch(key: &str, mode: v1::TouchMode, expiration: v1::Expiration) -> v1::TouchRequest {
    v1::TouchRequest { key: key.to_owned(), mode: mode.into(), expiration: Some(expiration), ..Default::default() }
}

/// What a failed call said.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) reason: String,
    pub(crate) fields: Vec<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    /// Takes a status apart. Every failure of the service names its reason in the domain `hotplate`.
    pub(crate) fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().unwrap_or_else(|| panic!("a failure without ErrorInfo: {status:?}"));
        assert_eq!(info.domain, "hotplate", "{status:?}");
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        assert!(!status.message().is_empty(), "a failure says what is wrong");
        Self {
            code: status.code(),
            reason: info.reason.clone(),
            fields: violations.into_iter().map(|violation| violation.field).collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }

    /// The same of an item of a batch or an operation of a stream.
    pub(crate) fn of_item(error: &v1::ItemError) -> Self {
        assert!(!error.message.is_empty(), "a failure says what is wrong");
        let fields = if error.field.is_empty() { Vec::new() } else { vec![error.field.clone()] };
        let retry_after = error.retry_after.map(|after| Duration::try_from(after).unwrap());
        Self { code: Code::from(error.code), reason: error.reason.clone(), fields, retry_after }
    }

    /// Checks code and reason.
    #[track_caller]
    pub(crate) fn is(&self, code: Code, reason: &str) -> &Self {
        assert_eq!((self.code, self.reason.as_str()), (code, reason), "{self:?}");
        self
    }

    /// Checks the request field it blames.
    #[track_caller]
    pub(crate) fn blames(&self, field: &str) -> &Self {
        assert!(self.fields.iter().any(|blamed| blamed == field), "blames {:?}, not {field}", self.fields);
        self
    }

    /// Checks that it says when to come back.
    #[track_caller]
    pub(crate) fn says_when(&self) -> &Self {
        assert!(self.retry_after.is_some_and(|delay| delay > Duration::ZERO), "no RetryInfo: {self:?}");
        self
    }
}

/// The failure of a call that must fail.
#[track_caller]
pub(crate) fn failure<T: Debug>(result: Result<Response<T>, Status>) -> Failure {
    match result {
        Ok(answer) => panic!("the call must fail, but answered {:?}", answer.into_inner()),
        Err(status) => Failure::of(&status),
    }
}

/// The calls of most tests, without their wrapping.
pub(crate) trait Calls {
    async fn ask(&mut self, request: v1::GetRequest) -> v1::GetResponse;
    async fn store(&mut self, request: v1::PutRequest) -> v1::PutResponse;
    async fn drop_all(&mut self, selectors: Vec<v1::Selector>) -> v1::InvalidateResponse;
    async fn count(&mut self, namespace: &str) -> v1::StatsResponse;

    /// The value of a key, or why there is none.
    async fn value(&mut self, key: &str) -> Result<Vec<u8>, v1::MissReason> {
        let answer = self.ask(get(key)).await;
        match answer.outcome() {
            v1::GetOutcome::Hit => Ok(value_of(&answer).to_vec()),
            v1::GetOutcome::Miss => Err(answer.miss_reason()),
            other => panic!("neither hit nor miss: {other:?}"),
        }
    }
}

impl Calls for Client {
    async fn ask(&mut self, request: v1::GetRequest) -> v1::GetResponse {
        Box::pin(self.get(request)).await.expect("get").into_inner()
    }

    async fn store(&mut self, request: v1::PutRequest) -> v1::PutResponse {
        Box::pin(self.put(request)).await.expect("put").into_inner()
    }

    async fn drop_all(&mut self, selectors: Vec<v1::Selector>) -> v1::InvalidateResponse {
        Box::pin(self.invalidate(invalidate(selectors))).await.expect("invalidate").into_inner()
    }

    async fn count(&mut self, namespace: &str) -> v1::StatsResponse {
        let request = v1::StatsRequest { namespace: namespace.to_owned(), ..Default::default() };
        Box::pin(self.stats(request)).await.expect("stats").into_inner()
    }
}

/// The value an answer carries.
#[track_caller]
pub(crate) fn value_of(answer: &v1::GetResponse) -> &[u8] {
    match answer.entry.as_ref().and_then(|entry| entry.payload.as_ref()) {
        Some(v1::entry::Payload::Value(value)) => value,
        other => panic!("no value but {other:?} in {:?}", answer.outcome()),
    }
}

/// The metadata an answer carries.
#[track_caller]
pub(crate) fn facts_of(answer: &v1::GetResponse) -> &v1::EntryMetadata {
    answer.entry.as_ref().and_then(|entry| entry.metadata.as_ref()).expect("the answer has metadata")
}

/// A counter of misses.
pub(crate) fn misses(group: &v1::StatsGroup, reason: v1::MissReason) -> u64 {
    group.misses.iter().find(|miss| miss.reason() == reason).map_or(0, |miss| miss.count)
}

/// A counter of removals.
pub(crate) fn removals(group: &v1::StatsGroup, reason: v1::RemovalReason) -> u64 {
    group.removals.iter().find(|removal| removal.reason() == reason).map_or(0, |removal| removal.count)
}
