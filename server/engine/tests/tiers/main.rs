//! The verbs above a tier of this machine, at its port.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "every task of a test is awaited")]

#[expect(dead_code, reason = "more is asked of it where it is tested")]
mod double;
mod explained;
mod model;
mod unwritable;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Dependencies, Description, Expiration, Negative, Payload, Ttl},
    event::{Event, MissReason, Observer},
    flow::{
        get::{GetAnswer, GetRequest, Lookup, StalePolicy},
        invalidate::{InvalidateAnswer, InvalidateRequest},
        lease::{LeasedAnswer, OnMiss},
        put::{Precondition, PutAnswer, PutRequest},
        touch::{TouchAnswer, TouchMode, TouchRequest},
    },
    namespace::{Besides, EngineConfig, NamespaceConfig},
    origin::Origins,
    selector::Selector,
    stats::GroupBy,
    tier::{Takes, TierName, Tiers, local::HandedDown},
};

use crate::double::{Disk, Manners};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Event) {}
}

/// A cache above the double; the same disk and clock make a process that was started again.
pub(crate) fn above(disk: &Arc<Disk>, clock: &Clock, config: EngineConfig) -> Arc<Cache> {
    let tiers = Tiers { local: Some(disk.clone()), ..Tiers::default() };
    Cache::with_tiers(config, clock.clone(), Arc::new(Silent), (Origins::new(), tiers)).unwrap()
}

struct Here {
    disk: Arc<Disk>,
    clock: Clock,
    config: EngineConfig,
    cache: Arc<Cache>,
}

impl Here {
    fn new() -> Self {
        Self::with(EngineConfig::default())
    }

    fn with(config: EngineConfig) -> Self {
        let (disk, clock) = (Disk::new(1, Manners::default()), Clock::manual());
        let cache = above(&disk, &clock, config.clone());
        Self { disk, clock, config, cache }
    }

    fn restart(&mut self) {
        self.cache.close();
        self.cache = above(&self.disk, &self.clock, self.config.clone());
    }

    async fn put(&self, key: &str, value: &str, said: Description) -> PutAnswer {
        self.cache.write(put_of(key, value, said), None).await.unwrap()
    }

    async fn get(&self, key: &str) -> GetAnswer {
        self.ask(GetRequest { key: key.to_owned(), ..GetRequest::default() }).await
    }

    async fn ask(&self, request: GetRequest) -> GetAnswer {
        match self.cache.read(&request, OnMiss::Report).await.unwrap() {
            LeasedAnswer::Found(found, None) => *found,
            other => panic!("{other:?}"),
        }
    }

    async fn drop(&self, selectors: Vec<Selector>) -> InvalidateAnswer {
        self.cache.drop_entries(&drop_of(selectors)).await.unwrap()
    }
}

pub(crate) fn put_of(key: &str, value: &str, description: Description) -> PutRequest {
    PutRequest { description, ..PutRequest::new("", key, Payload::Value(Bytes::copy_from_slice(value.as_bytes()))) }
}

pub(crate) fn drop_of(selectors: Vec<Selector>) -> InvalidateRequest {
    InvalidateRequest {
        namespace: String::new(),
        selectors,
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    }
}

fn tagged(tags: &[&str]) -> Description {
    Description { tags: tags.iter().map(|tag| Arc::from(*tag)).collect(), ..Description::default() }
}

fn made_from(names: &[&str]) -> Description {
    Description { depends_on: Dependencies::of(names.iter().map(|name| Arc::from(*name))), ..Description::default() }
}

pub(crate) fn value(found: &Lookup) -> Option<String> {
    match &found.view()?.payload {
        Payload::Value(value) => Some(String::from_utf8(value.to_vec()).unwrap()),
        Payload::Compressed(_) | Payload::Chunks(_) | Payload::Negative(_) => None,
    }
}

fn key(text: &str) -> Selector {
    Selector::Key(text.into())
}

fn miss(found: &GetAnswer) -> Option<MissReason> {
    if let Lookup::Miss(reason) = found.outcome { Some(reason) } else { None }
}

#[tokio::test]
async fn after_a_restart_the_first_get_is_answered_by_the_disk_with_all_that_was_said() {
    let mut here = Here::new();
    let said = Description {
        kind: "model".into(),
        content_type: "text/plain".into(),
        labels: [("a".to_owned(), "b".to_owned())].into_iter().collect(),
        compute_cost: Some(SECOND),
        ..tagged(&["t"])
    };
    let mut request = put_of("k", "v", said);
    request.expiration = Expiration { ttl: Ttl::Exact(60 * SECOND), ..Expiration::default() };
    let PutAnswer::Stored { entry: before, .. } = here.cache.write(request, None).await.unwrap() else { panic!() };
    here.clock.advance(20 * SECOND);
    here.restart();
    let found = here.get("k").await;
    assert_eq!((value(&found.outcome).as_deref(), found.tier), (Some("v"), TierName::Disk));
    let after = &found.outcome.view().unwrap().facts;
    assert_eq!((&after.etag, &after.description), (&before.facts.etag, &before.facts.description));
    assert_eq!((after.compute_cost, after.cost_source), (before.facts.compute_cost, before.facts.cost_source));
    assert_eq!((after.age, after.fresh_for), (20 * SECOND, 40 * SECOND));
    assert_eq!(here.get("k").await.tier, TierName::Memory);
    here.clock.advance(41 * SECOND);
    assert_eq!(miss(&here.get("k").await), Some(MissReason::Expired));
    here.restart();
    assert_eq!(miss(&here.get("k").await), Some(MissReason::NeverStored));
    assert!(here.disk.keys().is_empty(), "what is over is forgotten where it is found");
}

#[tokio::test]
async fn what_is_invalidated_in_any_way_is_gone_from_the_disk_too() {
    let ways: [Selector; 6] = [
        key("k:1"),
        Selector::Tag("t".into()),
        Selector::Prefix("k:".into()),
        Selector::glob("k:*").unwrap(),
        Selector::Kind("x".into()),
        Selector::Everything,
    ];
    for way in ways {
        let mut here = Here::new();
        here.put("k:1", "v", Description { kind: "x".into(), ..tagged(&["t"]) }).await;
        here.put("d", "v", made_from(&["k:1"])).await;
        here.put("e", "v", made_from(&["d", "tag:t"])).await;
        here.put("other", "v", Description::default()).await;
        // Once by a process that never read them.
        here.restart();
        let all = way == Selector::Everything;
        let answer = here.drop(vec![way.clone()]).await;
        assert_eq!(answer.matched_count, u64::from(matches!(way, Selector::Key(_))), "{way:?}");
        assert_eq!(here.disk.settled.load(SeqCst), 1);
        let left = if all { vec![] } else { vec!["other".to_owned()] };
        assert_eq!(here.disk.keys(), left, "{way:?}");
        here.restart();
        for key in ["k:1", "d", "e"] {
            assert!(miss(&here.get(key).await).is_some(), "{way:?} {key}");
        }
        assert_eq!(value(&here.get("other").await.outcome).is_some(), !all);
    }
}

#[tokio::test]
async fn a_namespace_that_left_the_disk_for_a_while_finds_nothing_of_before_there() {
    let by_name = |config: &mut EngineConfig, disk: bool| {
        let moved = NamespaceConfig { tiers: Besides { disk, shared: false }, ..NamespaceConfig::default() };
        config.namespaces.insert("named".into(), moved);
    };
    let by_default = |config: &mut EngineConfig, disk: bool| {
        let moved = NamespaceConfig { tiers: Besides { disk, shared: false }, ..NamespaceConfig::default() };
        config.namespace_default = Some(moved);
    };
    let named = put_named("named");
    let unnamed = put_named("unnamed");
    for (sets, old) in [(&by_name as &dyn Fn(&mut EngineConfig, bool), named), (&by_default, unnamed)] {
        let mut here = Here::new();
        sets(&mut here.config, true);
        here.restart();
        here.cache.write(old.clone(), None).await.unwrap();
        here.restart();
        let request = GetRequest { namespace: old.namespace.clone(), key: "k".into(), ..GetRequest::default() };
        assert_eq!(here.ask(request.clone()).await.tier, TierName::Disk, "{}", old.namespace);

        sets(&mut here.config, false);
        here.restart();
        assert_eq!(miss(&here.ask(request.clone()).await), Some(MissReason::NeverStored));
        sets(&mut here.config, true);
        here.restart();
        assert_eq!(miss(&here.ask(request).await), Some(MissReason::NeverStored), "it may have changed meanwhile");
    }
}

fn put_named(namespace: &str) -> PutRequest {
    PutRequest { namespace: namespace.to_owned(), ..put_of("k", "old", Description::default()) }
}

#[tokio::test]
async fn what_depends_in_memory_on_what_lies_on_the_disk_alone_follows_too() {
    for way in [Selector::Tag("t".into()), Selector::Kind("x".into())] {
        let mut here = Here::new();
        here.put("k", "v", Description { kind: "x".into(), ..tagged(&["t"]) }).await;
        here.restart();
        here.put("d", "v", made_from(&["k"])).await;
        here.drop(vec![way]).await;
        assert!(miss(&here.get("d").await).is_some());
        assert!(here.disk.keys().is_empty());
    }
}

#[tokio::test]
async fn what_is_marked_stale_is_forgotten_below_and_stays_in_memory() {
    let here = Here::new();
    let mut request = put_of("k", "v", tagged(&["t"]));
    request.expiration =
        Expiration { ttl: Ttl::Exact(60 * SECOND), stale_for: Some(60 * SECOND), ..Expiration::default() };
    here.cache.write(request, None).await.unwrap();
    here.cache.outdate(&drop_of(vec![Selector::Tag("t".into())]), None).await.unwrap();
    assert!(here.disk.keys().is_empty());
    assert_eq!(miss(&here.get("k").await), Some(MissReason::Invalidated));
    let stale = StalePolicy::WhileRevalidate;
    let found = here.ask(GetRequest { key: "k".to_owned(), stale, ..GetRequest::default() }).await;
    assert!(matches!(found.outcome, Lookup::Stale(_)));
}

#[tokio::test]
async fn many_readers_of_one_key_read_the_disk_once() {
    let mut here = Here::new();
    here.put("k", "v", Description::default()).await;
    here.restart();
    here.disk.stuck.send_replace(true);
    let cache = here.cache.clone();
    let readers = join_all((0..100).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move {
            let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
            cache.read(&request, OnMiss::Lease).await.unwrap()
        })
    }));
    let free = async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        here.disk.stuck.send_replace(false);
    };
    let (found, ()) = futures::join!(readers, free);
    for answer in found {
        let LeasedAnswer::Found(found, None) = answer.unwrap() else { panic!("nobody gets a lease") };
        assert_eq!((value(&found.outcome).as_deref(), found.tier), (Some("v"), TierName::Disk));
    }
    assert_eq!(here.disk.reads.load(SeqCst), 1);
}

#[tokio::test]
async fn what_an_invalidation_overtook_while_the_disk_was_read_is_served_to_nobody() {
    for way in [key("k"), Selector::Tag("t".into()), Selector::DependentsOf("base".into()), Selector::Tag("up".into())]
    {
        let mut here = Here::new();
        here.put("k", "old", Description { tags: vec!["t".into()], ..made_from(&["base", "tag:up"]) }).await;
        here.restart();
        here.disk.stuck.send_replace(true);
        let cache = here.cache.clone();
        let reader = tokio::spawn(async move {
            let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
            cache.read(&request, OnMiss::Report).await.unwrap()
        });
        while here.disk.reads.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        here.drop(vec![way.clone()]).await;
        here.disk.stuck.send_replace(false);
        let LeasedAnswer::Found(found, _) = reader.await.unwrap() else { panic!() };
        assert!(miss(&found).is_some(), "{way:?}");
        assert!(miss(&here.get("k").await).is_some(), "{way:?}");
        assert_eq!(here.cache.stats(None, GroupBy::Namespace).unwrap().total.entry_count, 0);
    }
}

#[tokio::test]
async fn what_was_written_while_the_disk_was_read_is_not_overwritten() {
    let mut here = Here::new();
    here.put("k", "old", Description::default()).await;
    here.restart();
    here.disk.stuck.send_replace(true);
    let cache = here.cache.clone();
    let reader = tokio::spawn(async move {
        let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
        cache.read(&request, OnMiss::Report).await.unwrap()
    });
    while here.disk.reads.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    here.put("k", "new", Description::default()).await;
    here.disk.stuck.send_replace(false);
    let LeasedAnswer::Found(found, _) = reader.await.unwrap() else { panic!() };
    assert_eq!(value(&found.outcome).as_deref(), Some("new"));
    here.restart();
    assert_eq!(value(&here.get("k").await.outcome).as_deref(), Some("new"));
}

#[tokio::test]
async fn memory_alone_is_asked_by_who_says_so_and_a_disk_that_is_away_is_a_reason() {
    let mut here = Here::new();
    here.put("k", "v", Description::default()).await;
    here.restart();
    let slowest = Some(TierName::Memory);
    let memory = here.ask(GetRequest { key: "k".to_owned(), slowest, ..GetRequest::default() }).await;
    assert_eq!((miss(&memory), here.disk.reads.load(SeqCst)), (Some(MissReason::NeverStored), 0));
    here.disk.away.store(true, SeqCst);
    assert_eq!(miss(&here.get("k").await), Some(MissReason::TierUnavailable));
    assert_eq!(miss(&here.get("other").await), Some(MissReason::NeverStored));
    let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
    let leased = here.cache.read(&request, OnMiss::Lease).await.unwrap();
    assert!(matches!(leased, LeasedAnswer::Found(_, Some(_))), "who asks may compute it: {leased:?}");
    here.disk.away.store(false, SeqCst);
    assert_eq!(value(&here.get("k").await.outcome).as_deref(), Some("v"));
}

#[tokio::test]
async fn who_leaves_no_trace_leaves_it_on_the_disk() {
    let mut here = Here::new();
    here.put("k", "v", Description::default()).await;
    here.restart();
    let peek = GetRequest { key: "k".to_owned(), peek: true, ..GetRequest::default() };
    let found = here.ask(peek).await;
    assert_eq!((value(&found.outcome).as_deref(), found.tier), (Some("v"), TierName::Disk));
    let counted = here.cache.stats(None, GroupBy::Namespace).unwrap().total;
    assert_eq!((counted.entry_count, counted.hits), (0, 0));
}

#[tokio::test]
async fn a_batch_finds_what_lies_in_both_and_leases_what_lies_in_none() {
    let mut here = Here::with(EngineConfig { entries_max: 2, shards: 1, ..EngineConfig::default() });
    for number in 0..10 {
        here.put(&format!("k:{number}"), &number.to_string(), Description::default()).await;
    }
    here.restart();
    let item = |number: usize| (GetRequest { key: format!("k:{number}"), ..GetRequest::default() }, OnMiss::Lease);
    let answers = here.cache.read_many(&(0..12).map(item).collect::<Vec<_>>()).await;
    for (number, answer) in answers.into_iter().enumerate() {
        let LeasedAnswer::Found(found, lease) = answer.unwrap() else { panic!() };
        let held = (number < 10).then(|| number.to_string());
        assert_eq!((value(&found.outcome), lease.is_some()), (held, number >= 10), "{number}");
    }
}

#[tokio::test]
async fn what_memory_refuses_is_served_by_the_disk_alone() {
    for config in [
        EngineConfig { entries_max: 0, ..EngineConfig::default() },
        EngineConfig { bytes_max: 0, ..EngineConfig::default() },
        EngineConfig { bytes_max: 4096, ..EngineConfig::default() },
    ] {
        let mut here = Here::with(config);
        let large = "x".repeat(8192);
        assert!(matches!(here.put("k", &large, tagged(&["t"])).await, PutAnswer::Stored { .. }));
        for _ in 0..2 {
            let found = here.get("k").await;
            assert_eq!((value(&found.outcome), found.tier), (Some(large.clone()), TierName::Disk));
        }
        here.restart();
        assert_eq!(here.get("k").await.tier, TierName::Disk);
        here.cache.check_invariants().unwrap();
        here.drop(vec![Selector::Tag("t".into())]).await;
        assert!(miss(&here.get("k").await).is_some());
        assert_eq!(here.cache.stats(None, GroupBy::Namespace).unwrap().total.entry_count, 0);
    }
}

#[tokio::test]
async fn a_value_too_large_for_memory_replaces_the_smaller_one_there() {
    let here = Here::with(EngineConfig { bytes_max: 4096, ..EngineConfig::default() });
    here.put("k", "small", Description::default()).await;
    let large = "x".repeat(8192);
    assert!(matches!(here.put("k", &large, Description::default()).await, PutAnswer::Stored { .. }));
    assert_eq!(value(&here.get("k").await.outcome), Some(large));
    here.put("k", "small", Description::default()).await;
    assert_eq!(value(&here.get("k").await.outcome).as_deref(), Some("small"));
    here.cache.check_invariants().unwrap();
}

#[tokio::test]
async fn what_makes_room_is_handed_down_when_it_is_worth_it() {
    let disk = Disk::new(1, Manners::default());
    let tiers = Tiers { local: Some(disk.clone()), takes: Takes::Evicted, ..Tiers::default() };
    let config = EngineConfig { entries_max: 1, shards: 1, ..EngineConfig::default() };
    let cache = Cache::with_tiers(config, Clock::manual(), Arc::new(Silent), (Origins::new(), tiers)).unwrap();
    let cost = |millis| Description { compute_cost: Some(Duration::from_millis(millis)), ..Description::default() };
    cache.write(put_of("dear", "v", cost(50)), None).await.unwrap();
    cache.write(put_of("cheap", "v", cost(1)), None).await.unwrap();
    cache.write(put_of("read", "v", cost(1)), None).await.unwrap();
    for _ in 0..2 {
        let request = GetRequest { key: "read".to_owned(), ..GetRequest::default() };
        cache.read(&request, OnMiss::Report).await.unwrap();
    }
    cache.write(put_of("last", "v", cost(1)), None).await.unwrap();
    let handed = disk.handed();
    assert!(handed.iter().all(|(_, why)| *why == HandedDown::Evicted), "{handed:?}");
    assert!(!disk.keys().contains(&"cheap".to_owned()) && !disk.keys().contains(&"last".to_owned()));
    // What a new value replaces is forgotten, although the new one is not written yet.
    for key in disk.keys() {
        cache.write(put_of(&key, "newer", cost(1)), None).await.unwrap();
        assert!(disk.entry(&key).is_none(), "{key}");
    }
}

#[tokio::test]
async fn lifetimes_and_conditions_reach_what_lies_on_the_disk_alone() {
    let mut here = Here::new();
    let PutAnswer::Stored { entry, .. } = here.put("k", "v", Description::default()).await else { panic!() };
    here.restart();
    let expiration = Expiration { ttl: Ttl::Exact(5 * SECOND), ..Expiration::default() };
    let request = TouchRequest {
        namespace: String::new(),
        key: "k".to_owned(),
        mode: TouchMode::Set,
        expiration,
        etag: String::new(),
    };
    assert!(matches!(here.cache.move_end(&request).await.unwrap(), TouchAnswer::Touched(_)));
    let kept = here.disk.entry("k").unwrap();
    assert_eq!(kept.fresh_until, here.clock.wall(here.clock.now()) + 5 * SECOND);
    here.restart();
    let absent = PutRequest { precondition: Precondition::Absent, ..put_of("k", "w", Description::default()) };
    let refused = here.cache.write(absent, None).await.unwrap();
    assert!(matches!(refused, PutAnswer::PreconditionFailed { entry: Some(_) }), "{refused:?}");
    here.restart();
    let etag = Precondition::Etag(entry.facts.etag.to_string());
    let renewed = PutRequest { payload: None, precondition: etag, ..put_of("k", "", Description::default()) };
    assert!(matches!(here.cache.write(renewed, None).await.unwrap(), PutAnswer::Refreshed { .. }));
}

#[tokio::test]
async fn an_entry_that_was_not_read_for_its_idle_time_does_not_come_back() {
    let here = Here::new();
    let mut request = put_of("k", "v", Description::default());
    request.expiration = Expiration { idle_ttl: Some(10 * SECOND), ..Expiration::default() };
    here.cache.write(request, None).await.unwrap();
    here.clock.advance(9 * SECOND);
    assert!(value(&here.get("k").await.outcome).is_some());
    here.clock.advance(11 * SECOND);
    assert!(miss(&here.get("k").await).is_some());
    assert!(here.disk.keys().is_empty());
}

#[tokio::test]
async fn remembered_absences_outlive_the_process() {
    let mut here = Here::new();
    let negative = Negative { reason: "NOT_FOUND".into(), message: "no".into() };
    let request = PutRequest { payload: Some(Payload::Negative(negative)), ..put_of("k", "", Description::default()) };
    here.cache.write(request, None).await.unwrap();
    here.restart();
    assert!(matches!(here.get("k").await.outcome, Lookup::Negative(_)));
}
