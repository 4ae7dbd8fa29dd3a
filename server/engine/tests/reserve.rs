//! Room for values that are on their way: part of the hard bound on memory, given back when nobody needs it any more, and
//! the entry's once the value is stored.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use hotplate_engine::{
    Cache, Kind,
    chunks::{CHUNK_BYTES, Chunk, Chunks, Collecting},
    clock::Clock,
    entry::{Description, Payload},
    error::Reason,
    event::Silent,
    flow::{
        get::{GetRequest, Lookup},
        put::{Precondition, PutAnswer, PutRequest},
        reserve::ReserveRequest,
    },
    memory::reserved::Reservation,
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
    stats::GroupBy,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const MIB: u64 = 1 << 20;

fn cache(bytes_max: u64, uploads_bytes_max: u64) -> Arc<Cache> {
    let small = NamespaceConfig { bytes_max: Some(4 * MIB), ..NamespaceConfig::default() };
    let lru = NamespaceConfig { policy: "lru".into(), ..NamespaceConfig::default() };
    let config = EngineConfig {
        bytes_max,
        uploads_bytes_max,
        value_bytes_max: 1 << 40,
        namespaces: [("small".to_owned(), small), ("lru".to_owned(), lru)].into(),
        seed: Some(1),
        ..EngineConfig::default()
    };
    Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
}

fn request<'a>(namespace: &'a str, key: &'a str, bytes: u64) -> ReserveRequest<'a> {
    ReserveRequest { namespace, key, bytes, announced: 0, kind: "", compute_cost: Some(Duration::from_secs(3600)) }
}

fn put(namespace: &str, key: &str, payload: Payload) -> PutRequest {
    let compute_cost = Some(Duration::from_secs(3600));
    PutRequest {
        description: Description { compute_cost, ..Description::default() },
        ..PutRequest::new(namespace, key, payload)
    }
}

fn filled(cache: &Cache, namespace: &str) {
    let entries = cache.config().bytes_max / 5000;
    for number in 0..entries {
        let mut request = put(namespace, &format!("fill:{number}"), Payload::Value(vec![7; 4096].into()));
        request.description.compute_cost = Some(Duration::from_millis(1));
        cache.put(request).unwrap();
    }
}

fn chunks(bytes: u64, byte: u8) -> Chunks {
    let mut collecting = Collecting::new();
    let mut left = usize::try_from(bytes).unwrap();
    while left > 0 {
        let length = left.min(CHUNK_BYTES);
        collecting.push(Chunk::new(Bytes::from(vec![byte; length])));
        left -= length;
    }
    collecting.finish(None)
}

fn held(cache: &Cache) -> (u64, u64) {
    cache.check_invariants().unwrap();
    let snapshot = cache.stats(None, GroupBy::Nothing).unwrap();
    assert!(snapshot.total.charged_bytes + snapshot.uploads_bytes <= cache.config().bytes_max);
    (snapshot.total.charged_bytes, snapshot.uploads_bytes)
}

fn get(cache: &Cache, namespace: &str, key: &str) -> Option<Payload> {
    let request = GetRequest { namespace: namespace.to_owned(), key: key.to_owned(), ..GetRequest::default() };
    match cache.get(&request).unwrap().outcome {
        Lookup::Hit(view) => Some(view.payload),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_reserved_makes_others_go_and_becomes_the_entry() {
    let cache = cache(64 * MIB, 32 * MIB);
    filled(&cache, "default");
    let (before, _) = held(&cache);
    let room = cache.reserve(&request("", "k", 20 * MIB)).await.unwrap();
    let (after, uploads) = held(&cache);
    assert_eq!((room.bytes(), uploads), (20 * MIB, 20 * MIB));
    assert!(after < before, "{after} bytes are charged, {before} were");
    let value = chunks(20 * MIB, 1);
    let answer = cache.write_reserved(put("", "k", Payload::Chunks(value.clone())), None, room).await.unwrap();
    let PutAnswer::Stored { entry, .. } = answer else { panic!("{answer:?}") };
    let (stored, uploads) = held(&cache);
    assert_eq!((uploads, entry.facts.size_bytes, entry.facts.digest), (0, 20 * MIB, value.digest()));
    assert!(stored <= after + 21 * MIB, "it is counted once");
    assert_eq!(get(&cache, "", "k"), Some(Payload::Chunks(value)));
}

#[tokio::test]
async fn what_is_dropped_is_given_back_whenever_that_is() {
    let cache = cache(64 * MIB, 32 * MIB);
    let room = cache.reserve(&request("", "k", MIB)).await.unwrap();
    room.grow(2 * MIB).await.unwrap();
    assert_eq!(held(&cache), (0, 3 * MIB));
    drop(room);
    assert_eq!(held(&cache), (0, 0));
    filled(&cache, "lru");
    let asked = request("lru", "k", 30 * MIB);
    let mut reserving = cache.reserve(&asked).boxed();
    assert!(futures::poll!(&mut reserving).is_pending(), "others have their turn while room is made");
    assert!(held(&cache).1 > 0);
    drop(reserving);
    assert_eq!(held(&cache).1, 0);
    // What it may take together is given back as well.
    let again = cache.reserve(&request("lru", "k", 32 * MIB)).await.unwrap();
    assert_eq!(held(&cache).1, 32 * MIB);
    let failed = PutRequest { precondition: Precondition::Present, ..put("lru", "k", Payload::Value("v".into())) };
    let answer = cache.write_reserved(failed, None, again).await.unwrap();
    assert!(matches!(answer, PutAnswer::PreconditionFailed { entry: None }));
    assert_eq!(held(&cache).1, 0);
}

#[tokio::test]
async fn what_cannot_be_held_is_refused_before_anything_goes() {
    let cache = cache(64 * MIB, 32 * MIB);
    filled(&cache, "default");
    let before = held(&cache);
    let cases = [("", (1 << 40) + 1), ("", 64 * MIB + 1), ("", 32 * MIB + 1), ("small", 4 * MIB + 1)];
    for (namespace, bytes) in cases {
        let error = cache.reserve(&request(namespace, "k", bytes)).await.unwrap_err();
        let expected = if bytes > 1 << 40 {
            (Kind::InvalidArgument, Reason::ValueTooLarge)
        } else {
            (Kind::ResourceExhausted, Reason::NotAdmitted)
        };
        assert_eq!((error.kind(), error.reason()), expected, "{namespace} {bytes}: {}", error.message());
        assert_eq!(error.retry_delay(), None, "it will never fit");
    }
    let worthless = ReserveRequest { compute_cost: Some(Duration::ZERO), ..request("", "k", 20 * MIB) };
    assert_eq!(cache.reserve(&worthless).await.unwrap_err().reason(), Reason::NotAdmitted);
    assert_eq!(held(&cache), before);
    let most = cache.reserve(&request("lru", "k", 30 * MIB)).await.unwrap();
    let error = cache.reserve(&request("lru", "j", 3 * MIB)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotAdmitted);
    assert!(error.retry_delay().is_some(), "others hold what may be reserved, and will be done");
    drop(most);
    cache.reserve(&request("lru", "j", 3 * MIB)).await.unwrap();
}

#[tokio::test]
async fn what_is_announced_is_kept_from_others_and_takes_nothing_yet() {
    let cache = cache(64 * MIB, 32 * MIB);
    filled(&cache, "lru");
    let before = held(&cache);
    let announced = |bytes| ReserveRequest { announced: bytes, ..request("lru", "k", 0) };
    let first = cache.reserve(&announced(20 * MIB)).await.unwrap();
    assert_eq!((held(&cache), first.bytes(), first.ahead()), (before, 0, 20 * MIB), "nothing goes for it");
    let error = cache.reserve(&announced(13 * MIB)).await.unwrap_err();
    assert_eq!((error.reason(), error.retry_delay().is_some()), (Reason::NotAdmitted, true));
    let second = cache.reserve(&announced(12 * MIB)).await.unwrap();
    for room in [&second, &first] {
        room.grow(room.ahead()).await.unwrap();
    }
    assert_eq!((first.bytes(), second.bytes(), held(&cache).1), (20 * MIB, 12 * MIB, 32 * MIB), "each got all of it");
    let error = first.grow(1).await.unwrap_err();
    assert!(error.retry_delay().is_some(), "it announced less than it wants");
    drop(second);
    first.grow(12 * MIB).await.unwrap();
    drop(first);
    let again = cache.reserve(&announced(32 * MIB)).await.unwrap();
    assert_eq!(again.ahead(), 32 * MIB, "all that was announced is given back");
    assert_eq!(cache.reserve(&announced(32 * MIB + 1)).await.unwrap_err().retry_delay(), None, "it never fits");
}

#[tokio::test]
async fn what_does_not_fit_beside_it_is_refused_and_fits_again_later() {
    let cache = cache(8 * MIB, 8 * MIB);
    filled(&cache, "lru");
    let room = cache.reserve(&request("lru", "k", 8 * MIB)).await.unwrap();
    assert_eq!(held(&cache), (0, 8 * MIB), "everything else has gone");
    let answer = cache.put(put("lru", "other", Payload::Value("v".into()))).unwrap();
    assert!(matches!(&answer, PutAnswer::NotAdmitted { why, .. } if why.contains("on their way")), "{answer:?}");
    drop(room);
    let answer = cache.put(put("lru", "other", Payload::Value("v".into()))).unwrap();
    assert!(matches!(answer, PutAnswer::Stored { .. }));
}

#[tokio::test]
async fn a_namespace_with_its_own_limit_keeps_it() {
    let cache = cache(64 * MIB, 32 * MIB);
    for (key, byte) in [("a", 1), ("b", 2), ("a", 3)] {
        let room = cache.reserve(&request("small", key, 3 * MIB)).await.unwrap();
        let answer = cache.write_reserved(put("small", key, Payload::Chunks(chunks(3 * MIB, byte))), None, room).await;
        assert!(matches!(answer.unwrap(), PutAnswer::Stored { .. }));
        assert!(held(&cache).0 <= 4 * MIB);
        assert_eq!(get(&cache, "small", key), Some(Payload::Chunks(chunks(3 * MIB, byte))));
    }
}

#[tokio::test]
async fn the_same_value_in_other_chunks_is_a_refresh_and_takes_its_own_room() {
    let cache = cache(64 * MIB, 32 * MIB);
    let value: Vec<u8> = (0..5_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    let mut odd = Collecting::new();
    value.chunks(77_777).for_each(|part| odd.push(Chunk::new(Bytes::copy_from_slice(part))));
    let odd = odd.finish(None);
    let stored = cache.put(put("", "k", Payload::Chunks(Chunks::cut(&value)))).unwrap();
    let PutAnswer::Stored { entry: first, .. } = stored else { panic!("{stored:?}") };
    let room = cache.reserve(&request("", "k", odd.charged_bytes())).await.unwrap();
    let stored = cache.write_reserved(put("", "k", Payload::Chunks(odd.clone())), None, room).await.unwrap();
    let PutAnswer::Refreshed { entry, .. } = stored else { panic!("{stored:?}") };
    assert_eq!(entry.facts.etag, first.facts.etag);
    let (charged, uploads) = held(&cache);
    assert_eq!((charged, uploads), (entry.facts.charged_bytes, 0));
    // As it would be in one piece.
    let stored = cache.put(put("", "k", Payload::Value(value.into()))).unwrap();
    assert!(matches!(stored, PutAnswer::Refreshed { .. }));
    held(&cache);
}

/// Uploads on their way, and what else happens.
struct Storm {
    cache: Arc<Cache>,
    random: StdRng,
    rooms: Vec<(Reservation, &'static str, String)>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let cache = cache(24 * MIB, random.random_range(MIB..=24 * MIB));
        Self { cache, random, rooms: Vec::new() }
    }

    async fn step(&mut self, number: usize) {
        let namespace = ["default", "lru", "small"][self.random.random_range(0..3)];
        let bytes = self.random.random_range(0..6 * MIB);
        match self.random.random_range(0..10) {
            0..4 => {
                let value = vec![1; self.random.random_range(0..400_000)];
                self.cache.put(put(namespace, &format!("p{number}"), Payload::Value(value.into()))).unwrap();
            }
            4..6 => {
                let key = format!("k{}", self.random.random_range(0..20));
                let room = self.cache.reserve(&request(namespace, &key, bytes)).await;
                self.rooms.extend(room.ok().map(|room| (room, namespace, key)));
            }
            choice if !self.rooms.is_empty() => {
                let chosen = self.random.random_range(0..self.rooms.len());
                self.go_on(choice, chosen, bytes).await;
            }
            _ => {}
        }
    }

    async fn go_on(&mut self, choice: i32, chosen: usize, bytes: u64) {
        if choice == 6 {
            let _refused = self.rooms[chosen].0.grow(bytes).await;
            return;
        }
        let (room, namespace, key) = self.rooms.swap_remove(chosen);
        if choice == 7 {
            return;
        }
        // Sometimes more than was reserved, sometimes less.
        let size = self.random.random_range(0..=room.bytes() + 100_000);
        let write = put(namespace, &key, Payload::Chunks(chunks(size, 9)));
        self.cache.write_reserved(write, None, room).await.unwrap();
    }
}

/// Uploads of any size, between writes of others, some given up: after every step the bound holds, and what is counted is
/// what is held.
#[tokio::test]
async fn whatever_happens_the_bound_holds() {
    for seed in 0..8 {
        let mut storm = Storm::new(seed);
        for number in 0..150 {
            storm.step(number).await;
            let reserved: u64 = storm.rooms.iter().map(|(room, ..)| room.bytes()).sum();
            assert_eq!(held(&storm.cache).1, reserved, "seed {seed}, step {number}");
        }
        storm.rooms.clear();
        assert_eq!(held(&storm.cache).1, 0);
    }
}
