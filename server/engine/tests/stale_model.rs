//! Dropping beats marking stale, and a mark never makes anything live longer: sequences of writes, marks and drops against
//! a reference that looks at everything at once, for the fences alone and for the whole cache.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::{Clock, Moment},
    entry::{Description, EntryView, Expiration, Payload, Ttl},
    event::Silent,
    fence::{Mark, SelectorFences, Stamp, Standing},
    flow::{
        get::{GetRequest, Lookup, StalePolicy},
        invalidate::InvalidateRequest,
        put::PutRequest,
        touch::{TouchMode, TouchRequest},
    },
    namespace::EngineConfig,
    origin::Origins,
    selector::{Facets, Selector},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const CASES: u64 = 100_000;
const KEYS: [&str; 3] = ["a:1", "a:2", "b"];
const TAGS: [&str; 2] = ["s", "t"];

fn selector(random: &mut StdRng) -> Selector {
    match random.random_range(0..7) {
        0 | 1 => Selector::key(KEYS[random.random_range(0..KEYS.len())]).unwrap(),
        2 => Selector::prefix("a:").unwrap(),
        3 => Selector::tag(TAGS[random.random_range(0..TAGS.len())]).unwrap(),
        4 => Selector::kind("m").unwrap(),
        5 => Selector::all_tags(TAGS).unwrap(),
        _ => Selector::Everything,
    }
}

fn set(random: &mut StdRng) -> Selector {
    loop {
        let selector = selector(random);
        if !matches!(selector, Selector::Key(_)) {
            return selector;
        }
    }
}

fn millis(random: &mut StdRng, most: u64) -> Duration {
    Duration::from_millis(random.random_range(0..=most))
}

/// What was raised, one by one.
struct Raised {
    number: u64,
    selector: Selector,
    mark: Option<Mark>,
}

/// The whole meaning of fences: what was dropped since is dropped; else the mark since that comes first holds.
fn expected(raised: &[Raised], facets: &Facets<'_>, vouched: u64) -> Standing {
    let since = || raised.iter().filter(|one| one.number > vouched && one.selector.selects(facets));
    if since().any(|one| one.mark.is_none()) {
        return Standing::Dropped;
    }
    let first = since().filter_map(|one| Some(one.mark?.of(facets.key))).min();
    let newest = since().map(|one| one.number).max();
    first.zip(newest).map_or(Standing::Untouched, |(at, number)| Standing::Marked(at, number))
}

#[test]
fn fences_say_what_a_list_of_everything_that_was_raised_says() {
    let namespace: Arc<str> = Arc::from("n");
    let tags = TAGS.map(Arc::<str>::from);
    for case in 0..CASES {
        let random = &mut StdRng::seed_from_u64(case);
        let mut fences = SelectorFences::new(1, 1000);
        let mut raised = Vec::new();
        let mut now = Moment(0);
        for number in 1..=random.random_range(1..8) {
            now = now.after(millis(random, 20));
            let selector = set(random);
            let spread = if random.random_bool(0.5) { Duration::ZERO } else { millis(random, 50) };
            let mark = random.random_bool(0.7).then_some(Mark { at: now, spread });
            match mark {
                Some(mark) => fences.mark(&namespace, std::slice::from_ref(&selector), (number, mark)),
                None => fences.raise(&namespace, std::slice::from_ref(&selector), number),
            }
            raised.push(Raised { number, selector, mark });
        }
        for key in KEYS {
            let tags = &tags[..random.random_range(0..=2)];
            let kind = if random.random_bool(0.5) { "m" } else { "" };
            let facets = Facets { key, kind, tags, depends_on: &[] };
            let vouched = random.random_range(0..=raised.len() as u64);
            let stamp = Stamp { epoch: 1, key: 0, selector: vouched };
            let found = fences.standing("n", &facets, stamp);
            assert_eq!(found, expected(&raised, &facets, vouched), "case {case}, {key}");
            assert_eq!(fences.allow("n", &facets, stamp), found == Standing::Untouched, "case {case}, {key}");
        }
    }
}

/// What the reference holds under a key.
#[derive(Clone, Debug)]
struct Known {
    value: u64,
    tags: Vec<Arc<str>>,
    kind: &'static str,
    /// When it was to end and to be unusable, whatever marks it.
    written: (Moment, Moment),
    fresh_until: Moment,
    usable_until: Moment,
    marked: bool,
}

impl Known {
    fn mark(&mut self, at: Moment) {
        let stale_for = self.usable_until.since(self.fresh_until);
        self.fresh_until = self.fresh_until.min(at);
        self.usable_until = self.fresh_until.after(stale_for);
        self.marked = true;
    }
}

struct World {
    cache: Arc<Cache>,
    clock: Clock,
    namespace: String,
    known: BTreeMap<&'static str, Known>,
    stored: u64,
}

impl World {
    fn facets_of<'a>(key: &'a str, known: &'a Known) -> Facets<'a> {
        Facets { key, kind: known.kind, tags: &known.tags, depends_on: &[] }
    }

    fn put(&mut self, random: &mut StdRng) {
        let key = KEYS[random.random_range(0..KEYS.len())];
        let tags: Vec<Arc<str>> = TAGS.into_iter().filter(|_| random.random_bool(0.5)).map(Arc::from).collect();
        let kind = if random.random_bool(0.5) { "m" } else { "" };
        let (ttl, stale) = (Duration::from_millis(random.random_range(1..60)), millis(random, 40));
        self.stored += 1;
        let stale_for = (!stale.is_zero()).then_some(stale);
        let request = PutRequest {
            description: Description { tags: tags.clone(), kind: Arc::from(kind), ..Description::default() },
            expiration: Expiration { ttl: Ttl::Exact(ttl), stale_for, ..Expiration::default() },
            ..PutRequest::new(self.namespace.clone(), key, Payload::Value(Bytes::from(self.stored.to_string())))
        };
        self.cache.put(request).unwrap();
        let fresh_until = self.clock.now().after(ttl);
        let usable_until = fresh_until.after(stale);
        let written = (fresh_until, usable_until);
        let known = Known { value: self.stored, tags, kind, written, fresh_until, usable_until, marked: false };
        self.known.insert(key, known);
    }

    fn invalidate(&mut self, random: &mut StdRng, marks: bool) {
        let selectors: Vec<Selector> = (0..random.random_range(1..3)).map(|_| selector(random)).collect();
        let spread = (marks && random.random_bool(0.4)).then(|| Duration::from_millis(random.random_range(1..40)));
        let request = InvalidateRequest {
            namespace: self.namespace.clone(),
            selectors: selectors.clone(),
            cascade: true,
            validate_only: false,
            reason: None,
            request_id: String::new(),
            client_id: None,
        };
        let now = self.clock.now();
        let selected = |key: &str, known: &Known| {
            let facets = Self::facets_of(key, known);
            now < known.usable_until && selectors.iter().any(|selector| selector.selects(&facets))
        };
        let expected = self.known.iter().filter(|(key, known)| selected(key, known)).count() as u64;
        let answer = if marks {
            let mark = Mark { at: now, spread: spread.unwrap_or_default() };
            let marked = self.known.iter_mut().filter(|(key, known)| selected(key, known));
            marked.for_each(|(key, known)| known.mark(mark.of(key)));
            self.cache.mark_stale(&request, spread).unwrap()
        } else {
            self.known.retain(|key, known| !selected(key, known));
            self.cache.invalidate(&request).unwrap()
        };
        assert_eq!(answer.matched_count, expected, "{selectors:?}");
    }

    fn touch(&mut self, random: &mut StdRng) {
        let key = KEYS[random.random_range(0..KEYS.len())];
        let ttl = Duration::from_millis(random.random_range(1..60));
        let expiration = Expiration { ttl: Ttl::Exact(ttl), ..Expiration::default() };
        let request = TouchRequest {
            namespace: self.namespace.clone(),
            key: key.to_owned(),
            mode: TouchMode::Set,
            expiration,
            etag: String::new(),
        };
        self.cache.touch(&request).unwrap();
        let now = self.clock.now();
        if let Some(known) = self.known.get_mut(key).filter(|known| now < known.usable_until) {
            let before = known.fresh_until;
            known.fresh_until = now.after(ttl);
            known.usable_until = known.fresh_until;
            if known.marked {
                known.mark(before);
            }
            known.written = (known.written.0.max(known.fresh_until), known.written.1.max(known.usable_until));
        }
    }

    fn check(&self, random: &mut StdRng) {
        let now = self.clock.now();
        for key in KEYS {
            if random.random_bool(0.4) {
                continue;
            }
            let stale = [StalePolicy::Refuse, StalePolicy::WhileRevalidate, StalePolicy::IfError];
            let stale = stale[random.random_range(0..3)];
            let namespace = self.namespace.clone();
            let request = GetRequest { namespace, key: key.to_owned(), stale, ..GetRequest::default() };
            let found = self.cache.get(&request).unwrap().outcome;
            let known = self.known.get(key).filter(|known| now < known.usable_until);
            match (&found, known) {
                (Lookup::Hit(view), Some(known)) => {
                    assert!(now < known.fresh_until, "{key} is served as fresh: {known:?}");
                    same(view, known, now);
                }
                (Lookup::Stale(view), Some(known)) => {
                    assert!(now >= known.fresh_until && stale != StalePolicy::Refuse, "{key}: {known:?}");
                    assert!(now < known.written.1, "{key} lives longer than it was to: {known:?}");
                    same(view, known, now);
                }
                (Lookup::Miss(_), None) => {}
                (Lookup::Miss(_), Some(known)) => {
                    assert!(now >= known.fresh_until && stale == StalePolicy::Refuse, "{key} is missing: {known:?}");
                }
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}

fn same(view: &EntryView, known: &Known, now: Moment) {
    assert_eq!(view.payload, Payload::Value(Bytes::from(known.value.to_string())));
    let facts = &view.facts;
    // Small entries are kept to the microsecond.
    let micro = Duration::from_micros(1);
    assert!(known.fresh_until.since(now).saturating_sub(facts.fresh_for) <= micro, "{facts:?}: {known:?}");
    assert!(known.usable_until.since(now).saturating_sub(facts.usable_for) <= micro, "{facts:?}: {known:?}");
    assert!(facts.fresh_for <= known.fresh_until.since(now) && facts.usable_for <= known.usable_until.since(now));
}

/// Promise C14.
#[test]
fn dropping_beats_marking_and_marks_never_lengthen_a_life() {
    const CASES_PER_CACHE: u64 = 250;
    let mut cache: Option<(Arc<Cache>, Clock)> = None;
    for case in 0..CASES {
        let random = &mut StdRng::seed_from_u64(case);
        if case % CASES_PER_CACHE == 0 {
            cache.iter().for_each(|(cache, _)| cache.check_invariants().unwrap());
            cache = None;
        }
        let (cache, clock) = cache.get_or_insert_with(|| {
            let config =
                EngineConfig { seed: Some(case), shards: 1, insight_samples_max: 0, ..EngineConfig::default() };
            let clock = Clock::manual();
            (Cache::new(config, clock.clone(), Arc::new(Silent), Origins::new()).unwrap(), clock)
        });
        let namespace = format!("n{}", case % CASES_PER_CACHE);
        let (cache, clock) = (cache.clone(), clock.clone());
        let mut world = World { cache, clock, namespace, known: BTreeMap::new(), stored: 0 };
        world.put(random);
        for _ in 0..random.random_range(2..9) {
            match random.random_range(0..10) {
                0..3 => world.put(random),
                3..6 => world.invalidate(random, true),
                6 => world.invalidate(random, false),
                7 => world.touch(random),
                8 => world.clock.advance(millis(random, 30)),
                _ => world.check(random),
            }
        }
        world.check(random);
    }
}
