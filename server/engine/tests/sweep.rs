//! What invalidations of sets leave behind: the call looks at a bounded number of entries, nothing that is dead is served,
//! shown or counted, and its room is free for the next Put before anything that lives has to go.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Dependencies, Description, Expiration, Payload, Ttl},
    event::{MissReason, RemovalReason, Silent},
    flow::{
        get::{GetRequest, Lookup},
        hit::Wanted,
        invalidate::{InvalidateAnswer, InvalidateRequest},
        list::ListRequest,
        put::{PutAnswer, PutRequest},
    },
    namespace::EngineConfig,
    origin::Origins,
    selector::Selector,
    stats::{Group, GroupBy},
};

/// More than a call takes out itself.
const MANY: usize = 3000;

fn cache(change: impl FnOnce(&mut EngineConfig)) -> Arc<Cache> {
    let mut config = EngineConfig { seed: Some(5), ..EngineConfig::default() };
    change(&mut config);
    Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
}

fn description(tags: &[&str], depends_on: &[&str]) -> Description {
    Description {
        tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
        kind: "k".into(),
        depends_on: Dependencies::of(depends_on.iter().map(|name| Arc::from(*name))),
        ..Description::default()
    }
}

fn store(cache: &Cache, key: &str, said: Description) -> PutAnswer {
    let ttl = Ttl::Exact(Duration::from_secs(60));
    let request = PutRequest {
        description: said,
        expiration: Expiration { ttl, ..Expiration::default() },
        ..PutRequest::new("", key, Payload::Value(Bytes::from(vec![7; 100])))
    };
    cache.put(request).unwrap()
}

fn fill(cache: &Cache, entries: usize, tag: &str) {
    (0..entries).for_each(|n| drop(store(cache, &format!("{tag}:{n}"), description(&[tag], &[]))));
}

fn invalidate(cache: &Cache, selector: Selector) -> InvalidateAnswer {
    let request = InvalidateRequest {
        namespace: String::new(),
        selectors: vec![selector],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    cache.invalidate(&request).unwrap()
}

fn total(cache: &Cache) -> Group {
    cache.stats(None, GroupBy::Nothing).unwrap().total
}

fn tag(tag: &str) -> Selector {
    Selector::tag(tag).unwrap()
}

fn missed(cache: &Cache, key: &str) -> Option<MissReason> {
    let request = GetRequest { key: key.to_owned(), peek: true, ..GetRequest::default() };
    match cache.get(&request).unwrap().outcome {
        Lookup::Miss(reason) => Some(reason),
        _ => None,
    }
}

#[test]
fn little_is_dropped_and_counted_by_the_call_much_is_estimated_and_dropped_later() {
    for (entries, estimated) in [(64, false), (65, true), (MANY, true)] {
        let cache = cache(|_| {});
        fill(&cache, entries, "t");
        let answer = invalidate(&cache, tag("t"));
        assert_eq!((answer.matched_count, answer.estimated), (entries as u64, estimated));
        (0..entries)
            .step_by(7)
            .for_each(|n| assert_eq!(missed(&cache, &format!("t:{n}")), Some(MissReason::Invalidated)));
        cache.check_invariants().unwrap();
        cache.maintain();
        let counted = total(&cache);
        assert_eq!((counted.entry_count, counted.charged_bytes), (0, 0));
        cache.check_invariants().unwrap();
    }
}

#[test]
fn every_set_is_estimated_about_right() {
    for selector in [
        Selector::prefix("t:").unwrap(),
        Selector::glob("t:*").unwrap(),
        Selector::kind("k").unwrap(),
        Selector::Everything,
    ] {
        let cache = cache(|_| {});
        fill(&cache, MANY, "t");
        let answer = invalidate(&cache, selector.clone());
        assert!(
            answer.estimated && answer.matched_count.abs_diff(MANY as u64) < MANY as u64 / 5,
            "{selector:?}: {answer:?}"
        );
        assert_eq!(total(&cache).entry_count, 0);
    }
}

#[test]
fn what_is_dead_already_is_not_counted_again() {
    let cache = cache(|_| {});
    fill(&cache, MANY, "t");
    invalidate(&cache, tag("t"));
    let again = invalidate(&cache, tag("t"));
    assert_eq!((again.matched_count, again.estimated), (0, true));
    fill(&cache, 1, "t");
    assert_eq!(total(&cache).entry_count, 1, "what came after the fence stays");
    assert_eq!(missed(&cache, "t:0"), None);
}

#[test]
fn a_look_at_what_memory_has_finds_nothing_dead_down_to_the_last_of_a_shard() {
    let cache = cache(|_| {});
    fill(&cache, MANY, "t");
    invalidate(&cache, tag("t"));
    let shown = |key: &str| {
        let mut shown = 0;
        cache.hits("", &[Wanted { key, with_facts: false }], |_, _| {
            shown += 1;
            true
        });
        shown
    };
    let dead: u64 = (0..MANY).map(|n| shown(&format!("t:{n}"))).sum();
    assert_eq!(dead, 0);
    assert_eq!(total(&cache).entry_count, 0);
    fill(&cache, 1, "t");
    assert_eq!(shown("t:0"), 1, "what came after the fence is found");
    cache.check_invariants().unwrap();
}

#[test]
fn dead_entries_are_no_longer_counted_at_once() {
    let cache = cache(|_| {});
    fill(&cache, MANY, "dead");
    fill(&cache, 100, "live");
    let live = {
        let other = self::cache(|_| {});
        fill(&other, 100, "live");
        total(&other)
    };
    invalidate(&cache, tag("dead"));
    let counted = total(&cache);
    assert_eq!((counted.entry_count, counted.value_bytes), (live.entry_count, live.value_bytes));
    assert_eq!(counted.charged_bytes, live.charged_bytes);
    let invalidated = counted.removals.get(&RemovalReason::Invalidated).copied();
    assert_eq!(invalidated, Some(MANY as u64));
}

#[test]
fn room_that_dead_entries_take_is_free_before_anything_that_lives_goes() {
    let cache = cache(|config| config.entries_max = (MANY + 100) as u64);
    fill(&cache, 100, "live");
    fill(&cache, MANY, "dead");
    invalidate(&cache, tag("dead"));
    fill(&cache, MANY, "new");
    let counted = total(&cache);
    assert_eq!(counted.entry_count, (MANY + 100) as u64);
    assert_eq!(
        counted.removals.get(&RemovalReason::Evicted).copied().unwrap_or_default(),
        0,
        "nothing that lives made room"
    );
    assert!((0..100).all(|n| missed(&cache, &format!("live:{n}")).is_none()));
    cache.check_invariants().unwrap();
}

#[test]
fn a_large_value_is_stored_in_the_room_of_dead_ones() {
    let cache = cache(|config| config.bytes_max = 1_200_000);
    fill(&cache, MANY, "dead");
    invalidate(&cache, tag("dead"));
    let request = |n: usize| PutRequest {
        expiration: Expiration { ttl: Ttl::Exact(Duration::from_secs(60)), ..Expiration::default() },
        ..PutRequest::new("", "large", Payload::Value(Bytes::from(vec![7; n])))
    };
    let answer = cache.put(request(900 << 10)).unwrap();
    assert!(matches!(answer, PutAnswer::Stored { .. }), "{answer:?}");
    assert_eq!(missed(&cache, "large"), None);
}

#[test]
fn what_is_dead_is_listed_nowhere_and_no_reason_to_refuse() {
    let cache = cache(|_| {});
    fill(&cache, MANY, "t");
    store(&cache, "a", description(&["t"], &["b"]));
    invalidate(&cache, tag("t"));
    let (namespace, page_token) = (String::new(), String::new());
    let all = ListRequest { namespace, selectors: Vec::new(), page_size: 10, page_token };
    assert!(cache.list(&all).unwrap().entries.is_empty());
    // Were `a` still there, this would be a circle.
    store(&cache, "b", description(&[], &["a"]));
    assert_eq!(missed(&cache, "b"), None);
}

#[tokio::test(start_paused = true)]
async fn maintenance_gives_the_memory_back_without_being_asked() {
    let cache = cache(|_| {});
    fill(&cache, MANY, "t");
    invalidate(&cache, tag("t"));
    let swept = async {
        while cache.sweeps_pending() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cache.close();
    };
    tokio::join!(cache.clone().run_maintenance(), swept);
}

#[test]
fn many_large_invalidations_wait_in_a_bounded_queue() {
    let cache = cache(|_| {});
    fill(&cache, 2000, "t");
    for n in 0..1500 {
        invalidate(&cache, Selector::prefix(&format!("elsewhere:{n}")).unwrap());
    }
    assert!(cache.sweeps_pending() <= 1024, "{}", cache.sweeps_pending());
    assert_eq!(total(&cache).entry_count, 2000);
    assert_eq!(cache.sweeps_pending(), 0);
}

/// What is marked in numbers is marked by one step as well: nobody gets it as fresh, and what has no stale time makes room.
#[test]
fn a_mark_of_many_holds_at_once_and_what_cannot_be_stale_gives_its_room_back() {
    let cache = cache(|_| {});
    fill(&cache, MANY, "t");
    let request = InvalidateRequest {
        namespace: String::new(),
        selectors: vec![Selector::tag("t").unwrap()],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    let answer = cache.mark_stale(&request, None).unwrap();
    assert!(answer.estimated && answer.matched_count.abs_diff(MANY as u64) < MANY as u64 / 10, "{answer:?}");
    assert_eq!(cache.sweeps_pending(), 1);
    let get = GetRequest { key: "t:2999".to_owned(), ..GetRequest::default() };
    assert!(matches!(cache.get(&get).unwrap().outcome, Lookup::Miss(MissReason::Invalidated)));
    cache.maintain();
    assert_eq!((cache.sweeps_pending(), total(&cache).entry_count), (0, 0));
    cache.check_invariants().unwrap();
}
