//! Random operations on a cache and on a small oracle: both must say the same after every step, and what the cache
//! counts must agree with what it holds. The same seed gives the same run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::{Clock, Moment},
    entry::{Description, Expiration, Negative, Payload, Ttl},
    event::Silent,
    flow::{
        get::{GetRequest, Lookup, StalePolicy},
        invalidate::InvalidateRequest,
        list::ListRequest,
        put::{Precondition, PutAnswer, PutRequest},
        touch::{TouchAnswer, TouchMode, TouchRequest},
    },
    namespace::EngineConfig,
    origin::Origins,
    selector::{Facets, Selector},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const KEYS: [&str; 10] = ["a", "a:b", "a:b:1", "a:b:2", "a:c", "b", "b:1", "m:x", "m:y", "z"];
const TAGS: [&str; 3] = ["red", "green", "blue"];
const KINDS: [&str; 3] = ["", "fit", "predict"];
const STEPS: usize = 12_000;

/// What the oracle knows of an entry.
#[derive(Clone, Debug)]
struct Known {
    value: Option<Vec<u8>>,
    kind: Arc<str>,
    tags: Vec<Arc<str>>,
    fresh_until: Moment,
    usable_until: Moment,
    idle: Option<Duration>,
    read: Moment,
}

impl Known {
    fn usable(&self, now: Moment) -> bool {
        now < self.usable_until && self.idle.is_none_or(|idle| now < self.read.after(idle))
    }
}

struct Run {
    cache: Arc<Cache>,
    clock: Clock,
    random: StdRng,
    known: BTreeMap<&'static str, Known>,
    trace: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let clock = Clock::manual();
        let config = EngineConfig { seed: Some(seed), ..EngineConfig::default() };
        let cache = Cache::new(config, clock.clone(), Arc::new(Silent), Origins::new()).unwrap();
        Self { cache, clock, random: StdRng::seed_from_u64(seed), known: BTreeMap::new(), trace: Vec::new() }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.random_range(0..from.len())]
    }

    fn step(&mut self) {
        match self.random.random_range(0..16) {
            0..5 => self.put(),
            5..10 => self.get(),
            10 => self.touch(),
            11 => self.invalidate(),
            12 => self.list(),
            13 => self.cache.maintain(),
            _ => self.clock.advance(Duration::from_millis(self.random.random_range(1..900))),
        }
        let now = self.clock.now();
        self.known.retain(|_, known| known.usable(now));
        self.cache.check_invariants().unwrap();
    }

    fn put(&mut self) {
        let (key, kind) = (self.pick(&KEYS), self.pick(&KINDS));
        let tags: Vec<Arc<str>> =
            TAGS.iter().filter(|_| self.random.random_bool(0.4)).map(|tag| (*tag).into()).collect();
        let value = self.random.random_bool(0.8).then(|| vec![self.random.random_range(0..4u8); 8]);
        let payload = match &value {
            Some(value) => Payload::Value(Bytes::from(value.clone())),
            None => Payload::Negative(Negative { reason: "NOT_FOUND".into(), message: "".into() }),
        };
        let (ttl, stale) = (self.random.random_range(1..4000), self.random.random_range(0..2000));
        let idle = self.random.random_bool(0.3).then(|| Duration::from_millis(self.random.random_range(100..2000)));
        let absent = self.random.random_bool(0.2);
        let expiration = Expiration {
            ttl: Ttl::Exact(Duration::from_millis(ttl)),
            stale_for: (stale > 0).then(|| Duration::from_millis(stale)),
            idle_ttl: idle,
            jitter: None,
        };
        let request = PutRequest {
            namespace: String::new(),
            key: key.to_owned(),
            payload: Some(payload),
            digest: None,
            description: Description { kind: kind.into(), tags: tags.clone(), ..Description::default() },
            expiration,
            precondition: if absent { Precondition::Absent } else { Precondition::Always },
            request_id: String::new(),
            client_id: None,
        };
        let now = self.clock.now();
        let known = self.known.get(key).filter(|known| known.usable(now));
        let same = known.is_some_and(|known| {
            known.value == value && *known.kind == *kind && known.tags.iter().eq(sorted(&tags).iter())
        });
        let expected = match (known.is_some() && absent, same) {
            (true, _) => "failed",
            (false, true) => "refreshed",
            (false, false) => "stored",
        };
        let answer = match self.cache.put(request).unwrap() {
            PutAnswer::Stored { .. } => "stored",
            PutAnswer::Refreshed { .. } => "refreshed",
            PutAnswer::PreconditionFailed { .. } => "failed",
            PutAnswer::NotAdmitted { .. } => "not admitted",
        };
        assert_eq!(answer, expected, "put {key}");
        self.trace.push(format!("put {key} {answer}"));
        if expected != "failed" {
            let fresh_until = now.after(Duration::from_millis(ttl));
            let usable_until = fresh_until.after(Duration::from_millis(stale));
            let (kind, tags) = (kind.into(), sorted(&tags));
            self.known.insert(key, Known { value, kind, tags, fresh_until, usable_until, idle, read: now });
        }
    }

    fn get(&mut self) {
        let key = self.pick(&KEYS);
        let stale = self.pick(&[StalePolicy::Refuse, StalePolicy::WhileRevalidate, StalePolicy::IfError]);
        let peek = self.random.random_bool(0.2);
        let request = GetRequest { key: key.to_owned(), stale, peek, ..GetRequest::default() };
        let now = self.clock.now();
        let answer = self.cache.get(&request).unwrap();
        let known = self.known.get_mut(key).filter(|known| known.usable(now));
        let expected = known.as_ref().map(|known| (now < known.fresh_until, known.value.clone()));
        let expected = match expected {
            Some((true, Some(value))) => format!("hit {value:?}"),
            Some((true, None)) => "negative".to_owned(),
            Some((false, Some(value))) if stale != StalePolicy::Refuse => format!("stale {value:?}"),
            _ => "miss".to_owned(),
        };
        let served = |payload: Payload| match payload {
            Payload::Value(value) => format!("{:?}", value.to_vec()),
            Payload::Negative(_) => "negative".to_owned(),
        };
        let found = match answer.outcome {
            Lookup::Hit(view) => format!("hit {}", served(view.payload)),
            Lookup::Stale(view) => format!("stale {}", served(view.payload)),
            Lookup::Negative(_) => "negative".to_owned(),
            Lookup::NotModified(_) => "not modified".to_owned(),
            Lookup::Miss(_) => "miss".to_owned(),
        };
        assert_eq!(found, expected, "get {key}");
        if let Some(known) = known.filter(|_| !peek && found != "miss") {
            known.read = now;
        }
        self.trace.push(format!("get {key} {found}"));
    }

    fn touch(&mut self) {
        let (key, mode) = (self.pick(&KEYS), self.pick(&[TouchMode::Set, TouchMode::Extend, TouchMode::Shorten]));
        let ttl = Duration::from_millis(self.random.random_range(1..3000));
        let expiration = Expiration { ttl: Ttl::Exact(ttl), ..Expiration::default() };
        let request =
            TouchRequest { namespace: String::new(), key: key.to_owned(), mode, expiration, etag: String::new() };
        let now = self.clock.now();
        let answer = self.cache.touch(&request).unwrap();
        let Some(known) = self.known.get_mut(key).filter(|known| known.usable(now)) else {
            assert!(matches!(answer, TouchAnswer::NotFound), "touch {key}");
            return;
        };
        let end = now.after(ttl);
        let (fresh, usable) = (known.fresh_until, known.usable_until);
        (known.fresh_until, known.usable_until) = match mode {
            TouchMode::Set => (end, end),
            TouchMode::Extend => (fresh.max(end), usable.max(end)),
            TouchMode::Shorten => (fresh.min(end), usable.min(end)),
        };
        if mode == TouchMode::Set {
            known.idle = None;
        }
        match answer {
            TouchAnswer::Touched(_) => known.read = now,
            TouchAnswer::Unchanged(_) => {}
            other => panic!("touch {key}: {other:?}"),
        }
    }

    fn invalidate(&mut self) {
        let selectors: Vec<Selector> = (0..self.random.random_range(1..4)).map(|_| self.selector()).collect();
        let now = self.clock.now();
        let selected = |key: &str, known: &Known| {
            let facets = Facets { key, kind: &known.kind, tags: &known.tags };
            known.usable(now) && selectors.iter().any(|selector| selector.selects(&facets))
        };
        let expected: Vec<&str> =
            self.known.iter().filter(|(key, known)| selected(key, known)).map(|(key, _)| *key).collect();
        let mut request = InvalidateRequest {
            namespace: String::new(),
            selectors: selectors.clone(),
            validate_only: true,
            reason: None,
            request_id: String::new(),
            client_id: None,
        };
        let dry = self.cache.invalidate(&request).unwrap();
        let shown: Vec<&str> = dry.sample_keys.iter().map(|key| &**key).collect();
        assert_eq!((dry.matched_count, &shown), (expected.len() as u64, &expected), "{selectors:?}");
        request.validate_only = false;
        let answer = self.cache.invalidate(&request).unwrap();
        assert_eq!(answer.matched_count, expected.len() as u64, "{selectors:?}");
        self.trace.push(format!("invalidate {expected:?}"));
        expected.iter().map(|key| (*key).to_owned()).for_each(|key| drop(self.known.remove(key.as_str())));
    }

    fn selector(&mut self) -> Selector {
        let (key, tag, kind) = (self.pick(&KEYS), self.pick(&TAGS), self.pick(&["fit", "predict"]));
        match self.random.random_range(0..12) {
            0..4 => Selector::key(key).unwrap(),
            4 => Selector::prefix(&key[..1]).unwrap(),
            5 => Selector::glob("a:?:*").unwrap(),
            6 | 7 => Selector::tag(tag).unwrap(),
            8 => Selector::all_tags([tag, "red"]).unwrap(),
            9 | 10 => Selector::kind(kind).unwrap(),
            _ => Selector::Everything,
        }
    }

    fn list(&mut self) {
        let now = self.clock.now();
        let page_size = self.random.random_range(1..5);
        let mut request =
            ListRequest { namespace: String::new(), selectors: Vec::new(), page_size, page_token: String::new() };
        let mut listed = Vec::new();
        loop {
            let page = self.cache.list(&request).unwrap();
            assert!(page.entries.len() <= page_size);
            listed.extend(page.entries.iter().map(|entry| entry.key.to_string()));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let expected: Vec<_> =
            self.known.iter().filter(|(_, known)| known.usable(now)).map(|(key, _)| (*key).to_owned()).collect();
        assert_eq!(listed, expected);
    }
}

fn sorted(tags: &[Arc<str>]) -> Vec<Arc<str>> {
    let mut tags = tags.to_vec();
    tags.sort();
    tags
}

fn run(seed: u64, steps: usize) -> Vec<String> {
    let mut run = Run::new(seed);
    (0..steps).for_each(|_| run.step());
    run.trace
}

#[test]
fn the_cache_says_what_the_oracle_says() {
    run(1, STEPS);
    run(2, STEPS);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(3, 2000), run(3, 2000));
}
