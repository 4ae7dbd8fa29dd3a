//! Eight threads on a cache that is far too small for them, on real time, while a ninth watches what is charged all the
//! time: never above the limit, and at every pause the checker agrees. `cargo x soak` runs it for as long as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Expiration, Payload, Ttl},
    event::Silent,
    flow::{
        get::{GetRequest, Lookup, StalePolicy},
        invalidate::InvalidateRequest,
        put::{Precondition, PutRequest},
        touch::{TouchMode, TouchRequest},
    },
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
    policy::REGISTRY,
    selector::Selector,
    stats::{Group, GroupBy},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const THREADS: u64 = 8;
const KEYS: usize = 400;
const BYTES_MAX: u64 = 8 << 20;
const VALUE_BYTES_MAX: usize = 2 << 20;
/// Operations of each thread between two pauses.
const OPERATIONS: usize = 1500;
/// Pauses, when nobody says for how long.
const ROUNDS: u64 = 4;
/// Runs for so many minutes instead.
const MINUTES: &str = "HOTPLATE_SOAK_MINUTES";

/// What was counted.
#[derive(Debug, Default)]
struct Counted {
    operations: AtomicU64,
    served: AtomicU64,
    looks: AtomicU64,
    above: AtomicU64,
    highest: AtomicU64,
}

struct Soak {
    cache: Arc<Cache>,
    /// What every value is cut from: where it is cut follows from its key, so that what is served can be judged.
    bytes: Bytes,
    counted: Counted,
}

fn spaces() -> Vec<String> {
    REGISTRY.iter().map(|policy| policy.name.replace('_', "-")).collect()
}

impl Soak {
    fn new() -> Self {
        let quotas = [None, Some(BYTES_MAX / 3), Some(BYTES_MAX / 2)];
        let namespaces = REGISTRY.iter().zip(spaces()).zip(quotas.into_iter().cycle());
        let namespaces = namespaces.map(|((policy, name), bytes_max)| {
            (name, NamespaceConfig { policy: policy.name.into(), bytes_max, ..NamespaceConfig::default() })
        });
        let config = EngineConfig {
            bytes_max: BYTES_MAX,
            value_bytes_max: VALUE_BYTES_MAX as u64,
            namespaces: namespaces.collect(),
            history_changes_max: 1024,
            seed: Some(1),
            ..EngineConfig::default()
        };
        let mut random = StdRng::seed_from_u64(0);
        let bytes: Vec<u8> = (0..2 * VALUE_BYTES_MAX).map(|_| random.random()).collect();
        let cache = Cache::new(config, Clock::system(), Arc::new(Silent), Origins::new()).unwrap();
        Self { cache, bytes: bytes.into(), counted: Counted::default() }
    }

    fn total(&self, namespace: Option<&str>) -> Group {
        self.cache.stats(namespace, GroupBy::Nothing).unwrap().total
    }

    /// One operation of one thread.
    fn step(&self, random: &mut StdRng) {
        let spaces = spaces();
        let namespace = spaces[random.random_range(0..spaces.len())].clone();
        let number = random.random_range(0..KEYS).min(random.random_range(0..KEYS));
        match random.random_range(0..100) {
            0..40 => self.put(random, namespace, number),
            40..85 => self.get(random, namespace, number),
            85..92 => self.touch(random, namespace, number),
            92..97 => self.invalidate(random, namespace, number),
            _ => self.cache.maintain(),
        }
        self.counted.operations.fetch_add(1, SeqCst);
    }

    fn put(&self, random: &mut StdRng, namespace: String, number: usize) {
        let magnitude_max = if random.random_bool(0.05) { 6.3 } else { 4.2 };
        let magnitude: f64 = random.random_range(2.0..magnitude_max);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 100 to 2 million")]
        let length = (10_f64.powf(magnitude) as usize).min(VALUE_BYTES_MAX);
        let tags = if random.random_bool(0.3) { vec![format!("t{}", number % 8).into()] } else { Vec::new() };
        let request = PutRequest {
            namespace,
            key: format!("k:{number}"),
            payload: Some(Payload::Value(self.bytes.slice(number..number + length))),
            digest: None,
            description: Description {
                tags,
                compute_cost: Some(Duration::from_micros(random.random_range(1..1_000_000))),
                ..Description::default()
            },
            expiration: Expiration {
                ttl: Ttl::Exact(Duration::from_millis(random.random_range(1..3000))),
                stale_for: random.random_bool(0.2).then_some(Duration::from_millis(200)),
                idle_ttl: random.random_bool(0.2).then_some(Duration::from_millis(300)),
                jitter: None,
            },
            precondition: Precondition::Always,
            request_id: String::new(),
            client_id: None,
        };
        self.cache.put(request).unwrap();
    }

    fn get(&self, random: &mut StdRng, namespace: String, number: usize) {
        let stale = if random.random_bool(0.5) { StalePolicy::Refuse } else { StalePolicy::WhileRevalidate };
        let request = GetRequest { namespace, key: format!("k:{number}"), stale, ..GetRequest::default() };
        let outcome = self.cache.get(&request).unwrap().outcome;
        if let Lookup::Hit(view) | Lookup::Stale(view) = outcome {
            let Payload::Value(value) = view.payload else { panic!("no negative was stored") };
            assert!(value == self.bytes[number..number + value.len()], "the value of another key was served");
            self.counted.served.fetch_add(1, SeqCst);
        }
    }

    fn touch(&self, random: &mut StdRng, namespace: String, number: usize) {
        let modes = [TouchMode::Set, TouchMode::Extend, TouchMode::Shorten];
        let ttl = Duration::from_millis(random.random_range(1..5000));
        let expiration = Expiration {
            ttl: Ttl::Exact(ttl),
            idle_ttl: random.random_bool(0.3).then_some(ttl),
            ..Expiration::default()
        };
        let mode = modes[random.random_range(0..modes.len())];
        let key = format!("k:{number}");
        self.cache.touch(&TouchRequest { namespace, key, mode, expiration, etag: String::new() }).unwrap();
    }

    fn invalidate(&self, random: &mut StdRng, namespace: String, number: usize) {
        let selector = match random.random_range(0..100) {
            0..70 => Selector::key(&format!("k:{number}")),
            70..90 => Selector::tag(&format!("t{}", number % 8)),
            90..98 => Selector::prefix(&format!("k:{}", number % 10)),
            _ => Ok(Selector::Everything),
        };
        self.drop_selected(namespace, selector.unwrap());
    }

    fn drop_selected(&self, namespace: String, selector: Selector) {
        let selectors = vec![selector];
        let (validate_only, reason, request_id, client_id) = (false, None, String::new(), None);
        let request = InvalidateRequest { namespace, selectors, validate_only, reason, request_id, client_id };
        self.cache.invalidate(&request).unwrap();
    }

    /// Looks at what is charged until it is told to stop.
    fn watch(&self, stop: &AtomicBool) {
        while !stop.load(SeqCst) {
            let charged = self.total(None).charged_bytes;
            self.counted.looks.fetch_add(1, SeqCst);
            self.counted.above.fetch_add(u64::from(charged > BYTES_MAX), SeqCst);
            self.counted.highest.fetch_max(charged, SeqCst);
        }
    }

    /// All threads once, up to the next pause.
    fn round(&self, round: u64) {
        thread::scope(|scope| {
            for number in 0..THREADS {
                let mut random = StdRng::seed_from_u64(round * THREADS + number);
                scope.spawn(move || (0..OPERATIONS).for_each(|_| self.step(&mut random)));
            }
        });
        self.cache.check_invariants().unwrap();
        let total = self.total(None);
        let removed: u64 = total.removals.values().sum();
        assert_eq!(total.puts - removed, total.entry_count, "stored and removed against held");
    }
}

/// How long it goes on; `None`: for a fixed number of rounds.
fn asked() -> Option<Duration> {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    let minutes = std::env::var(MINUTES).ok()?;
    Some(Duration::from_secs_f64(60.0 * minutes.parse::<f64>().unwrap()))
}

#[test]
fn eight_threads_never_hold_more_than_the_limit_and_the_checker_agrees() {
    let (soak, stop, asked) = (Soak::new(), AtomicBool::new(false), asked());
    let clock = soak.cache.clock().clone();
    let began = clock.now();
    thread::scope(|scope| {
        let watcher = scope.spawn(|| soak.watch(&stop));
        let more = |round| asked.map_or(round < ROUNDS, |asked| clock.now().since(began) < asked);
        for round in (0..).take_while(|round| more(*round)) {
            soak.round(round);
            if asked.is_some() {
                println!("{:?} after {:?}", soak.counted, clock.now().since(began));
            }
        }
        stop.store(true, SeqCst);
        watcher.join().unwrap();
    });
    let counted = &soak.counted;
    println!("{counted:?}, limit {BYTES_MAX}");
    assert_eq!(counted.above.load(SeqCst), 0, "instants above the limit of {BYTES_MAX}: {counted:?}");
    assert!(counted.looks.load(SeqCst) > 100 && counted.served.load(SeqCst) > 1000, "{counted:?} shows nothing");
    let evicted: u64 = soak.total(None).removals.values().sum();
    assert!(evicted > 0, "nothing was removed, which shows nothing");
    for namespace in spaces() {
        soak.drop_selected(namespace, Selector::Everything);
    }
    let left = soak.total(None);
    assert_eq!((left.entry_count, left.charged_bytes, left.value_bytes), (0, 0, 0), "left after everything went");
    soak.cache.check_invariants().unwrap();
}
