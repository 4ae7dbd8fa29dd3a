//! Tens of millions of mixed operations from four threads on a store whose values have 100 B to 900 MiB: is the budget
//! ever exceeded? The budget keeps the most that was ever taken, and a thread samples what the counters say all the time.
//!
//! Everything goes the way a call goes, through the gate, except that the digest of a value from 4 KiB on is made up: to
//! hash 900 MiB takes longer than all the rest. Values are cut from one buffer, so that their bytes need not be there
//! many times; what the store charges for them is what it would charge for any others.
//!
//! `cargo x soak budget`, or with arguments: operations, threads. Prints JSON, then a sentence.

#![expect(clippy::print_stdout, reason = "a program that measures prints what it measured")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    changes::Author,
    clock::Clock,
    entry::{Description, Expiration, Payload, Ttl},
    event::Silent,
    flow::{
        admit::{Admission, Admitted, Right, admit},
        get::{self, GetRequest, Lookup},
        invalidate::{self, InvalidateRequest},
        put::Precondition,
        repeat::Repeats,
        touch::{self, TouchMode, TouchRequest},
    },
    key::Key,
    memory::{Store, budget::Room, content::Content, pins::PINNED_SHARE, record::Lifetime},
    namespace::{EngineConfig, NamespaceConfig},
    policy::REGISTRY,
    selector::Selector,
    stats::{GroupBy, Surroundings},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const OPERATIONS: u64 = 32_000_000;
const THREADS: u64 = 4;
const BYTES_MAX: u64 = 4 << 30;
const QUOTA_BYTES_MAX: u64 = 1 << 30;
const ENTRIES_MAX: u64 = 100_000;
const BYTES_LEAST: f64 = 100.0;
const BYTES_MOST: f64 = 900.0 * 1024.0 * 1024.0;
const KEYS: usize = 1_000_000;
/// Values from this many bytes on are not hashed.
const HASHED_BYTES_MAX: usize = 4096;
/// The first bytes of a value: they tell whose it is.
const HEAD: usize = 100;
/// With a limit of the server's alone, and with one of its own.
const SPACES: [&str; 2] = ["all", "quota"];
const TAGS: usize = 64;
/// For how long one entry in a hundred is pinned.
const PINNED: Duration = Duration::from_millis(100);

/// What the threads did.
#[derive(Debug, Default)]
struct Done {
    gets: AtomicU64,
    hits: AtomicU64,
    puts: AtomicU64,
    refused: AtomicU64,
    touches: AtomicU64,
    invalidations: AtomicU64,
    reclaims: AtomicU64,
}

/// What the sampling thread saw.
#[derive(Debug, Default)]
struct Seen {
    looks: u64,
    above: u64,
    highest: u64,
}

struct Run {
    store: Store,
    repeats: Repeats,
    /// What every value is cut from; where, follows from its key.
    buffer: Bytes,
    done: Done,
}

/// Most sizes are small, a few are huge: evenly spread in their logarithm, one put in ten over the whole range.
fn size(random: &mut StdRng) -> usize {
    let most = if random.random_range(0..10) == 0 { BYTES_MOST } else { BYTES_MOST / 1000.0 };
    let position: f64 = random.random();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 100 to 900 million")]
    let bytes = (BYTES_LEAST * (most / BYTES_LEAST).powf(position)) as usize;
    bytes
}

/// Some keys are used far more often than others.
fn number(random: &mut StdRng) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is less than a million")]
    let number = (random.random::<f64>().powi(4) * KEYS as f64) as usize;
    number
}

/// The bytes are random where values begin. The rest stays as the system gives it: zeros that take no memory.
fn buffer() -> Bytes {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 900 million")]
    let mut bytes = vec![0; KEYS + HEAD + BYTES_MOST as usize];
    let mut random = StdRng::seed_from_u64(0);
    bytes[..KEYS + HEAD].fill_with(|| random.random());
    bytes.into()
}

fn content(value: Bytes, description: Description) -> Content {
    if value.len() < HASHED_BYTES_MAX {
        return Content::new(Payload::Value(value), description);
    }
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&(value.len() as u64).to_le_bytes());
    digest[8..16].copy_from_slice(&value[..8]);
    let cost = description.compute_cost;
    let description = Arc::new(Description { compute_cost: None, ..description });
    Content { payload: Payload::Value(value), description, digest, cost, cost_measured: false }
}

impl Run {
    fn new(policy: &str, buffer: Bytes) -> Result<Self, Box<dyn Error>> {
        let namespace = |bytes_max| NamespaceConfig { policy: policy.into(), bytes_max, ..NamespaceConfig::default() };
        let limits = [None, Some(QUOTA_BYTES_MAX)];
        let config = EngineConfig {
            bytes_max: BYTES_MAX,
            entries_max: ENTRIES_MAX,
            namespaces: SPACES.iter().zip(limits).map(|(name, max)| ((*name).to_owned(), namespace(max))).collect(),
            seed: Some(1),
            ..EngineConfig::default()
        };
        let store = Store::new(config, Clock::system(), Arc::new(Silent))?;
        Ok(Self { store, repeats: Repeats::new(1), buffer, done: Done::default() })
    }

    /// One operation of one thread.
    fn step(&self, random: &mut StdRng) -> Result<(), Box<dyn Error>> {
        let (namespace, number) = (SPACES[random.random_range(0..SPACES.len())], number(random));
        match random.random_range(0..100_000) {
            0..50_000 => self.get(namespace, number),
            50_000..90_000 => self.put(random, namespace, number),
            90_000..94_000 => self.touch(random, namespace, number),
            94_000..99_980 => self.invalidate(namespace, Selector::key(&format!("k:{number}"))?),
            99_980..99_990 => self.invalidate(namespace, Selector::tag(&format!("t{}", number % TAGS))?),
            _ => {
                self.done.reclaims.fetch_add(1, Relaxed);
                self.store.reclaim();
                Ok(())
            }
        }
    }

    fn get(&self, namespace: &str, number: usize) -> Result<(), Box<dyn Error>> {
        self.done.gets.fetch_add(1, Relaxed);
        let request =
            GetRequest { namespace: namespace.to_owned(), key: format!("k:{number}"), ..GetRequest::default() };
        if let Lookup::Hit(view) = get::get(&self.store, &request)?.outcome {
            let Payload::Value(value) = &view.payload else { return Err("no negative was stored".into()) };
            let right = value.len() as u64 == view.facts.size_bytes && value[..HEAD] == self.buffer[number..][..HEAD];
            if !right {
                return Err("the value of another key was served".into());
            }
            self.done.hits.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn put(&self, random: &mut StdRng, namespace: &str, number: usize) -> Result<(), Box<dyn Error>> {
        self.done.puts.fetch_add(1, Relaxed);
        let key = Key::new(namespace, &format!("k:{number}"))?;
        let tags = if random.random_bool(0.1) { vec![format!("t{}", number % TAGS).into()] } else { Vec::new() };
        let compute_cost = Some(Duration::from_micros(random.random_range(1..1_000_000)));
        let description = Description { tags, compute_cost, ..Description::default() };
        let now = self.store.clock.now();
        let end = now.after(Duration::from_micros(random.random_range(1..2_000_000)));
        let admission = Admission {
            space: &self.store.open(key.namespace())?,
            key: &key,
            content: content(self.buffer.slice(number..number + size(random)), description),
            lifetime: Lifetime::until(end),
            precondition: &Precondition::Always,
            below: None,
            right: Right::Write(Author::default()),
            pin: random.random_bool(0.01).then(|| now.after(PINNED)),
            reserved: None,
        };
        match admit(&self.store, &admission) {
            Admitted::Stored(..) | Admitted::Refreshed(..) => Ok(()),
            Admitted::NotAdmitted(..) => {
                self.done.refused.fetch_add(1, Relaxed);
                Ok(())
            }
            other => Err(format!("a write was answered by {other:?}").into()),
        }
    }

    fn touch(&self, random: &mut StdRng, namespace: &str, number: usize) -> Result<(), Box<dyn Error>> {
        self.done.touches.fetch_add(1, Relaxed);
        let ttl = Ttl::Exact(Duration::from_millis(random.random_range(1..2000)));
        let (namespace, key, mode) = (namespace.to_owned(), format!("k:{number}"), TouchMode::Set);
        let expiration = Expiration { ttl, ..Expiration::default() };
        touch::touch(&self.store, &TouchRequest { namespace, key, mode, expiration, etag: String::new() })?;
        Ok(())
    }

    fn invalidate(&self, namespace: &str, selector: Selector) -> Result<(), Box<dyn Error>> {
        self.done.invalidations.fetch_add(1, Relaxed);
        let request = InvalidateRequest {
            namespace: namespace.to_owned(),
            selectors: vec![selector],
            cascade: true,
            validate_only: false,
            reason: None,
            request_id: String::new(),
            client_id: None,
        };
        invalidate::invalidate(&self.store, &self.repeats, &request)?;
        Ok(())
    }

    /// Looks at what is taken, and at what is counted as held in each namespace, until it is told to stop.
    fn sample(&self, stop: &AtomicBool) -> Seen {
        let mut seen = Seen::default();
        while !stop.load(Relaxed) {
            let Room { entries, bytes } = self.store.pool.budget().used();
            seen.above += u64::from(bytes > BYTES_MAX || entries > ENTRIES_MAX);
            seen.above += u64::from(self.store.pool.pinned().bytes > BYTES_MAX / PINNED_SHARE);
            seen.highest = seen.highest.max(bytes);
            for (name, bytes_max) in SPACES.iter().zip([BYTES_MAX, QUOTA_BYTES_MAX]) {
                let counters = self.store.spaces.stats();
                let counted = counters.snapshot(Some(name), GroupBy::Nothing, Surroundings::default()).total;
                seen.above += u64::from(counted.charged_bytes > bytes_max || counted.entry_count > ENTRIES_MAX);
            }
            seen.looks += 1;
            thread::yield_now();
        }
        seen
    }

    fn work(&self, operations: u64, threads: u64) -> Result<Seen, Box<dyn Error>> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let sampler = scope.spawn(|| self.sample(&stop));
            let work = |number| {
                let mut random = StdRng::seed_from_u64(number);
                let steps = (0..operations.div_ceil(threads)).try_for_each(|_| self.step(&mut random));
                steps.map_err(|failed| failed.to_string())
            };
            let workers: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
            let worked: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            stop.store(true, Relaxed);
            let seen = sampler.join().ok().ok_or("the sampling thread has failed")?;
            for result in worked {
                result.ok().ok_or("a thread has failed")??;
            }
            Ok(seen)
        })
    }

    /// The most bytes ever taken: of the server's limit, and of the one namespace's that has its own.
    fn highest(&self) -> Result<[u64; 2], Box<dyn Error>> {
        let space = self.store.spaces.find(&Arc::from(SPACES[1]))?.ok_or("it is configured")?;
        Ok([self.store.pool.budget().bytes_highest(), space.shelf.budget.bytes_highest()])
    }

    fn clear(&self) -> Result<(), Box<dyn Error>> {
        SPACES.iter().try_for_each(|name| self.invalidate(name, Selector::Everything))?;
        let left = [self.store.pool.budget().used(), self.store.pool.pinned()];
        if left == [Room::default(); 2] { Ok(()) } else { Err(format!("{left:?} is left of what was cleared").into()) }
    }
}

/// Runs all operations under one policy, and says what came of it as JSON; and how many instants were above.
fn run(policy: &str, buffer: Bytes, (operations, threads): (u64, u64)) -> Result<(String, u64), Box<dyn Error>> {
    let run = Run::new(policy, buffer)?;
    let began = run.store.clock.now();
    let Seen { looks, above, highest: sampled } = run.work(operations, threads)?;
    let seconds = run.store.clock.now().since(began).as_secs_f64();
    run.store.check_invariants()?;
    let (held, [highest, highest_quota]) = (run.store.pool.budget().used(), run.highest()?);
    run.clear()?;
    run.store.check_invariants()?;
    let above = above + u64::from(highest > BYTES_MAX) + u64::from(highest_quota > QUOTA_BYTES_MAX);
    let Done { gets, hits, puts, refused, touches, invalidations, reclaims } = &run.done;
    let [gets, hits, puts, refused] = [gets, hits, puts, refused].map(|count| count.load(Relaxed));
    let [touches, invalidations, reclaims] = [touches, invalidations, reclaims].map(|count| count.load(Relaxed));
    let invalidations = invalidations - SPACES.len() as u64;
    let total = gets + puts + touches + invalidations + reclaims;
    Ok((
        format!(
            r#"{{"policy":"{policy}","threads":{threads},"operations":{total},"gets":{gets},"hits":{hits},"puts":{puts},"refused":{refused},"touches":{touches},"invalidations":{invalidations},"reclaims":{reclaims},"held_entries":{},"held_bytes":{},"looks":{looks},"highest_sampled":{sampled},"highest_taken":{highest},"limit":{BYTES_MAX},"highest_taken_quota":{highest_quota},"limit_quota":{QUOTA_BYTES_MAX},"instants_above":{above},"seconds":{seconds:.1}}}"#,
            held.entries, held.bytes
        ),
        above,
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let operations = arguments.next().transpose()?.unwrap_or(OPERATIONS);
    let threads = arguments.next().transpose()?.unwrap_or(THREADS).max(1);
    let (buffer, mut above) = (buffer(), 0);
    for policy in REGISTRY {
        let (line, instants) = run(policy.name, buffer.clone(), (operations, threads))?;
        println!("{line}");
        above += instants;
    }
    println!("{above} instants above the limit, under {} policies with {operations} operations each", REGISTRY.len());
    if above == 0 { Ok(()) } else { Err("the budget was exceeded".into()) }
}
