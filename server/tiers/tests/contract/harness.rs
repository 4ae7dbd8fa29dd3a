//! Redis processes with tiers on them, and entries to put there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Payload},
    key::Key,
    position::{LogId, Position},
    selector::Selector,
    tier::{
        Kept, TierErrorKind,
        shared::{FenceName, FleetStamp, LogNow, SharedTier, Since},
    },
};
use hotplate_redisctl::{Cluster, Sentinel, Server};
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    guard::{GuardOptions, Guarded},
    redis::{RedisOptions, RedisTier, RedisUrl},
};
use sha2::{Digest, Sha256};

/// Largest value that the tests' tiers store.
pub(crate) const VALUE_BYTES_MAX: u64 = 1 << 20;

/// Redis, in one of its forms.
#[derive(Debug)]
pub(crate) enum Redis {
    Single(Box<Server>),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

impl Redis {
    pub(crate) fn single() -> Self {
        Self::Single(Box::new(Server::start().unwrap()))
    }

    pub(crate) fn sentinel() -> Self {
        Self::Sentinel(Sentinel::start().unwrap())
    }

    pub(crate) fn cluster() -> Self {
        Self::Cluster(Cluster::start().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Single(server) => server.url(),
            Self::Sentinel(sentinel) => sentinel.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// A replica's tier.
    pub(crate) fn tier(&self) -> Arc<RedisTier> {
        tier(&self.url())
    }

    /// The same behind its guard, with time enough for a machine that does other things too.
    pub(crate) fn guarded(&self) -> Arc<dyn SharedTier> {
        let options = GuardOptions::shared(Duration::from_secs(20));
        Guarded::shared(self.tier(), options, Clock::system())
    }
}

pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions {
        url: RedisUrl::parse(url).unwrap(),
        username: None,
        password: None,
        authorities: None,
        prefix: "hp".into(),
        value_bytes_max: VALUE_BYTES_MAX,
    }
}

pub(crate) fn tier(url: &str) -> Arc<RedisTier> {
    open(options(url))
}

pub(crate) fn open(options: RedisOptions) -> Arc<RedisTier> {
    let codec = Codec::new(CodecOptions { chunks: false, ..CodecOptions::default() }, Clock::system());
    Arc::new(RedisTier::open(options, codec, Clock::system()).unwrap())
}

pub(crate) fn key(text: &str) -> Key {
    Key::new("models", text).unwrap()
}

/// An entry that is usable for a minute.
pub(crate) fn kept(value: &str) -> Kept {
    kept_for(value, Duration::from_secs(60))
}

pub(crate) fn kept_for(value: &str, usable: Duration) -> Kept {
    let clock = Clock::system();
    let now = clock.wall(clock.now());
    // Times are kept in whole milliseconds.
    let now = Duration::from_millis(u64::try_from(now.as_millis()).unwrap());
    let description = Description { kind: "fit".into(), tags: vec!["red".into()], ..Description::default() };
    Kept {
        payload: Payload::Value(Bytes::copy_from_slice(value.as_bytes())),
        description: Arc::new(description),
        digest: Sha256::digest(value.as_bytes()).into(),
        cost: Some(Duration::from_millis(70)),
        cost_measured: true,
        stored: now,
        fresh_until: now + usable / 2,
        usable_until: now + usable,
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

pub(crate) fn of_key(key: &Key) -> FenceName {
    FenceName { namespace: Arc::clone(key.namespace()), selector: Selector::Key(Arc::clone(key.text())) }
}

pub(crate) fn of_tag(tag: &str) -> FenceName {
    FenceName { namespace: "models".into(), selector: Selector::tag(tag).unwrap() }
}

/// Where logs are. On a machine that does other things too the first attempt to connect may have ended, or what a Sentinel
/// said be too old, when it is asked: both are tried again.
async fn polled(tier: &dyn SharedTier, at: &[(LogId, Option<Position>)]) -> Vec<LogNow> {
    for _look in 0..2000 {
        match tier.poll(at).await {
            Err(error) if matches!(error.kind, TierErrorKind::Away | TierErrorKind::Unreachable) => {}
            nows => return nows.unwrap(),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tier.poll(at).await.unwrap()
}

/// Where one log is.
pub(crate) async fn now(tier: &dyn SharedTier, log: LogId, at: Option<Position>) -> LogNow {
    let mut nows = polled(tier, &[(log, at)]).await;
    assert_eq!(nows.len(), 1);
    nows.remove(0)
}

/// Where a computation begins that begins now.
pub(crate) async fn stamp(tier: &dyn SharedTier, key: &Key) -> FleetStamp {
    let nows = polled(tier, &[(key.log(), None), (LogId::SELECTOR, None)]).await;
    FleetStamp { key: nows[0].position, selector: nows[1].position }
}

/// Writes a value.
pub(crate) async fn put(tier: &dyn SharedTier, key: &Key, value: &str) -> LogNow {
    let selector = now(tier, LogId::SELECTOR, None).await.position;
    let written = tier.write(key, &kept(value), selector, None).await.unwrap();
    assert!(written.stored);
    written.now
}

/// The value that lies there.
pub(crate) async fn value(tier: &dyn SharedTier, key: &Key) -> Option<String> {
    let read = tier.read(key, None, None).await.unwrap();
    read.found.map(|found| text(&found.kept))
}

/// An entry's value as text.
pub(crate) fn text(kept: &Kept) -> String {
    match &kept.payload {
        Payload::Value(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Payload::Chunks(chunks) => String::from_utf8(chunks.to_bytes().to_vec()).unwrap(),
        Payload::Compressed(_) => unreachable!("slower tiers give out what came"),
        Payload::Negative(negative) => format!("negative: {}", negative.reason),
    }
}

/// Names and numbers of what happened.
pub(crate) fn fences(now: &LogNow) -> Vec<(FenceName, u64)> {
    match &now.since {
        Since::Fences(fences) => fences.clone(),
        other => panic!("what happened can be said: {other:?}"),
    }
}

/// Asks until it is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _look in 0..6000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not come true within a minute: {what}");
}
