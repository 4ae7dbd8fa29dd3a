//! What is told of a key: every kind of event, in its order, within the bounds, and without a trace.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Dependencies, Description, Expiration, Freshness, Payload, Ttl},
    error::Reason,
    event::{MissReason, Silent},
    flow::{
        explain::{EVENTS_MAX, Effect, ExplainAnswer, ExplainRequest, Happened},
        get::{GetRequest, Lookup},
        invalidate::InvalidateRequest,
        put::PutRequest,
        touch::{TouchMode, TouchRequest},
    },
    namespace::EngineConfig,
    origin::Origins,
    selector::Selector,
    stats::GroupBy,
};

struct World {
    cache: Arc<Cache>,
    clock: Clock,
}

fn of_janitor(selectors: Vec<Selector>) -> InvalidateRequest {
    InvalidateRequest {
        namespace: String::new(),
        selectors,
        cascade: true,
        validate_only: false,
        reason: Some("new data".into()),
        request_id: String::new(),
        client_id: Some("janitor".into()),
    }
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut config = EngineConfig { seed: Some(7), ..EngineConfig::default() };
        change(&mut config);
        let clock = Clock::manual();
        Self { cache: Cache::new(config, clock.clone(), Arc::new(Silent), Origins::new()).unwrap(), clock }
    }

    fn put(&self, key: &str, value: &str) {
        self.put_made_from(key, value, &[]);
    }

    fn put_made_from(&self, key: &str, value: &str, names: &[&str]) {
        let depends_on = Dependencies::of(names.iter().map(|name| Arc::from(*name)));
        let description =
            Description { tags: vec!["t".into()], kind: "m".into(), depends_on, ..Description::default() };
        let ttl = Ttl::Exact(Duration::from_secs(60));
        self.cache
            .put(PutRequest {
                description,
                expiration: Expiration { ttl, stale_for: Some(Duration::from_secs(30)), ..Expiration::default() },
                client_id: Some("writer".into()),
                ..PutRequest::new("", key, Payload::Value(Bytes::copy_from_slice(value.as_bytes())))
            })
            .unwrap();
    }

    fn invalidate(&self, selectors: Vec<Selector>) {
        self.cache.invalidate(&of_janitor(selectors)).unwrap();
    }

    fn get(&self, key: &str) -> Lookup {
        let request = GetRequest { key: key.to_owned(), peek: true, ..GetRequest::default() };
        self.cache.get(&request).unwrap().outcome
    }

    fn explain(&self, key: &str) -> ExplainAnswer {
        let request = ExplainRequest { key: key.to_owned(), ..ExplainRequest::default() };
        let told = self.cache.explain(&request).unwrap();
        let missed = |outcome: &Lookup| if let Lookup::Miss(reason) = outcome { Some(*reason) } else { None };
        assert_eq!(missed(&told.outcome), missed(&self.get(key)), "{}", told.explanation);
        told
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// What happened, in a word, newest first.
fn words(told: &ExplainAnswer) -> Vec<&'static str> {
    let word = |what: &Happened| match what {
        Happened::Stored { .. } => "stored",
        Happened::Refreshed { .. } => "refreshed",
        Happened::Touched => "touched",
        Happened::Expired(_) => "expired",
        Happened::Evicted(_) => "evicted",
        Happened::Invalidated(_, Effect::Dropped) => "dropped",
        Happened::Invalidated(_, Effect::NothingThere) => "nothing there",
        Happened::Invalidated(_, Effect::Marked | Effect::Unknown) => "unknown",
        Happened::MarkedStale(_, Effect::Marked) => "marked",
        Happened::MarkedStale(..) => "marking nothing",
        Happened::RefreshFailed(_) => "failed",
        Happened::NotAdmitted(_) => "refused",
    };
    told.events.iter().map(|event| word(&event.what)).collect()
}

fn reason(told: &ExplainAnswer) -> Option<MissReason> {
    if let Lookup::Miss(reason) = told.outcome { Some(reason) } else { None }
}

#[test]
fn a_key_never_seen_is_explained_as_that() {
    let world = World::new();
    world.put("other", "v");
    world.invalidate(vec![Selector::tag("elsewhere").unwrap(), Selector::Everything]);
    world.pass(5);
    let told = world.explain("k");
    assert_eq!(reason(&told), Some(MissReason::NeverStored));
    assert!(told.events.is_empty() && told.cause.is_none() && told.entry.is_none() && told.complete);
    assert_eq!(told.reaches_back, Duration::from_secs(5));
}

#[test]
fn every_kind_of_event_is_told_newest_first_with_its_author() {
    let world = World::new();
    world.put("other", "v");
    world.invalidate(vec![Selector::key("k").unwrap()]);
    world.put("k", "v1");
    world.pass(1);
    world.put("k", "v1");
    let ttl = Ttl::Exact(Duration::from_secs(10));
    let touch = TouchRequest {
        namespace: String::new(),
        key: "k".to_owned(),
        mode: TouchMode::Set,
        expiration: Expiration { ttl, ..Expiration::default() },
        etag: String::new(),
    };
    world.cache.touch(&touch).unwrap();
    world.put("k", "longer");
    world.pass(90);
    world.cache.maintain();
    world.put("k", "v3");
    world.invalidate(vec![Selector::key("k").unwrap()]);
    let told = world.explain("k");
    let expected = ["dropped", "stored", "expired", "stored", "touched", "refreshed", "stored", "nothing there"];
    assert_eq!(words(&told), expected);
    let [dropped, stored, ..] = &told.events[..] else { panic!("{told:?}") };
    assert_eq!(dropped.author.client_id.as_deref(), Some("janitor"));
    assert_eq!(dropped.author.reason.as_deref(), Some("new data"));
    assert_eq!(dropped.sentence, "invalidated by its key by janitor (new data)");
    assert_eq!(stored.author.client_id.as_deref(), Some("writer"));
    assert!(matches!(&stored.what, Happened::Stored { size_bytes: 2, kind, .. } if &**kind == "m"));
    assert_eq!(told.events[6].age, Duration::from_secs(91));
    assert!(told.complete && !told.more_events);
    assert_eq!(told.cause.unwrap().position, dropped.position);
}

#[test]
fn each_selector_of_a_set_appears_in_the_history_of_the_keys_it_hits_and_of_no_other() {
    for selector in [
        Selector::tag("t").unwrap(),
        Selector::all_tags(["t"]).unwrap(),
        Selector::kind("m").unwrap(),
        Selector::prefix("k").unwrap(),
        Selector::glob("?").unwrap(),
        Selector::Everything,
    ] {
        let world = World::new();
        world.put("k", "v");
        world.invalidate(vec![Selector::tag("elsewhere").unwrap(), selector.clone()]);
        world.invalidate(vec![selector.clone()]);
        let told = world.explain("k");
        assert_eq!(words(&told), ["dropped", "stored"], "{selector:?}");
        assert_eq!(reason(&told), Some(MissReason::Invalidated));
        let cause = told.cause.unwrap();
        assert_eq!(cause.what, Happened::Invalidated(Some(selector), Effect::Dropped));
        assert_eq!((cause.position.unwrap().1.number, cause.author.reason.as_deref()), (1, Some("new data")));
        world.put("k", "w");
        assert_eq!(words(&world.explain("k")), ["stored", "dropped", "stored"]);
        world.invalidate(vec![Selector::prefix("elsewhere").unwrap(), Selector::kind("else").unwrap()]);
        assert_eq!(words(&world.explain("k")).len(), 3);
    }
}

#[test]
fn stale_and_ended_entries_are_explained_before_they_are_reclaimed() {
    let world = World::new();
    world.put("k", "v");
    assert!(matches!(world.explain("k").outcome, Lookup::Hit(_)));
    world.pass(70);
    let stale = world.explain("k");
    assert_eq!((reason(&stale), stale.entry.unwrap().1), (Some(MissReason::Expired), Freshness::Stale));
    assert_eq!(stale.cause.unwrap().age, Duration::from_secs(10));
    world.pass(30);
    let request = ExplainRequest { key: "k".to_owned(), ..ExplainRequest::default() };
    let gone = world.cache.explain(&request).unwrap();
    assert_eq!(gone.entry.as_ref().unwrap().1, Freshness::Gone);
    assert_eq!((gone.cause.unwrap().age, gone.events.len()), (Duration::from_secs(10), 1));
    world.cache.maintain();
    assert_eq!(words(&world.explain("k")), ["expired", "stored"]);
}

#[test]
fn what_made_room_or_was_refused_is_told() {
    let world = World::with(|config| config.entries_max = 1);
    world.put("k", "v");
    world.put("other", "v");
    let told = world.explain("k");
    assert_eq!((reason(&told), words(&told)), (Some(MissReason::Evicted), vec!["evicted", "stored"]));
    assert!(world.explain("other").next_to_go);
    let small = World::with(|config| config.bytes_max = 4096);
    small.put("k", "v");
    small.put("k", &"v".repeat(10_000));
    let told = small.explain("k");
    assert_eq!((reason(&told), words(&told)), (Some(MissReason::NotAdmitted), vec!["refused", "dropped", "stored"]));
    assert!(told.explanation.contains("memory.bytes_max"), "{}", told.explanation);
}

#[test]
fn a_history_that_was_trimmed_says_so_and_the_cause_is_still_known() {
    let world = World::with(|config| config.history_changes_max = 2);
    world.put("k", "v");
    world.pass(1);
    world.invalidate(vec![Selector::tag("t").unwrap()]);
    let told = world.explain("k");
    assert_eq!((words(&told), told.complete), (vec!["dropped", "stored"], true));
    world.pass(1);
    (0..2).for_each(|_| world.invalidate(vec![Selector::tag("elsewhere").unwrap()]));
    world.pass(3);
    let told = world.explain("k");
    assert_eq!((words(&told), told.complete, told.reaches_back.as_secs()), (vec![], false, 4));
    let cause = told.cause.unwrap();
    assert_eq!(cause.what, Happened::Invalidated(None, Effect::Dropped));
    assert_eq!((cause.position.unwrap().1.number, cause.age.as_secs()), (1, 4));
}

#[test]
fn where_the_history_begins_after_an_entry_was_stored_only_what_is_certain_is_said_to_have_dropped_it() {
    let world = World::with(|config| config.history_changes_max = 2);
    world.put("k", "v");
    world.invalidate(vec![Selector::prefix("else").unwrap()]);
    world.invalidate(vec![Selector::tag("t").unwrap()]);
    assert_eq!(words(&world.explain("k")), ["dropped"]);
    world.put("kept", "v");
    world.invalidate(vec![Selector::prefix("k").unwrap()]);
    assert_eq!(words(&world.explain("kept")), ["dropped", "stored"]);
    world.invalidate(vec![Selector::prefix("ab").unwrap()]);
    assert_eq!(words(&world.explain("elsewhere")), Vec::<&str>::new());
    assert_eq!(words(&world.explain("abc")), ["unknown"]);
}

#[test]
fn events_are_bounded_and_the_newest_stay() {
    let world = World::new();
    (0..EVENTS_MAX + 20).for_each(|n| world.put("k", &format!("{n}")));
    let ask = |events_max| {
        world.cache.explain(&ExplainRequest { key: "k".to_owned(), events_max, ..ExplainRequest::default() })
    };
    for (asked, told) in [(0, 20), (1, 1), (EVENTS_MAX, EVENTS_MAX)] {
        let answer = ask(asked).unwrap();
        assert_eq!((answer.events.len(), answer.more_events, answer.complete), (told, true, true));
        assert_eq!(answer.events[0].position.unwrap().1.number, (EVENTS_MAX + 20) as u64);
    }
    let refused = ask(EVENTS_MAX + 1).unwrap_err();
    assert_eq!(refused.reason(), Reason::BadArgument);
}

#[test]
fn an_explanation_leaves_no_trace() {
    let world = World::with(|config| config.entries_max = 2);
    world.put("a", "v");
    world.put("b", "v");
    let before = world.cache.stats(None, GroupBy::Nothing).unwrap().total;
    (0..50).for_each(|_| {
        let request = ExplainRequest { key: "a".to_owned(), ..ExplainRequest::default() };
        assert_eq!(world.cache.explain(&request).unwrap().entry.unwrap().0.facts.hit_count, 0);
    });
    let after = world.cache.stats(None, GroupBy::Nothing).unwrap().total;
    assert_eq!((before.reads(), before.entry_count), (after.reads(), after.entry_count));
    world.put("c", "v");
    assert_eq!(reason(&world.explain("a")), Some(MissReason::Evicted), "it is still the first to go");
    world.cache.check_invariants().unwrap();
}

#[test]
fn what_is_marked_stale_is_explained_with_who_did_it_and_why() {
    let world = World::new();
    world.put("k", "v");
    world.pass(5);
    world.cache.mark_stale(&of_janitor(vec![Selector::tag("t").unwrap()]), None).unwrap();
    world.pass(2);
    let told = world.explain("k");
    assert_eq!((reason(&told), told.entry.as_ref().unwrap().1), (Some(MissReason::Invalidated), Freshness::Stale));
    assert!(told.entry.as_ref().unwrap().0.facts.marked_stale);
    let cause = told.cause.clone().unwrap();
    assert_eq!(cause.sentence, "marked stale by the tag t by janitor (new data)");
    assert_eq!((cause.age, words(&told)), (Duration::from_secs(2), vec!["marked", "stored"]));
    assert!(told.explanation.contains("marked stale 2 s ago"), "{}", told.explanation);
    world.cache.mark_stale(&of_janitor(vec![Selector::key("k").unwrap()]), None).unwrap();
    assert_eq!(words(&world.explain("k")), ["marked", "marked", "stored"]);
    world.pass(29);
    let told = world.explain("k");
    assert_eq!((reason(&told), words(&told).last().copied()), (Some(MissReason::Expired), Some("stored")));
    world.put("k", "w");
    world.invalidate(vec![Selector::key("k").unwrap()]);
    world.cache.mark_stale(&of_janitor(vec![Selector::key("k").unwrap()]), None).unwrap();
    assert_eq!(words(&world.explain("k"))[..2], ["marking nothing", "dropped"]);
}

#[test]
fn what_followed_from_an_invalidate_names_what_it_was_made_from_and_not_the_key() {
    let selectors =
        [Selector::key("a").unwrap(), Selector::dependents_of("a").unwrap(), Selector::prefix("a").unwrap()];
    for selector in selectors {
        let world = World::new();
        world.put("a", "v");
        world.put_made_from("one", "v", &["a"]);
        world.put_made_from("further", "v", &["one"]);
        world.put_made_from("several", "v", &["a", "b"]);
        world.invalidate(vec![selector]);
        for (key, from) in [("one", Some("a")), ("further", Some("one")), ("several", None)] {
            let cause = world.explain(key).cause.unwrap();
            let named = from.map(|name| Selector::dependents_of(name).unwrap());
            assert_eq!(cause.what, Happened::Invalidated(named, Effect::Dropped), "{key}");
            let name = from.map_or("one of its dependencies".into(), |name| format!("its dependency {name}"));
            assert_eq!(cause.sentence, format!("invalidated by {name} by janitor (new data)"));
        }
    }
    let world = World::new();
    world.put_made_from("one", "v", &["a"]);
    world.put_made_from("several", "v", &["a", "b"]);
    world.cache.mark_stale(&of_janitor(vec![Selector::key("a").unwrap()]), None).unwrap();
    assert_eq!(world.explain("one").cause.unwrap().sentence, "marked stale by its dependency a by janitor (new data)");
    assert_eq!(
        world.explain("several").cause.unwrap().sentence,
        "marked stale by one of its dependencies by janitor (new data)"
    );
}
