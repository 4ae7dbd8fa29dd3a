//! Freeing a large value may take many milliseconds. So whatever takes an entry out, its value is dropped when its shard
//! is not locked: others read there meanwhile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Expiration, Payload, Ttl},
    event::Silent,
    flow::{get::GetRequest, invalidate::InvalidateRequest, put::PutRequest},
    namespace::EngineConfig,
    origin::Origins,
    selector::Selector,
};

const BYTES_MAX: u64 = 64 << 10;
/// How long a read may take before it counts as locked out. Only waited for when the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A value that looks, when it is dropped, whether its shard can be read.
struct Watched {
    value: Vec<u8>,
    cache: Arc<Cache>,
    seen: Arc<Mutex<Vec<bool>>>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.value
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let (cache, (done, was_read)) = (self.cache.clone(), mpsc::channel());
        thread::spawn(move || {
            cache.get(&GetRequest { key: "other".into(), ..GetRequest::default() }).unwrap();
            // Nobody listens any more when it took too long.
            let _ = done.send(());
        });
        self.seen.lock().unwrap().push(was_read.recv_timeout(PATIENCE).is_ok());
    }
}

struct Drops {
    cache: Arc<Cache>,
    clock: Clock,
    seen: Arc<Mutex<Vec<bool>>>,
}

impl Drops {
    /// A cache of one shard with a watched value under `key`.
    fn new() -> Self {
        let clock = Clock::manual();
        let mut config = EngineConfig { shards: 1, bytes_max: BYTES_MAX, seed: Some(1), ..EngineConfig::default() };
        config.namespace_default.as_mut().unwrap().policy = "lru".into();
        let cache = Cache::new(config, clock.clone(), Arc::new(Silent), Origins::new()).unwrap();
        let drops = Self { cache, clock, seen: Arc::default() };
        let watched = Watched { value: vec![1; 4096], cache: drops.cache.clone(), seen: drops.seen.clone() };
        drops.put("key", Bytes::from_owner(watched));
        assert!(drops.seen.lock().unwrap().is_empty(), "it is stored, not copied");
        drops
    }

    fn put(&self, key: &str, value: Bytes) {
        let request = PutRequest {
            description: Description { tags: vec!["tag".into()], ..Description::default() },
            expiration: Expiration { ttl: Ttl::Exact(Duration::from_secs(60)), ..Expiration::default() },
            ..PutRequest::new("", key, Payload::Value(value))
        };
        self.cache.put(request).unwrap();
    }

    fn invalidate(&self, selector: Selector) {
        let (validate_only, reason, request_id, client_id) = (false, None, String::new(), None);
        let (namespace, selectors) = (String::new(), vec![selector]);
        let request =
            InvalidateRequest { namespace, selectors, cascade: true, validate_only, reason, request_id, client_id };
        self.cache.invalidate(&request).unwrap();
    }
}

/// What takes the entry out.
type Removal = fn(&Drops);

const REMOVALS: [(&str, Removal); 8] = [
    ("another value", |drops| drops.put("key", vec![2; 100].into())),
    ("the same value again", |drops| drops.put("key", vec![1; 4096].into())),
    ("a value that is refused", |drops| drops.put("key", vec![2; 1 << 20].into())),
    ("eviction", |drops| (0..20).for_each(|number| drops.put(&number.to_string(), vec![3; 4096].into()))),
    ("a read after its end", |drops| {
        drops.clock.advance(Duration::from_secs(61));
        drops.cache.get(&GetRequest { key: "key".into(), ..GetRequest::default() }).unwrap();
    }),
    ("maintenance after its end", |drops| {
        drops.clock.advance(Duration::from_secs(61));
        drops.cache.maintain();
    }),
    ("invalidation by key", |drops| drops.invalidate(Selector::key("key").unwrap())),
    ("invalidation by tag", |drops| drops.invalidate(Selector::tag("tag").unwrap())),
];

#[test]
fn values_are_dropped_when_their_shard_is_not_locked() {
    for (what, remove) in REMOVALS {
        let drops = Drops::new();
        remove(&drops);
        assert_eq!(*drops.seen.lock().unwrap(), [true], "{what}");
    }
}
