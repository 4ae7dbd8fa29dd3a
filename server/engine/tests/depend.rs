//! Dependencies: what is made from what, what follows from an Invalidate, its bounds, and that no interleaving saves a
//! dependent.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Barrier},
    thread,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache, Error,
    clock::Clock,
    entry::{Dependencies, Description, Payload},
    error::Reason,
    event::Silent,
    flow::{
        bounds::{DEPENDS_ON_BYTES_MAX, DEPENDS_ON_MAX},
        invalidate::{InvalidateAnswer, InvalidateRequest},
        list::ListRequest,
        put::PutRequest,
    },
    key::KEY_BYTES_MAX,
    namespace::EngineConfig,
    origin::Origins,
    selector::{Selector, TAG_BYTES_MAX},
};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

fn cache(change: impl FnOnce(&mut EngineConfig)) -> Arc<Cache> {
    let mut config = EngineConfig { seed: Some(7), ..EngineConfig::default() };
    change(&mut config);
    Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
}

fn put(cache: &Cache, key: &str, on: &[&str], tags: &[&str]) -> Result<(), Error> {
    let request = PutRequest {
        description: Description {
            tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
            depends_on: Dependencies::of(on.iter().map(|name| Arc::from(*name))),
            ..Description::default()
        },
        ..PutRequest::new("", key, Payload::Value(Bytes::from_static(b"v")))
    };
    cache.put(request).map(drop)
}

fn request(selectors: Vec<Selector>) -> InvalidateRequest {
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

fn invalidate(cache: &Cache, selector: Selector) -> InvalidateAnswer {
    cache.invalidate(&request(vec![selector])).unwrap()
}

fn key(key: &str) -> Selector {
    Selector::key(key).unwrap()
}

fn left(cache: &Cache) -> BTreeSet<String> {
    let all =
        ListRequest { namespace: String::new(), selectors: Vec::new(), page_size: 1000, page_token: String::new() };
    cache.list(&all).unwrap().entries.iter().map(|view| view.key.to_string()).collect()
}

#[test]
fn what_was_made_from_it_goes_over_any_number_of_steps() {
    let cache = cache(|_| {});
    put(&cache, "metrics", &["model"], &[]).unwrap();
    put(&cache, "model", &["data", "tag:eu"], &[]).unwrap();
    put(&cache, "report", &["metrics", "other"], &[]).unwrap();
    put(&cache, "apart", &[], &["eu"]).unwrap();
    let dry = InvalidateRequest { validate_only: true, ..request(vec![key("data")]) };
    let shown = cache.invalidate(&dry).unwrap();
    assert_eq!((shown.matched_count, shown.cascaded_count, left(&cache).len()), (0, 3, 4));
    let dropped = invalidate(&cache, key("data"));
    assert_eq!((dropped.matched_count, dropped.cascaded_count), (0, 3), "it was never there itself");
    assert_eq!(left(&cache), BTreeSet::from(["apart".to_owned()]));
    cache.check_invariants().unwrap();
}

#[test]
fn each_selector_leads_to_what_was_made_from_what_it_selects() {
    let cases = [
        (key("m:1"), 1, 1),
        (Selector::prefix("m:").unwrap(), 1, 1),
        (Selector::glob("m:*").unwrap(), 1, 1),
        (Selector::tag("t").unwrap(), 1, 2),
        (Selector::all_tags(["t", "u"]).unwrap(), 1, 1),
        (Selector::kind("none").unwrap(), 0, 0),
        (Selector::dependents_of("m:1").unwrap(), 1, 1),
        (Selector::dependents_of("tag:t").unwrap(), 1, 0),
        (Selector::Everything, 4, 0),
    ];
    for (selector, matched, cascaded) in cases {
        let cache = cache(|_| {});
        put(&cache, "m:1", &[], &["t", "u"]).unwrap();
        put(&cache, "of-key", &["m:1"], &[]).unwrap();
        put(&cache, "of-tag", &["tag:t"], &[]).unwrap();
        put(&cache, "x", &[], &[]).unwrap();
        if matches!(selector, Selector::DependentsOf(_)) {
            put(&cache, "further", &["of-key"], &[]).unwrap();
        }
        let without = InvalidateRequest { cascade: false, validate_only: true, ..request(vec![selector.clone()]) };
        assert_eq!(cache.invalidate(&without).unwrap().cascaded_count, 0);
        let dry = InvalidateRequest { validate_only: true, ..request(vec![selector.clone()]) };
        let shown = cache.invalidate(&dry).unwrap();
        let before = left(&cache).len() as u64;
        let dropped = invalidate(&cache, selector.clone());
        assert_eq!((dropped.matched_count, dropped.cascaded_count), (matched, cascaded), "{selector:?}");
        assert_eq!((shown.matched_count, shown.cascaded_count), (matched, cascaded), "{selector:?}");
        assert_eq!(before - left(&cache).len() as u64, matched + cascaded, "{selector:?}");
        cache.check_invariants().unwrap();
    }
}

#[test]
fn a_cascade_beyond_its_bounds_drops_nothing_and_says_so() {
    let cache = cache(|config| (config.cascade_entries_max, config.cascade_depth_max) = (10, 3));
    for number in 0..11 {
        put(&cache, &format!("d{number}"), &["wide"], &[]).unwrap();
    }
    for step in (0..4).rev() {
        put(&cache, &format!("s{}", step + 1), &[&format!("s{step}")], &[]).unwrap();
    }
    for root in ["wide", "s0"] {
        for validate_only in [true, false] {
            let refused =
                cache.invalidate(&InvalidateRequest { validate_only, ..request(vec![key(root)]) }).unwrap_err();
            assert_eq!((refused.reason(), refused.field_name()), (Reason::CascadeTooLarge, Some("cascade")));
        }
    }
    assert_eq!(left(&cache).len(), 15);
    assert_eq!(invalidate(&cache, Selector::prefix("d").unwrap()).matched_count, 11, "what is named is not counted");
    assert_eq!(invalidate(&cache, key("s1")).cascaded_count, 3, "three steps are allowed");
    let alone = InvalidateRequest { cascade: false, ..request(vec![key("wide")]) };
    assert!(cache.invalidate(&alone).is_ok());
}

#[test]
fn names_are_checked_and_cycles_refused() {
    let cache = cache(|_| {});
    let refused = |on: &[&str]| {
        let error = put(&cache, "k", on, &[]).unwrap_err();
        (error.reason(), error.field_name().unwrap().to_owned())
    };
    let (longest, tag) = ("k".repeat(KEY_BYTES_MAX), format!("tag:{}", "t".repeat(TAG_BYTES_MAX)));
    put(&cache, "fits", &[&longest, &tag], &[]).unwrap();
    assert_eq!(refused(&[&format!("{longest}k")]), (Reason::BadKey, "depends_on".to_owned()));
    assert_eq!(refused(&[&format!("{tag}t")]), (Reason::BadArgument, "depends_on".to_owned()));
    assert_eq!(refused(&["tag:"]), (Reason::BadArgument, "depends_on".to_owned()));
    assert_eq!(refused(&[""]), (Reason::BadKey, "depends_on".to_owned()));
    let many: Vec<String> = (0..=DEPENDS_ON_MAX).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(&many), (Reason::BadArgument, "depends_on".to_owned()));
    put(&cache, "most", &many[1..], &[]).unwrap();
    let long: Vec<String> = (0..=DEPENDS_ON_BYTES_MAX / 1000).map(|number| format!("{number:01000}")).collect();
    assert_eq!(
        refused(&long.iter().map(String::as_str).collect::<Vec<_>>()),
        (Reason::BadArgument, "depends_on".to_owned())
    );
    put(&cache, "b", &["k"], &[]).unwrap();
    put(&cache, "c", &["b"], &[]).unwrap();
    assert_eq!(refused(&["k"]), (Reason::DependencyCycle, "depends_on[0]".to_owned()));
    assert_eq!(refused(&["a", "c"]), (Reason::DependencyCycle, "depends_on[1]".to_owned()));
    assert!(!left(&cache).contains("k"), "what is refused is not stored");
    put(&cache, "tag:x", &["tag:x"], &[]).unwrap();
    assert_eq!(invalidate(&cache, key("tag:x")).cascaded_count, 0, "that names a tag, not a key");
}

#[test]
fn another_content_in_its_place_is_no_invalidation() {
    let cache = cache(|_| {});
    put(&cache, "a", &[], &[]).unwrap();
    put(&cache, "b", &["a"], &[]).unwrap();
    put(&cache, "a", &[], &["new"]).unwrap();
    assert_eq!(left(&cache).len(), 2);
    put(&cache, "b", &[], &[]).unwrap();
    assert_eq!(invalidate(&cache, key("a")).cascaded_count, 0, "the last Put says what it was made from");
}

/// What the oracle knows of an entry.
#[derive(Clone, Default)]
struct Known {
    own: BTreeSet<String>,
    inherited: BTreeSet<String>,
    tags: BTreeSet<String>,
}

/// The simplest thing that could be right.
#[derive(Default)]
struct Oracle(BTreeMap<String, Known>);

impl Oracle {
    /// `None` for a cycle.
    fn put(&mut self, key: &str, own: &BTreeSet<String>, tags: BTreeSet<String>) -> Option<()> {
        let mut walked = own.clone();
        while let more = self.next(&walked)
            && !more.is_subset(&walked)
        {
            walked.extend(more);
        }
        if walked.contains(key) {
            return None;
        }
        let older = walked.iter().filter_map(|name| self.0.get(name)).flat_map(|known| known.inherited.clone());
        let mut inherited: BTreeSet<_> = older.chain(walked.clone()).collect();
        inherited.retain(|name| name != key && !own.contains(name));
        self.0.insert(key.to_owned(), Known { own: own.clone(), inherited, tags });
        Some(())
    }

    fn next(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        names.iter().filter_map(|name| self.0.get(name)).flat_map(|known| known.own.clone()).collect()
    }

    /// Counts of what is dropped: named, and by cascade.
    fn invalidate(&mut self, selector: &Selector, cascade: bool) -> (u64, u64) {
        let named: BTreeSet<String> =
            self.0.iter().filter(|(key, known)| selects(selector, key, known)).map(|(key, _)| key.clone()).collect();
        let mut gone = named.clone();
        match selector {
            Selector::Key(key) => drop(gone.insert(key.to_string())),
            Selector::Tag(tag) => drop(gone.insert(format!("tag:{tag}"))),
            _ => {}
        }
        let names: BTreeSet<String> =
            self.0.values().flat_map(|known| known.own.union(&known.inherited)).cloned().collect();
        gone.extend(
            names
                .into_iter()
                .filter(|name| matches!(selector, Selector::Prefix(prefix) if name.starts_with(&**prefix))),
        );
        if cascade {
            let from = if let Selector::DependentsOf(name) = selector { Some(&**name) } else { None };
            self.follow(&mut gone, from);
        } else {
            gone = named.clone();
        }
        let before = self.0.len();
        self.0.retain(|key, _| !gone.contains(key));
        (named.len() as u64, (before - self.0.len() - named.len()) as u64)
    }
}

impl Oracle {
    /// Adds what was made from any of these, or from that, until there is no more.
    fn follow(&self, gone: &mut BTreeSet<String>, from: Option<&str>) {
        loop {
            let hit = |name: &String| gone.contains(name) || from == Some(name);
            let made = |known: &Known| known.own.union(&known.inherited).any(hit);
            let new = self.0.iter().filter(|(key, known)| !gone.contains(*key) && made(known));
            let more: Vec<_> = new.map(|(key, _)| key.clone()).collect();
            if more.is_empty() {
                return;
            }
            gone.extend(more);
        }
    }
}

fn selects(selector: &Selector, key: &str, known: &Known) -> bool {
    match selector {
        Selector::Key(named) => **named == *key,
        Selector::Prefix(prefix) => key.starts_with(&**prefix),
        Selector::Tag(tag) => known.tags.contains(&**tag),
        Selector::DependentsOf(name) => known.own.contains(&**name),
        _ => false,
    }
}

fn some(random: &mut StdRng, most: u32, name: impl Fn(u32) -> String) -> BTreeSet<String> {
    (0..random.random_range(0..=most)).map(|_| name(random.next_u32())).collect()
}

#[test]
fn any_sequence_agrees_with_the_oracle() {
    let name = |number: u32| {
        if number.is_multiple_of(7) { format!("tag:t{}", number % 3) } else { format!("k{:02}", number % 24) }
    };
    for seed in 0..60 {
        let (cache, mut oracle, mut random) = (cache(|_| {}), Oracle::default(), StdRng::seed_from_u64(seed));
        for step in 0..300 {
            let (subject, place) = (format!("k{:02}", random.next_u32() % 24), format!("seed {seed}, step {step}"));
            if random.random_range(0..10) < 7 {
                let (own, tags) =
                    (some(&mut random, 3, name), some(&mut random, 2, |number| format!("t{}", number % 3)));
                let texts = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
                let (on, with) = (texts(&own), texts(&tags));
                let stored = put(
                    &cache,
                    &subject,
                    &on.iter().map(String::as_str).collect::<Vec<_>>(),
                    &with.iter().map(String::as_str).collect::<Vec<_>>(),
                );
                let known = oracle.put(&subject, &own, tags);
                assert_eq!(stored.map_err(|error| error.reason()), known.ok_or(Reason::DependencyCycle), "{place}");
            } else {
                let selector = match random.random_range(0..4) {
                    0 => Selector::tag(&format!("t{}", random.next_u32() % 3)),
                    1 => Selector::prefix(&subject[..2]),
                    2 => Selector::dependents_of(&name(random.next_u32())),
                    _ => Selector::key(&subject),
                }
                .unwrap();
                let cascade = random.random_range(0..3) > 0;
                let answer =
                    cache.invalidate(&InvalidateRequest { cascade, ..request(vec![selector.clone()]) }).unwrap();
                let known = oracle.invalidate(&selector, cascade);
                assert_eq!((answer.matched_count, answer.cascaded_count), known, "{place}: {selector:?}");
            }
            assert_eq!(left(&cache), oracle.0.keys().cloned().collect(), "{place}");
        }
        cache.check_invariants().unwrap();
    }
}

/// The step in between is evicted, replaced and stored again while what it was made from is invalidated: what depended on
/// it when the call began is gone when it answers, whatever order the shards are reached in.
#[test]
fn no_interleaving_saves_a_dependent() {
    const ROUNDS: usize = 2000;
    let cache = cache(|_| {});
    let start = Arc::new(Barrier::new(3));
    let other = |work: fn(&Cache, usize)| {
        let (cache, start) = (cache.clone(), start.clone());
        thread::spawn(move || {
            for round in 0..ROUNDS {
                start.wait();
                work(&cache, round);
                start.wait();
            }
        })
    };
    let threads = [
        other(|cache, round| {
            let alone = InvalidateRequest { cascade: false, ..request(vec![key("middle")]) };
            cache.invalidate(&alone).unwrap();
            put(cache, "middle", if round % 2 == 0 { &["root"] } else { &[] }, &[]).unwrap();
        }),
        other(|cache, round| {
            put(cache, "beside", &["middle"], &[if round % 2 == 0 { "a" } else { "b" }]).unwrap();
            put(cache, "root", &[], &[if round % 2 == 0 { "a" } else { "b" }]).unwrap();
        }),
    ];
    for round in 0..ROUNDS {
        let leaves = [format!("leaf:{round}"), format!("last:{round}")];
        put(&cache, "middle", &["root"], &[]).unwrap();
        put(&cache, &leaves[0], &["middle"], &[]).unwrap();
        put(&cache, &leaves[1], &[&leaves[0]], &[]).unwrap();
        start.wait();
        invalidate(&cache, key("root"));
        let left = left(&cache);
        assert!(leaves.iter().all(|leaf| !left.contains(leaf)), "round {round}: {left:?}");
        start.wait();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    cache.check_invariants().unwrap();
}

/// Two writers who link each to the other's key: at most one of both links is there.
#[test]
fn concurrent_writers_make_no_cycle() {
    let cache = cache(|_| {});
    for _ in 0..500 {
        let both = Arc::new(Barrier::new(2));
        let link = |from: &'static str, to: &'static str| {
            let (cache, both) = (cache.clone(), both.clone());
            thread::spawn(move || {
                both.wait();
                put(&cache, from, &[to], &[]).is_ok()
            })
        };
        let stored = [link("a", "b"), link("b", "a")].map(|thread| thread.join().unwrap());
        assert_eq!(stored.iter().filter(|stored| **stored).count(), 1);
        invalidate(&cache, Selector::Everything);
    }
}
