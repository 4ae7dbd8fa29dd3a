//! A million entries that end within the same second, while others are read: how long does reclaiming hold a lock, and
//! what do the readers notice? Calm and reclaiming take turns in one run.
//!
//! `cargo x soak expiry`, or with arguments: entries, rounds. Prints JSON, then a sentence.

#![expect(clippy::print_stdout, reason = "a program that measures prints what it measured")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Expiration, Payload, Ttl},
    event::Silent,
    flow::{
        get::{self, GetRequest, Lookup},
        put::{self, Precondition, PutAnswer, PutRequest},
        repeat::Repeats,
    },
    memory::{Store, pool::ENDED_PER_HOLD},
    namespace::EngineConfig,
};

const ENTRIES: u64 = 1_000_000;
const ROUNDS: u64 = 5;
/// Entries that are read all the time and do not end.
const READ: u64 = 10_000;
/// How long each calm lasts.
const CALM: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAYS: Duration = Duration::from_secs(20 * 86_400);

/// Durations in nanoseconds.
#[derive(Default)]
struct Times(Vec<u64>);

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// In microseconds; so many of a thousand are not longer.
    fn of_thousand(&mut self, share: usize) -> f64 {
        self.0.sort_unstable();
        let place = (self.0.len() * share / 1000).min(self.0.len().saturating_sub(1));
        #[expect(clippy::cast_precision_loss, reason = "to be read by people")]
        let microseconds = self.0.get(place).copied().unwrap_or(0) as f64 / 1000.0;
        microseconds
    }
}

struct Run {
    store: Store,
    /// What entries live by: it stands still but for the moment at which they all end.
    clock: Clock,
    /// What is measured with.
    watch: Clock,
    entries: u64,
}

impl Run {
    fn new(entries: u64) -> Result<Self, Box<dyn Error>> {
        let clock = Clock::manual();
        let config = EngineConfig { bytes_max: 8 << 30, entries_max: 2 * entries + READ, ..EngineConfig::default() };
        let store = Store::new(config, clock.clone(), Arc::new(Silent))?;
        let run = Self { store, clock, watch: Clock::system(), entries };
        run.fill("read", READ, |_| DAYS)?;
        Ok(run)
    }

    fn fill(&self, name: &str, entries: u64, ttl: impl Fn(u64) -> Duration) -> Result<(), Box<dyn Error>> {
        let repeats = Repeats::new(1);
        for number in 0..entries {
            let request = PutRequest {
                namespace: String::new(),
                key: format!("{name}:{number}"),
                payload: Some(Payload::Value(Bytes::from(vec![0; 100]))),
                digest: None,
                description: Description::default(),
                expiration: Expiration { ttl: Ttl::Exact(ttl(number)), ..Expiration::default() },
                precondition: Precondition::Always,
                request_id: String::new(),
                client_id: None,
            };
            if !matches!(put::put(&self.store, &repeats, request)?, PutAnswer::Stored { .. }) {
                return Err("an entry was not stored".into());
            }
        }
        Ok(())
    }

    /// Reads until told to stop; each Get is timed.
    fn read(&self, stop: &AtomicBool) -> Times {
        let of_number = |number| GetRequest { key: format!("read:{number}"), ..GetRequest::default() };
        let requests: Vec<_> = (0..READ).map(of_number).collect();
        let mut times = Times::default();
        for request in requests.iter().cycle() {
            if stop.load(Relaxed) {
                break;
            }
            let began = self.watch.now();
            let found = get::get(&self.store, request);
            times.add(self.watch.now().since(began));
            assert!(found.is_ok_and(|found| matches!(found.outcome, Lookup::Hit(_))), "it does not end");
        }
        times
    }

    /// Reclaims all that has ended, as the server does; each lock hold is timed with the wait for its lock.
    fn reclaim(&self) -> Times {
        let (mut times, now) = (Times::default(), self.clock.now());
        let spaces = self.store.spaces.all();
        for (space, number) in spaces.iter().flat_map(|space| (0..self.store.pool.shards()).map(move |n| (space, n))) {
            let mut more = true;
            while more {
                let began = self.watch.now();
                more = self.store.reclaim_some(number, space, now);
                times.add(self.watch.now().since(began));
            }
        }
        times
    }

    /// A calm and a reclaiming, each beside a reader: what the reader noticed in both, and the lock holds.
    fn round(&self) -> Result<(Times, Times, Times), Box<dyn Error>> {
        let second = |number| HOUR + Duration::from_micros(number % 1_000_000);
        self.fill("ends", self.entries, second)?;
        let stop = AtomicBool::new(false);
        let calm = thread::scope(|scope| {
            let reader = scope.spawn(|| self.read(&stop));
            thread::sleep(CALM);
            stop.store(true, Relaxed);
            reader.join()
        });
        self.clock.advance(HOUR + Duration::from_secs(2));
        stop.store(false, Relaxed);
        let (busy, holds) = thread::scope(|scope| {
            let reader = scope.spawn(|| self.read(&stop));
            let holds = self.reclaim();
            stop.store(true, Relaxed);
            (reader.join(), holds)
        });
        let left = self.store.pool.budget().used().entries;
        if left != READ {
            return Err(format!("{left} entries are left, not {READ}").into());
        }
        let failed = |_| "a reader has failed";
        Ok((calm.map_err(failed)?, busy.map_err(failed)?, holds))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let entries = arguments.next().transpose()?.unwrap_or(ENTRIES).max(1);
    let rounds = arguments.next().transpose()?.unwrap_or(ROUNDS).max(1);
    let run = Run::new(entries)?;
    let (mut calm, mut busy, mut holds) = (Times::default(), Times::default(), Times::default());
    for _ in 0..rounds {
        let times = run.round()?;
        calm.0.extend(times.0.0);
        busy.0.extend(times.1.0);
        holds.0.extend(times.2.0);
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("null");
    let (longest, calm_99, busy_99) = (holds.of_thousand(1000), calm.of_thousand(990), busy.of_thousand(990));
    println!(
        r#"{{"entries":{entries},"rounds":{rounds},"entries_per_hold_max":{ENDED_PER_HOLD},"holds":{},"hold_p50_us":{:.1},"hold_p99_us":{:.1},"hold_p999_us":{:.1},"hold_max_us":{longest:.1},"gets_calm":{},"get_calm_p99_us":{calm_99:.2},"get_calm_p999_us":{:.2},"gets_busy":{},"get_busy_p99_us":{busy_99:.2},"get_busy_p999_us":{:.2},"load_average":{load}}}"#,
        holds.0.len(),
        holds.of_thousand(500),
        holds.of_thousand(990),
        holds.of_thousand(999),
        calm.0.len(),
        calm.of_thousand(999),
        busy.0.len(),
        busy.of_thousand(999),
    );
    println!(
        "{entries} entries that ended in the same second were reclaimed {rounds} times: a lock was held for {longest:.0} us \
         at most, waiting for it included; the p99 of Get was {busy_99:.2} us meanwhile and {calm_99:.2} us before"
    );
    Ok(())
}
