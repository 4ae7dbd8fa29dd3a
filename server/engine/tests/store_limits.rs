//! The memory limits: never exceeded, by anyone, and what makes room is exactly what was used least recently.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Payload},
    event::{MissReason, RemovalReason, Silent},
    flow::{
        get::{GetRequest, Lookup},
        invalidate::InvalidateRequest,
        put::{Precondition, PutAnswer, PutRequest},
    },
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
    selector::Selector,
    stats::{Group, GroupBy},
};

/// A seeded generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A cache that evicts the least recently used and refuses nothing that fits.
fn cache(mut config: EngineConfig) -> Arc<Cache> {
    config.namespaces.values_mut().chain(&mut config.namespace_default).for_each(|each| each.policy = "lru".into());
    Cache::new(EngineConfig { seed: Some(1), ..config }, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
}

fn request(namespace: &str, key: &str, value: Vec<u8>) -> PutRequest {
    PutRequest::new(namespace, key, Payload::Value(Bytes::from(value)))
}

fn get(cache: &Cache, namespace: &str, key: &str, peek: bool) -> Lookup {
    let request = GetRequest { namespace: namespace.to_owned(), key: key.to_owned(), peek, ..GetRequest::default() };
    cache.get(&request).unwrap().outcome
}

fn holds(cache: &Cache, namespace: &str, key: &str) -> bool {
    matches!(get(cache, namespace, key, true), Lookup::Hit(_))
}

fn total(cache: &Cache, namespace: Option<&str>) -> Group {
    cache.stats(namespace, GroupBy::Nothing).unwrap().total
}

fn drop_everything(cache: &Cache, namespace: &str) {
    let request = InvalidateRequest {
        namespace: namespace.to_owned(),
        selectors: vec![Selector::Everything],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    cache.invalidate(&request).unwrap();
}

/// What a value of this size is charged.
fn charge(bytes: usize) -> u64 {
    let cache = cache(EngineConfig::default());
    cache.put(request("", "k", vec![0; bytes])).unwrap();
    total(&cache, None).charged_bytes
}

/// Clocks tell nanoseconds. Costs are kept to the microsecond, so that what is measured takes no more room than a round
/// number.
#[test]
fn a_cost_to_the_nanosecond_takes_no_more_room() {
    let charged = |cost: Duration| {
        let cache = cache(EngineConfig::default());
        let description = Description { compute_cost: Some(cost), ..Description::default() };
        cache.put(PutRequest { description, ..request("", "k", vec![1; 100]) }).unwrap();
        let Lookup::Hit(view) = get(&cache, "", "k", true) else { panic!("it was stored") };
        (view.facts.charged_bytes, view.facts.compute_cost.unwrap())
    };
    let round = charged(Duration::from_micros(1_234_568));
    assert_eq!(charged(Duration::from_nanos(1_234_567_890)), round);
    assert_eq!(charged(Duration::from_nanos(3)), (round.0, Duration::from_micros(1)), "never free");
    assert_eq!(charged(Duration::ZERO), (round.0, Duration::ZERO));
    assert_eq!(charged(Duration::MAX).1, Duration::MAX, "nor beyond what there is");
}

#[test]
fn what_is_evicted_is_the_least_recently_used_over_all_shards() {
    const ENTRIES_MAX: usize = 12;
    const KEYS: u64 = 40;
    let cache = cache(EngineConfig { entries_max: ENTRIES_MAX as u64, ..EngineConfig::default() });
    // The definition: least recently used first.
    let mut exact: Vec<u64> = Vec::new();
    let mut numbers = Numbers(11);
    for step in 0..3_000u64 {
        let key = numbers.below(KEYS);
        let text = format!("k{key}");
        let held = exact.contains(&key);
        if numbers.below(3) == 0 {
            cache.put(request("", &text, step.to_le_bytes().to_vec())).unwrap();
            exact.retain(|other| *other != key);
            exact.push(key);
        } else {
            assert_eq!(matches!(get(&cache, "", &text, false), Lookup::Hit(_)), held, "step {step}, {text}");
            if held {
                exact.retain(|other| *other != key);
                exact.push(key);
            }
        }
        if exact.len() > ENTRIES_MAX {
            let evicted = format!("k{}", exact.remove(0));
            assert!(matches!(get(&cache, "", &evicted, true), Lookup::Miss(MissReason::Evicted)), "step {step}");
        }
        assert!(exact.iter().all(|key| holds(&cache, "", &format!("k{key}"))), "step {step}: order {exact:?}");
        assert_eq!(total(&cache, None).entry_count, exact.len() as u64);
        cache.check_invariants().unwrap();
    }
}

#[test]
fn values_of_all_sizes_never_exceed_the_bytes() {
    let bytes_max = 64 << 10;
    let cache = cache(EngineConfig { bytes_max, ..EngineConfig::default() });
    let mut numbers = Numbers(5);
    for step in 0..2_000 {
        let size = usize::try_from(1u64 << numbers.below(16)).unwrap();
        let answer = cache.put(request("", &format!("k{}", numbers.below(60)), vec![1; size])).unwrap();
        assert!(matches!(answer, PutAnswer::Stored { .. } | PutAnswer::Refreshed { .. }), "step {step}: {answer:?}");
        assert!(total(&cache, None).charged_bytes <= bytes_max, "step {step}");
        cache.check_invariants().unwrap();
    }
    assert!(total(&cache, None).removals[&RemovalReason::Evicted] > 0, "the limit was reached");
    drop_everything(&cache, "");
    let left = total(&cache, None);
    assert_eq!((left.entry_count, left.charged_bytes, left.value_bytes), (0, 0, 0));
}

#[test]
fn a_namespace_at_its_limit_makes_room_in_itself_only() {
    let small = NamespaceConfig { entries_max: Some(3), ..NamespaceConfig::default() };
    let namespaces = BTreeMap::from([("small".to_owned(), small)]);
    let cache = cache(EngineConfig { namespaces, ..EngineConfig::default() });
    cache.put(request("other", "oldest", vec![1])).unwrap();
    for number in 0..20 {
        cache.put(request("small", &format!("k{number}"), vec![1])).unwrap();
        assert!(total(&cache, Some("small")).entry_count <= 3);
        cache.check_invariants().unwrap();
    }
    assert!(holds(&cache, "other", "oldest"));
    let kept: Vec<u32> = (0..20).filter(|number| holds(&cache, "small", &format!("k{number}"))).collect();
    assert_eq!(kept, [17, 18, 19]);
}

#[test]
fn a_value_that_fits_to_the_byte_is_stored_and_one_more_byte_is_not() {
    // As many bytes as the allocator hands out in one piece: one more takes a larger one.
    const BYTES: usize = 5_120;
    let cache = cache(EngineConfig { bytes_max: charge(BYTES), ..EngineConfig::default() });
    let answer = cache.put(request("", "k", vec![1; BYTES])).unwrap();
    assert!(matches!(answer, PutAnswer::Stored { .. }));
    let answer = cache.put(request("", "o", vec![1; BYTES + 1])).unwrap();
    let PutAnswer::NotAdmitted { why, position: None, .. } = answer else {
        panic!("it is not refused as it should be")
    };
    assert!(why.contains("bytes_max"), "{why}");
    assert!(holds(&cache, "", "k"), "a value that cannot fit evicts nothing");
    assert!(matches!(get(&cache, "", "o", true), Lookup::Miss(MissReason::NotAdmitted)));
}

/// Why a value of a twentieth of the memory is refused beside entries that cost hours.
fn why_refused(config: EngineConfig, cost: Option<Duration>) -> String {
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    let costing = |key: &str, kind: &str, cost| PutRequest {
        description: Description { kind: kind.into(), compute_cost: cost, ..Description::default() },
        ..request("quota", key, vec![1; 5_000])
    };
    for number in 0..18 {
        cache.put(costing(&format!("dear {number}"), "dear", Some(Duration::from_secs(3600)))).unwrap();
    }
    let answer = cache.put(costing("another", "another", cost)).unwrap();
    let PutAnswer::NotAdmitted { why, .. } = answer else { panic!("it was stored") };
    why
}

#[test]
fn a_refusal_names_the_limit_in_the_way_and_what_would_help() {
    let cheap = Some(Duration::from_millis(1));
    let server = || EngineConfig { bytes_max: 100_000, ..EngineConfig::default() };
    let why = why_refused(server(), cheap);
    assert!(why.contains("memory.bytes_max or the namespace's weight") && !why.contains("compute_cost"), "{why}");
    assert!(why_refused(server(), None).contains("(compute_cost)"));
    let quota = NamespaceConfig { bytes_max: Some(100_000), ..NamespaceConfig::default() };
    let why = why_refused(
        EngineConfig { namespaces: [("quota".to_owned(), quota)].into(), ..EngineConfig::default() },
        cheap,
    );
    assert!(why.contains("raise the namespace's bytes_max") && !why.contains("weight"), "{why}");
}

#[test]
fn a_refused_value_takes_the_older_one_of_its_key_with_it() {
    let cache = cache(EngineConfig { bytes_max: charge(0) + 100, ..EngineConfig::default() });
    cache.put(request("", "k", vec![1; 50])).unwrap();
    let answer = cache.put(request("", "k", vec![1; 5_000])).unwrap();
    assert!(matches!(answer, PutAnswer::NotAdmitted { position: Some(_), .. }), "{answer:?}");
    assert!(matches!(get(&cache, "", "k", true), Lookup::Miss(_)));
    assert_eq!(total(&cache, None).charged_bytes, 0);
    cache.check_invariants().unwrap();
}

/// Threads that write at once.
const WRITERS: u64 = 4;

/// One writer's share of the work of the test below.
fn write(cache: &Cache, seed: u64) {
    let mut numbers = Numbers(seed);
    for _ in 0..3_000 {
        let key = format!("k{}", numbers.below(300));
        let namespace = ["a", "b"][usize::try_from(numbers.below(2)).unwrap()];
        match numbers.below(10) {
            0..6 => {
                let size = usize::try_from(numbers.below(4_000)).unwrap();
                let answer = cache.put(request(namespace, &key, vec![1; size])).unwrap();
                assert!(!matches!(answer, PutAnswer::NotAdmitted { .. }), "{answer:?}");
            }
            6..9 => drop(get(cache, namespace, &key, false)),
            _ if numbers.below(50) == 0 => drop_everything(cache, namespace),
            _ => cache.maintain(),
        }
    }
}

/// What is held, as it is counted while writers are at work.
fn limits_hold_now(cache: &Cache, (entries_max, bytes_max): (u64, u64)) {
    let namespaces = cache.namespaces();
    for namespace in namespaces.iter().map(|name| Some(&**name)).chain([None]) {
        let held = total(cache, namespace);
        assert!(held.entry_count <= entries_max && held.charged_bytes <= bytes_max, "{namespace:?}: {held:?}");
    }
}

#[test]
fn limits_hold_at_every_moment_while_many_threads_write() {
    let (entries_max, bytes_max) = (40, 64 << 10);
    let cache = cache(EngineConfig { entries_max, bytes_max, ..EngineConfig::default() });
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                limits_hold_now(&cache, (entries_max, bytes_max));
                thread::yield_now();
            }
        });
        let writers: Vec<_> = (1..=WRITERS)
            .map(|seed| {
                scope.spawn({
                    let cache = &cache;
                    move || write(cache, seed)
                })
            })
            .collect();
        let ended: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
        ended.into_iter().for_each(|end| end.unwrap());
    });
    cache.check_invariants().unwrap();
    for namespace in ["a", "b"] {
        drop_everything(&cache, namespace);
    }
    let left = total(&cache, None);
    assert_eq!((left.entry_count, left.charged_bytes, left.value_bytes), (0, 0, 0));
}

#[test]
fn making_room_for_a_larger_value_does_not_take_the_entry_the_condition_is_about() {
    let cache = cache(EngineConfig { bytes_max: 2 * charge(1000), ..EngineConfig::default() });
    cache.put(request("n", "a", vec![1; 1000])).unwrap();
    cache.put(request("n", "b", vec![1; 1000])).unwrap();
    let larger = PutRequest { precondition: Precondition::Present, ..request("n", "a", vec![2; 1200]) };
    let answer = cache.put(larger).unwrap();
    assert!(matches!(answer, PutAnswer::Stored { .. }), "the condition held when the call came: {answer:?}");
    assert!(holds(&cache, "n", "a"), "the older entry of a key is not what makes room for its own successor");
}

#[test]
fn many_invalidations_in_one_namespace_leave_the_entries_of_another() {
    const CALLS: usize = 530;
    let cache = cache(EngineConfig::default());
    cache.put(request("quiet", "k", vec![1])).unwrap();
    for call in 0..CALLS {
        let selectors = (0..128).map(|number| Selector::prefix(&format!("x{call}-{number}")).unwrap()).collect();
        let invalidate = InvalidateRequest {
            namespace: "loud".to_owned(),
            selectors,
            cascade: true,
            validate_only: false,
            reason: None,
            request_id: String::new(),
            client_id: None,
        };
        if call == 0 {
            cache.put(request("loud", "k", vec![1])).unwrap();
        }
        cache.invalidate(&invalidate).unwrap();
    }
    assert!(holds(&cache, "quiet", "k"), "nothing was invalidated there");
}

/// Each value takes most of the room, so one namespace's goes for the other's all the time: whoever adds up what he read of
/// each at two moments counts both.
#[test]
fn what_is_shown_of_all_namespaces_was_held_at_one_moment() {
    const BYTES_MAX: u64 = 32 << 10;
    let cache = cache(EngineConfig { bytes_max: BYTES_MAX, ..EngineConfig::default() });
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers = ["a", "b"].map(|namespace| {
            let cache = &cache;
            scope.spawn(move || {
                (0..2000).for_each(|_| drop(cache.put(request(namespace, "k", vec![0; 24 << 10])).unwrap()))
            })
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let all = total(&cache, None);
                assert!(all.charged_bytes <= BYTES_MAX, "{all:?}");
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::SeqCst);
    });
}
