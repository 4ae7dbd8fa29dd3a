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
use cpu_time::ThreadTime;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Expiration, Payload, Ttl},
    event::Silent,
    flow::{
        get::{self, GetRequest, Lookup},
        put::{self, Precondition, PutAnswer, PutRequest},
        repeat::Repeats,
    },
    memory::{
        Store,
        pool::ENDED_PER_HOLD,
        reclaim::{RECLAIM_PAUSE, Step},
    },
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

/// What one round took, in nanoseconds.
struct Round {
    /// Reads while nothing ends.
    calm: Times,
    /// Reads while everything ends.
    busy: Times,
    /// Lock holds by the wall clock.
    holds: Times,
    /// Lock holds by processor time.
    processor: Times,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many there are, and how long they are.
    fn json(&mut self) -> String {
        let [p50, p99, p999, max] = [500, 990, 999, 1000].map(|share| self.of_thousand(share));
        format!(r#"{{"count":{},"p50":{p50:.2},"p99":{p99:.2},"p999":{p999:.2},"max":{max:.2}}}"#, self.0.len())
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

    /// Reclaims all that has ended, as the server does, with its pauses. Each lock hold is timed: by the clock, with the
    /// wait for the lock and whatever else the machine did, and by the processor time it took.
    fn reclaim(&self) -> (Times, Times) {
        let (mut times, mut processor) = (Times::default(), Times::default());
        let mut reclaiming = self.store.reclaiming();
        loop {
            let (began, began_processor) = (self.watch.now(), ThreadTime::now());
            let step = reclaiming.step();
            processor.add(began_processor.elapsed());
            times.add(self.watch.now().since(began));
            match step {
                Some(Step::Pause) => thread::sleep(RECLAIM_PAUSE),
                Some(Step::Continue) => {}
                None => return (times, processor),
            }
        }
    }

    /// A calm and a reclaiming, each beside a reader.
    fn round(&self) -> Result<Round, Box<dyn Error>> {
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
        Ok(Round { calm: calm.map_err(failed)?, busy: busy.map_err(failed)?, holds: holds.0, processor: holds.1 })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let entries = arguments.next().transpose()?.unwrap_or(ENTRIES).max(1);
    let rounds = arguments.next().transpose()?.unwrap_or(ROUNDS).max(1);
    let run = Run::new(entries)?;
    let [mut calm, mut busy, mut holds, mut processor] = [(); 4].map(|()| Times::default());
    for _ in 0..rounds {
        let round = run.round()?;
        calm.0.extend(round.calm.0);
        busy.0.extend(round.busy.0);
        holds.0.extend(round.holds.0);
        processor.0.extend(round.processor.0);
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("null");
    println!(
        r#"{{"entries":{entries},"rounds":{rounds},"entries_per_hold_max":{ENDED_PER_HOLD},"hold_cpu_us":{},"hold_us":{},"get_calm_us":{},"get_busy_us":{},"load_average":{load}}}"#,
        processor.json(),
        holds.json(),
        calm.json(),
        busy.json(),
    );
    println!(
        "{entries} entries that ended in the same second were reclaimed {rounds} times. A lock hold took {:.0} us of \
         processor time at most, {:.0} us by the clock with the wait for the lock. The p99 of Get was {:.2} us meanwhile \
         and {:.2} us before.",
        processor.of_thousand(1000),
        holds.of_thousand(1000),
        busy.of_thousand(990),
        calm.of_thousand(990),
    );
    Ok(())
}
