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
    event::{RemovalReason, Silent},
    flow::{
        get::{GetRequest, Lookup, StalePolicy},
        invalidate::InvalidateRequest,
        put::PutRequest,
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
/// Pauses at least, when nobody says for how long.
const ROUNDS: u64 = 4;
/// Pauses at most, however little was seen. A fast machine makes its rounds within less time than an entry takes to
/// become idle, and then goes on until one did.
const ROUNDS_MAX: u64 = 100;
/// Each of these must be seen for the run to show anything.
const REASONS: [RemovalReason; 4] =
    [RemovalReason::Evicted, RemovalReason::Expired, RemovalReason::Idle, RemovalReason::Invalidated];
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
    /// What every value is cut from: where it is cut follows from its namespace and key, so that what is served can be
    /// judged.
    bytes: Bytes,
    counted: Counted,
}

fn spaces() -> Vec<String> {
    REGISTRY.iter().map(|policy| policy.name.replace('_', "-")).collect()
}

/// The limit of a namespace by its number: the first has none of its own.
fn quota(space: usize) -> Option<u64> {
    [None, Some(BYTES_MAX / 3), Some(BYTES_MAX / 2)][space % 3]
}

/// A key: the number of its namespace, and its own.
#[derive(Clone, Copy)]
struct Id(usize, usize);

impl Id {
    fn namespace(self) -> String {
        spaces().swap_remove(self.0)
    }

    fn key(self) -> String {
        format!("k:{}", self.1)
    }

    /// The bytes of its value when it has this length.
    fn value(self, bytes: &Bytes, length: usize) -> Bytes {
        let first = self.0 * KEYS + self.1;
        bytes.slice(first..first + length)
    }
}

impl Soak {
    fn new() -> Self {
        let namespaces = REGISTRY.iter().zip(spaces()).enumerate().map(|(space, (policy, name))| {
            (
                name,
                NamespaceConfig { policy: policy.name.into(), bytes_max: quota(space), ..NamespaceConfig::default() },
            )
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
        let number = random.random_range(0..KEYS).min(random.random_range(0..KEYS));
        let id = Id(random.random_range(0..REGISTRY.len()), number);
        match random.random_range(0..100) {
            0..40 => self.put(random, id),
            40..85 => self.get(random, id),
            85..92 => self.touch(random, id),
            92..97 => self.invalidate(random, id),
            _ => self.cache.maintain(),
        }
        self.counted.operations.fetch_add(1, SeqCst);
    }

    fn put(&self, random: &mut StdRng, id: Id) {
        let magnitude_max = if random.random_bool(0.05) { 6.3 } else { 4.2 };
        let magnitude: f64 = random.random_range(2.0..magnitude_max);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 100 to 2 million")]
        let length = (10_f64.powf(magnitude) as usize).min(VALUE_BYTES_MAX);
        let tags = if random.random_bool(0.3) { vec![format!("t{}", id.1 % 8).into()] } else { Vec::new() };
        let request = PutRequest {
            description: Description {
                tags,
                compute_cost: Some(Duration::from_micros(length as u64)),
                ..Description::default()
            },
            expiration: Expiration {
                ttl: Ttl::Exact(Duration::from_millis(random.random_range(1..3000))),
                stale_for: random.random_bool(0.2).then_some(Duration::from_millis(200)),
                idle_ttl: random.random_bool(0.2).then(|| Duration::from_millis(random.random_range(10..300))),
                jitter: None,
                refresh_ahead: None,
            },
            ..PutRequest::new(id.namespace(), id.key(), Payload::Value(id.value(&self.bytes, length)))
        };
        self.cache.put(request).unwrap();
    }

    fn get(&self, random: &mut StdRng, id: Id) {
        let stale = if random.random_bool(0.5) { StalePolicy::Refuse } else { StalePolicy::WhileRevalidate };
        let request = GetRequest { namespace: id.namespace(), key: id.key(), stale, ..GetRequest::default() };
        let outcome = self.cache.get(&request).unwrap().outcome;
        if let Lookup::Hit(view) | Lookup::Stale(view) = outcome {
            let Payload::Value(value) = view.payload else { panic!("no negative was stored") };
            assert!(value == id.value(&self.bytes, value.len()), "the value of another key was served");
            // The writer said its length by what computing it cost, so a value that was cut is found out as well.
            let said = view.facts.compute_cost.unwrap().as_micros();
            assert_eq!((value.len() as u128, view.facts.size_bytes), (said, value.len() as u64), "another length");
            self.counted.served.fetch_add(1, SeqCst);
        }
    }

    fn touch(&self, random: &mut StdRng, id: Id) {
        let modes = [TouchMode::Set, TouchMode::Extend, TouchMode::Shorten];
        let ttl = Duration::from_millis(random.random_range(1..5000));
        let expiration = Expiration {
            ttl: Ttl::Exact(ttl),
            idle_ttl: random.random_bool(0.3).then_some(ttl),
            ..Expiration::default()
        };
        let mode = modes[random.random_range(0..modes.len())];
        let (namespace, key) = (id.namespace(), id.key());
        self.cache.touch(&TouchRequest { namespace, key, mode, expiration, etag: String::new() }).unwrap();
    }

    fn invalidate(&self, random: &mut StdRng, id: Id) {
        let selector = match random.random_range(0..100) {
            0..70 => Selector::key(&id.key()),
            70..90 => Selector::tag(&format!("t{}", id.1 % 8)),
            90..98 => Selector::prefix(&format!("k:{}", id.1 % 10)),
            _ => Ok(Selector::Everything),
        };
        self.drop_selected(id.namespace(), selector.unwrap());
    }

    fn drop_selected(&self, namespace: String, selector: Selector) {
        let selectors = vec![selector];
        let (validate_only, reason, request_id, client_id) = (false, None, String::new(), None);
        let request =
            InvalidateRequest { namespace, selectors, cascade: true, validate_only, reason, request_id, client_id };
        self.cache.invalidate(&request).unwrap();
    }

    /// Looks at what is charged, in all and in each namespace, until it is told to stop.
    fn watch(&self, stop: &AtomicBool) {
        while !stop.load(SeqCst) {
            let charged = self.total(None).charged_bytes;
            self.counted.highest.fetch_max(charged, SeqCst);
            let names = spaces();
            let own =
                names.iter().enumerate().map(|(space, name)| (self.total(Some(name)).charged_bytes, quota(space)));
            let above = own.filter(|(charged, quota)| *charged > quota.unwrap_or(BYTES_MAX)).count() as u64;
            self.counted.above.fetch_add(above + u64::from(charged > BYTES_MAX), SeqCst);
            self.counted.looks.fetch_add(1, SeqCst);
        }
    }

    /// Whether enough happened for the run to show something.
    fn shows(&self) -> bool {
        let removals = self.total(None).removals;
        let seen = REASONS.iter().all(|reason| removals.get(reason).is_some_and(|count| *count > 0));
        seen && self.counted.looks.load(SeqCst) > 100 && self.counted.served.load(SeqCst) > 1000
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
        let enough = |round| round >= ROUNDS && (soak.shows() || round >= ROUNDS_MAX);
        let more = |round| asked.map_or_else(|| !enough(round), |asked| clock.now().since(began) < asked);
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
    assert!(soak.shows(), "{counted:?} and {:?} show too little", soak.total(None).removals);
    for namespace in spaces() {
        soak.drop_selected(namespace, Selector::Everything);
    }
    let left = soak.total(None);
    assert_eq!((left.entry_count, left.charged_bytes, left.value_bytes), (0, 0, 0), "left after everything went");
    soak.cache.check_invariants().unwrap();
}
