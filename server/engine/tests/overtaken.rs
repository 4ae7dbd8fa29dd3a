//! A value made from what was invalidated while it was being computed is stored nowhere: under a lease, whatever it was
//! made from and however that was named, and in whatever order the threads come.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use bytes::Bytes;
use futures::FutureExt;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Dependencies, Description, Payload},
    event::Silent,
    fence::{DependencyFences, Hit, Stamp},
    flow::{
        get::GetRequest,
        invalidate::InvalidateRequest,
        lease::{LeasedAnswer, Release},
        put::{PutAnswer, PutRequest},
    },
    key::Key,
    namespace::EngineConfig,
    origin::Origins,
    selector::Selector,
};

fn cache(shards: usize) -> Arc<Cache> {
    let config = EngineConfig { seed: Some(3), shards, ..EngineConfig::default() };
    Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
}

fn request(key: &str, on: &[&str], tags: &[&str]) -> PutRequest {
    PutRequest {
        description: Description {
            tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
            depends_on: Dependencies::of(on.iter().map(|name| Arc::from(*name))),
            ..Description::default()
        },
        ..PutRequest::new("", key, Payload::Value(Bytes::from_static(b"v")))
    }
}

fn put(cache: &Cache, key: &str, on: &[&str], tags: &[&str]) {
    assert!(matches!(cache.put(request(key, on, tags)).unwrap(), PutAnswer::Stored { .. }), "{key}");
}

fn invalidate(cache: &Cache, selector: Selector, cascade: bool) {
    let request = InvalidateRequest {
        namespace: String::new(),
        selectors: vec![selector],
        cascade,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    cache.invalidate(&request).unwrap();
}

/// Asks once, without waiting.
fn ask(cache: &Arc<Cache>, key: &str) -> LeasedAnswer {
    let request = GetRequest { key: key.to_owned(), ..GetRequest::default() };
    cache.get_leased(&request, None).now_or_never().expect("it does not wait").unwrap()
}

fn grant(cache: &Arc<Cache>, key: &str) -> u128 {
    match ask(cache, key) {
        LeasedAnswer::Found(_, Some(grant)) => grant.token,
        other => panic!("{key} has no lease to give: {other:?}"),
    }
}

fn is_there(cache: &Cache, key: &str) -> bool {
    let request = GetRequest { key: key.to_owned(), peek: true, ..GetRequest::default() };
    cache.get(&request).unwrap().outcome.view().is_some()
}

/// What `k` is made from, and what is there before.
fn kitchen(shards: usize) -> Arc<Cache> {
    let cache = cache(shards);
    put(&cache, "d:root", &[], &["eu"]);
    put(&cache, "d:middle", &["d:root", "tag:menu"], &[]);
    put(&cache, "apart", &[], &["us"]);
    cache
}

const MADE_FROM: [&str; 3] = ["d:middle", "tag:prices", "d:absent"];

fn store(cache: &Cache, token: u128) -> PutAnswer {
    cache.put_leased(request("k", &MADE_FROM, &[]), token).unwrap()
}

fn selectors() -> Vec<Selector> {
    vec![
        Selector::key("d:middle").unwrap(),
        Selector::key("d:absent").unwrap(),
        Selector::key("d:root").unwrap(),
        Selector::prefix("d:m").unwrap(),
        Selector::prefix("d:r").unwrap(),
        Selector::prefix("d:a").unwrap(),
        Selector::glob("*:middle").unwrap(),
        Selector::glob("*:absent").unwrap(),
        Selector::tag("prices").unwrap(),
        Selector::tag("menu").unwrap(),
        Selector::tag("eu").unwrap(),
        Selector::all_tags(["eu"]).unwrap(),
        Selector::dependents_of("d:middle").unwrap(),
        Selector::dependents_of("d:absent").unwrap(),
        Selector::dependents_of("d:root").unwrap(),
        Selector::dependents_of("tag:prices").unwrap(),
        Selector::dependents_of("tag:menu").unwrap(),
        Selector::Everything,
    ]
}

#[test]
fn what_was_made_from_what_was_invalidated_meanwhile_is_not_stored() {
    for (shards, selector) in [1, 64].into_iter().flat_map(|shards| selectors().into_iter().map(move |s| (shards, s))) {
        let cache = kitchen(shards);
        let token = grant(&cache, "k");
        invalidate(&cache, selector.clone(), true);
        assert!(matches!(store(&cache, token), PutAnswer::LeaseLost), "{selector:?}");
        assert!(!is_there(&cache, "k"), "{selector:?}");
        let next = grant(&cache, "k");
        assert!(matches!(store(&cache, next), PutAnswer::Stored { .. }), "{selector:?}: computed afterwards");
        cache.check_invariants().unwrap();
    }
}

/// What was dropped may be there again, and made from something else, before the late value comes.
#[test]
fn what_was_stored_again_meanwhile_hides_nothing() {
    for selector in selectors() {
        let cache = kitchen(64);
        let token = grant(&cache, "k");
        invalidate(&cache, selector.clone(), true);
        for name in ["d:root", "d:middle", "d:absent"] {
            cache.put(request(name, &[], &["new"])).unwrap();
        }
        assert!(matches!(store(&cache, token), PutAnswer::LeaseLost), "{selector:?}");
    }
}

/// What happens while a value is computed, in words and as it is done.
type Meanwhile = (&'static str, fn(&Cache));

#[test]
fn what_has_nothing_to_do_with_it_refuses_nothing() {
    let harmless: [Meanwhile; 6] = [
        ("another key", |cache| invalidate(cache, Selector::key("apart").unwrap(), true)),
        ("another tag", |cache| invalidate(cache, Selector::tag("us").unwrap(), true)),
        ("another prefix", |cache| invalidate(cache, Selector::prefix("ap").unwrap(), true)),
        ("without cascade", |cache| invalidate(cache, Selector::key("d:middle").unwrap(), false)),
        ("another content is no invalidation", |cache| put(cache, "d:root", &[], &["other"])),
        ("a tag that it had before", |cache| {
            put(cache, "d:root", &[], &["other"]);
            invalidate(cache, Selector::tag("eu").unwrap(), true);
        }),
    ];
    for (what, happens) in harmless {
        let cache = kitchen(64);
        let token = grant(&cache, "k");
        happens(&cache);
        assert!(matches!(store(&cache, token), PutAnswer::Stored { .. }), "{what}");
    }
    for selector in selectors() {
        let cache = kitchen(64);
        invalidate(&cache, selector.clone(), true);
        let token = grant(&cache, "k");
        assert!(matches!(store(&cache, token), PutAnswer::Stored { .. }), "{selector:?}: before it was computed");
    }
}

/// A writer without a lease says what is: nothing is asked of it.
#[test]
fn a_plain_put_is_stored_whatever_was_invalidated() {
    let cache = kitchen(64);
    invalidate(&cache, Selector::key("d:middle").unwrap(), true);
    put(&cache, "k", &MADE_FROM, &[]);
    assert!(is_there(&cache, "k"));
}

#[test]
fn a_tag_or_kind_that_comes_with_the_value_counts_from_the_beginning_of_its_computation() {
    for selector in [Selector::tag("late").unwrap(), Selector::kind("dish").unwrap()] {
        let cache = cache(64);
        let token = grant(&cache, "k");
        invalidate(&cache, selector.clone(), true);
        let mut late = request("k", &[], &["late"]);
        late.description.kind = "dish".into();
        assert!(matches!(cache.put_leased(late, token).unwrap(), PutAnswer::LeaseLost), "{selector:?}");
    }
}

/// More is invalidated than is remembered: then what was computed before is refused, whatever it was made from.
#[test]
fn what_is_forgotten_refuses_more_and_never_less() {
    let cache = kitchen(1);
    let token = grant(&cache, "k");
    for number in 0..10_000 {
        invalidate(&cache, Selector::key(&format!("other:{number}")).unwrap(), true);
    }
    assert!(matches!(store(&cache, token), PutAnswer::LeaseLost));
    let token = grant(&cache, "k");
    assert!(matches!(store(&cache, token), PutAnswer::Stored { .. }));
}

#[test]
fn the_fences_of_dependencies_are_bounded_and_their_floor_is_conservative() {
    let mut fences = DependencyFences::new(2.try_into().unwrap());
    let key = |text: &str| Key::new("", text).unwrap();
    let admits = |fences: &DependencyFences, text: &str, (place, selector): (u64, u64)| {
        fences.admit(&key(text), (Stamp { epoch: 1, key: 0, selector }, place))
    };
    assert!(admits(&fences, "a", (1, 0)));
    fences.raise(&key("a"), Hit { place: 5, selector: 0 });
    assert!(!admits(&fences, "a", (5, 0)) && admits(&fences, "a", (6, 0)) && admits(&fences, "b", (1, 0)));
    fences.raise(&key("a"), Hit { place: 0, selector: 3 });
    assert!(!admits(&fences, "a", (9, 2)) && !admits(&fences, "a", (5, 3)) && admits(&fences, "a", (6, 3)));
    fences.raise(&key("b"), Hit { place: 7, selector: 0 });
    fences.raise(&key("c"), Hit { place: 8, selector: 0 });
    assert!(!admits(&fences, "z", (5, 9)) && !admits(&fences, "z", (9, 2)) && admits(&fences, "z", (6, 3)));
    assert!(admits(&fences, "b", (8, 0)), "b is known: what was forgotten of others does not concern it");
    fences.raise(&key("a"), Hit { place: 9, selector: 0 });
    assert!(!admits(&fences, "a", (10, 2)), "what was forgotten of it still counts");
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// What the source says now.
    source: AtomicU64,
    /// What it said before the last Invalidate that was answered.
    answered: AtomicU64,
    stored: AtomicU64,
    refused: AtomicU64,
    over: AtomicBool,
}

impl Shared {
    /// Values that were computed, in time or not.
    fn cooked(&self) -> u64 {
        self.stored.load(SeqCst) + self.refused.load(SeqCst)
    }

    fn value(&self, cache: &Cache, key: &str) -> Option<u64> {
        let answered = self.answered.load(SeqCst);
        let request = GetRequest { key: key.to_owned(), ..GetRequest::default() };
        let outcome = cache.get(&request).unwrap().outcome;
        let Payload::Value(value) = &outcome.view()?.payload else { panic!("nobody remembers a failure") };
        let value = u64::from_be_bytes(value.as_ref().try_into().unwrap());
        assert!(value >= answered, "{key} is {value} although {answered} was answered before");
        Some(value)
    }
}

/// Computes one of a chain, each from the one before it and the first from the source.
fn cook(cache: &Arc<Cache>, shared: &Shared, (key, from): (&str, Option<&str>)) {
    while !shared.over.load(SeqCst) {
        shared.value(cache, key);
        let LeasedAnswer::Found(_, Some(grant)) = ask(cache, key) else { continue };
        let read = match from {
            None => Some(shared.source.load(SeqCst)),
            Some(from) => shared.value(cache, from),
        };
        let Some(read) = read else {
            cache.release_lease(("", key), grant.token, Release::Next).unwrap();
            thread::yield_now();
            continue;
        };
        let mut put = request(key, &[from.unwrap_or("source")], &[]);
        put.payload = Some(Payload::Value(Bytes::copy_from_slice(&read.to_be_bytes())));
        match cache.put_leased(put, grant.token).unwrap() {
            PutAnswer::LeaseLost => shared.refused.fetch_add(1, SeqCst),
            _ => shared.stored.fetch_add(1, SeqCst),
        };
    }
}

#[test]
fn no_interleaving_of_a_cascade_and_a_late_value_leaves_anything_old() {
    const ROUNDS: u64 = 3000;
    // Where nothing was overtaken yet it goes on until something is.
    const ROUNDS_MAX: u64 = 100 * ROUNDS;
    const LOOKS_MAX: u64 = 100_000_000;
    let (cache, shared) = (cache(64), Arc::new(Shared::default()));
    let cooks = [("a", None), ("b", Some("a")), ("c", Some("b"))].map(|step| {
        let (cache, shared) = (cache.clone(), shared.clone());
        thread::spawn(move || cook(&cache, &shared, step))
    });
    let ways = [
        Selector::key("source").unwrap(),
        Selector::prefix("sour").unwrap(),
        Selector::dependents_of("source").unwrap(),
        Selector::glob("s*").unwrap(),
    ];
    let seen = || shared.stored.load(SeqCst) > 0 && shared.refused.load(SeqCst) > 0;
    let rounds = (1..=ROUNDS_MAX).take_while(|round| *round <= ROUNDS || !seen());
    for (round, way) in rounds.zip(ways.into_iter().cycle()) {
        let before = shared.cooked();
        shared.source.store(round, SeqCst);
        invalidate(&cache, way, true);
        shared.answered.store(round, SeqCst);
        // What was dropped is computed again: some rounds let that happen, the others come in between.
        // Not a multiple of the ways, so that each of them is waited for.
        let mut looks = 0_u64;
        while round % 7 == 0 && shared.cooked() == before {
            assert!(!cooks.iter().any(thread::JoinHandle::is_finished), "who computes has ended");
            assert!(looks < LOOKS_MAX, "round {round}: nothing was computed again");
            looks += 1;
            thread::yield_now();
        }
    }
    shared.over.store(true, SeqCst);
    cooks.into_iter().for_each(|cook| cook.join().unwrap());
    let (stored, refused) = (shared.stored.load(SeqCst), shared.refused.load(SeqCst));
    assert!(stored > 0 && refused > 0, "{stored} were stored and {refused} refused");
    cache.check_invariants().unwrap();
}
