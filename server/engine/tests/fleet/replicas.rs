//! Some replicas of one cache above what they share, and what is asked of them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache, Error,
    clock::Clock,
    entry::{Description, EntryView, Expiration, Payload, Ttl},
    event::Silent,
    flow::{
        get::{GetRequest, Lookup, StalePolicy},
        invalidate::{InvalidateAnswer, InvalidateRequest},
        lease::{LeasedAnswer, OnMiss},
        put::{PutAnswer, PutRequest},
        touch::{TouchAnswer, TouchMode, TouchRequest},
    },
    namespace::{Besides, Coherence, EngineConfig, NamespaceConfig},
    origin::Origins,
    position::Positions,
    selector::Selector,
    tier::Tiers,
};

use super::link::{Link, Net, Wrong};

pub(crate) const SPACE: &str = "s";

pub(crate) struct Replica {
    pub(crate) cache: Arc<Cache>,
    pub(crate) link: Arc<Link>,
}

/// What a Get with a lease found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Value(u64),
    Compute(u128),
    Pending,
    Miss,
}

impl Replica {
    pub(crate) fn new(net: &Arc<Net>, number: u64, (clock, coherence, wrong): (Clock, Coherence, Wrong)) -> Self {
        let link = Link::new(net, number, wrong);
        let space = NamespaceConfig { coherence, ..NamespaceConfig::default() };
        let alone = NamespaceConfig { tiers: Besides { disk: false, shared: false }, ..NamespaceConfig::default() };
        let config = EngineConfig {
            namespaces: [(SPACE.to_owned(), space), ("alone".to_owned(), alone)].into(),
            lease_duration: Duration::from_secs(2),
            seed: Some(number),
            shards: 4,
            ..EngineConfig::default()
        };
        let tiers = Tiers { shared: Some(link.clone()), ..Tiers::default() };
        let cache = Cache::with_tiers(config, clock, Arc::new(Silent), (Origins::default(), tiers)).unwrap();
        net.tasks.spawn("follow", cache.clone().follow_fleet());
        net.tasks.spawn("maintenance", cache.clone().run_maintenance());
        Self { cache, link }
    }

    pub(crate) async fn get(&self, key: &str, on_miss: OnMiss, min_position: Positions) -> Result<Read, Error> {
        let request =
            GetRequest { namespace: SPACE.to_owned(), key: key.to_owned(), min_position, ..GetRequest::default() };
        Ok(match self.cache.read(&request, on_miss).await? {
            LeasedAnswer::Found(answer, grant) => match (&answer.outcome, grant) {
                (Lookup::Hit(view), _) => Read::Value(number(view)),
                (_, Some(grant)) => Read::Compute(grant.token),
                _ => Read::Miss,
            },
            LeasedAnswer::Pending(..) => Read::Pending,
        })
    }

    pub(crate) async fn look(&self, key: &str) -> Read {
        self.get(key, OnMiss::Report, Positions::default()).await.unwrap()
    }

    pub(crate) async fn put(&self, key: &str, value: u64, lease: Option<u128>) -> PutAnswer {
        self.cache.write(put(key, value), lease).await.unwrap()
    }

    /// The lease of a key that is stale.
    pub(crate) async fn lease(&self, key: &str) -> u128 {
        let stale = StalePolicy::WhileRevalidate;
        let request = GetRequest { namespace: SPACE.to_owned(), key: key.to_owned(), stale, ..GetRequest::default() };
        let answer = self.cache.read(&request, OnMiss::Lease).await.unwrap();
        let LeasedAnswer::Found(_, Some(grant)) = answer else { panic!("not granted: {answer:?}") };
        grant.token
    }

    /// What lives on; `None`: nothing.
    pub(crate) async fn touch(&self, key: &str, expiration: Expiration) -> Option<u64> {
        let (namespace, key) = (SPACE.to_owned(), key.to_owned());
        let request = TouchRequest { namespace, key, mode: TouchMode::Set, expiration, etag: String::new() };
        match self.cache.move_end(&request).await.unwrap() {
            TouchAnswer::Touched(view) | TouchAnswer::Unchanged(view) | TouchAnswer::EtagMismatch(view) => {
                Some(number(&view))
            }
            TouchAnswer::NotFound => None,
        }
    }

    pub(crate) async fn drop_set(&self, selector: Selector) -> Result<InvalidateAnswer, Error> {
        self.drop(selector, false).await
    }

    pub(crate) async fn drop_with_all_made_of_it(&self, key: &str) -> Result<InvalidateAnswer, Error> {
        self.drop(Selector::key(key).unwrap(), true).await
    }

    async fn drop(&self, selector: Selector, cascade: bool) -> Result<InvalidateAnswer, Error> {
        self.drop_all(vec![selector], cascade).await
    }

    pub(crate) async fn drop_keys(&self, keys: &[&str]) -> Result<InvalidateAnswer, Error> {
        self.drop_all(keys.iter().map(|key| Selector::key(key).unwrap()).collect(), false).await
    }

    async fn drop_all(&self, selectors: Vec<Selector>, cascade: bool) -> Result<InvalidateAnswer, Error> {
        let request = InvalidateRequest {
            namespace: SPACE.to_owned(),
            selectors,
            cascade,
            validate_only: false,
            reason: None,
            request_id: String::new(),
            client_id: None,
        };
        self.cache.drop_entries(&request).await
    }

    pub(crate) async fn drop_key(&self, key: &str) -> Result<InvalidateAnswer, Error> {
        self.drop_set(Selector::key(key).unwrap()).await
    }
}

/// A number as a value; every key has a tag of its own.
pub(crate) fn put(key: &str, value: u64) -> PutRequest {
    PutRequest {
        description: Description { tags: vec![Arc::from(format!("t-{key}"))], ..Description::default() },
        expiration: Expiration { ttl: Ttl::Exact(Duration::from_secs(3600)), ..Expiration::default() },
        ..PutRequest::new(SPACE, key, Payload::Value(Bytes::from(value.to_string())))
    }
}

fn number(view: &EntryView) -> u64 {
    let Payload::Value(value) = &view.payload else { return 0 };
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// So many replicas that have caught up.
pub(crate) async fn start(net: &Arc<Net>, count: u64, clock: &Clock, coherence: Coherence) -> Vec<Arc<Replica>> {
    let make = |number| Arc::new(Replica::new(net, number, (clock.clone(), coherence, Wrong::Nothing)));
    let replicas: Vec<_> = (1..=count).map(make).collect();
    for replica in &replicas {
        assert!(replica.cache.caught_up(Duration::from_secs(5)).await);
    }
    replicas
}

pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
