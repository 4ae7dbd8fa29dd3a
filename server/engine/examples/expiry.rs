//! A million entries that end within the same second, while others are read and written: how long does reclaiming hold a
//! lock, and what do readers and writers notice? Calm and reclaiming take turns in one run.
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
    entry::{Expiration, Payload, Ttl},
    event::Silent,
    flow::{
        get::{self, GetRequest, Lookup},
        put::{self, PutAnswer, PutRequest},
        repeat::Repeats,
    },
    memory::{Store, pool::ENDED_PER_HOLD, reclaim::RECLAIM_PAUSE},
    namespace::EngineConfig,
};

const ENTRIES: u64 = 1_000_000;
const ROUNDS: u64 = 5;
/// Entries that are read all the time, and as many that are written: they do not end.
const KEPT: u64 = 10_000;
/// How long each calm lasts.
const CALM: Duration = Duration::from_secs(1);
/// Between two writes: a thousand a second.
const WRITE_PAUSE: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAYS: Duration = Duration::from_secs(20 * 86_400);

/// Durations in nanoseconds.
#[derive(Clone, Default)]
struct Times(Vec<u64>);

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many there are, and how long they are.
    fn json(&mut self) -> String {
        let [p50, p99, p999, max] = [500, 990, 999, 1000].map(|share| self.of_thousand(share));
        let above = self.0.iter().filter(|time| **time > 1_000_000).count();
        format!(
            r#"{{"count":{},"p50":{p50:.2},"p99":{p99:.2},"p999":{p999:.2},"max":{max:.2},"above_1ms":{above}}}"#,
            self.0.len()
        )
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

/// What readers and writers noticed.
#[derive(Default)]
struct Noticed {
    gets: Times,
    puts: Times,
}

/// The lock holds of one reclaiming, in their order.
#[derive(Default)]
struct Holds {
    /// By the clock: with the wait for the lock, and whatever else the machine did.
    clock: Times,
    /// By the processor time they took.
    processor: Times,
}

struct Run {
    store: Store,
    /// What entries live by: it stands still but for the moment at which they all end.
    clock: Clock,
    /// What is measured with.
    watch: Clock,
    repeats: Repeats,
    entries: u64,
}

impl Run {
    fn new(entries: u64) -> Result<Self, Box<dyn Error>> {
        let clock = Clock::manual();
        let config =
            EngineConfig { bytes_max: 8 << 30, entries_max: 2 * entries + 2 * KEPT, ..EngineConfig::default() };
        let store = Store::new(config, clock.clone(), Arc::new(Silent))?;
        let run = Self { store, clock, watch: Clock::system(), repeats: Repeats::new(1), entries };
        (0..KEPT).try_for_each(|number| ["read", "written"].iter().try_for_each(|name| run.put(name, number, DAYS)))?;
        Ok(run)
    }

    fn put(&self, namespace: &str, number: u64, ttl: Duration) -> Result<(), Box<dyn Error>> {
        let request = PutRequest {
            expiration: Expiration { ttl: Ttl::Exact(ttl), ..Expiration::default() },
            ..PutRequest::new(namespace, format!("key:{number}"), Payload::Value(Bytes::from(vec![0; 100])))
        };
        match put::put(&self.store, &self.repeats, request)? {
            PutAnswer::Stored { .. } | PutAnswer::Refreshed { .. } => Ok(()),
            other => Err(format!("an entry was not stored: {other:?}").into()),
        }
    }

    /// Reads until told to stop; each Get is timed.
    fn read(&self, stop: &AtomicBool) -> Times {
        let of_number =
            |number| GetRequest { namespace: "read".into(), key: format!("key:{number}"), ..GetRequest::default() };
        let requests: Vec<_> = (0..KEPT).map(of_number).collect();
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

    /// Writes until told to stop, at a steady rate; each Put is timed.
    fn write(&self, stop: &AtomicBool) -> Times {
        let mut times = Times::default();
        for number in (0..KEPT).cycle() {
            if stop.load(Relaxed) {
                break;
            }
            let began = self.watch.now();
            let stored = self.put("written", number, DAYS);
            times.add(self.watch.now().since(began));
            assert!(stored.is_ok(), "there is room");
            thread::sleep(WRITE_PAUSE);
        }
        times
    }

    /// Does something beside a reader and a writer, and says what they noticed of it.
    fn beside<T>(&self, what: impl FnOnce() -> T) -> Result<(Noticed, T), Box<dyn Error>> {
        let stop = AtomicBool::new(false);
        let (gets, puts, done) = thread::scope(|scope| {
            let (reader, writer) = (scope.spawn(|| self.read(&stop)), scope.spawn(|| self.write(&stop)));
            let done = what();
            stop.store(true, Relaxed);
            (reader.join(), writer.join(), done)
        });
        let failed = |_| "a reader or a writer has failed";
        Ok((Noticed { gets: gets.map_err(failed)?, puts: puts.map_err(failed)? }, done))
    }

    /// Reclaims all that has ended, as the server does, with its pauses, and times each lock hold. What was taken out is
    /// dropped after it, as the server does.
    fn reclaim(&self) -> Holds {
        let mut holds = Holds::default();
        let mut reclaiming = self.store.reclaiming();
        loop {
            let (began, began_processor) = (self.watch.now(), ThreadTime::now());
            let step = reclaiming.step();
            holds.processor.add(began_processor.elapsed());
            holds.clock.add(self.watch.now().since(began));
            let Some(pause) = step.map(|step| step.pause) else { return holds };
            if pause {
                thread::sleep(RECLAIM_PAUSE);
            }
        }
    }

    /// A calm and a reclaiming, and what was noticed in each.
    fn round(&self) -> Result<(Noticed, Noticed, Holds), Box<dyn Error>> {
        let second = |number| HOUR + Duration::from_micros(number % 1_000_000);
        (0..self.entries).try_for_each(|number| self.put("ends", number, second(number)))?;
        let (calm, ()) = self.beside(|| thread::sleep(CALM))?;
        self.clock.advance(HOUR + Duration::from_secs(2));
        let (busy, holds) = self.beside(|| self.reclaim())?;
        let left = self.store.pool.budget().used().entries;
        if left != 2 * KEPT {
            return Err(format!("{left} entries are left, not {}", 2 * KEPT).into());
        }
        self.store.check_invariants()?;
        Ok((calm, busy, holds))
    }
}

/// All rounds do the same in the same order, so a hold that is long for what it does is long in each of them; what else
/// the machine did in one of them is not. The least of all rounds, hold by hold.
fn in_every_round(rounds: &[Times]) -> Result<Times, Box<dyn Error>> {
    let (first, others) = rounds.split_first().ok_or("no round")?;
    let mut least = first.clone();
    for times in others {
        if times.0.len() != least.0.len() {
            return Err("two rounds did not do the same".into());
        }
        least.0.iter_mut().zip(&times.0).for_each(|(least, time)| *least = (*least).min(*time));
    }
    Ok(least)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let entries = arguments.next().transpose()?.unwrap_or(ENTRIES).max(1);
    let rounds = arguments.next().transpose()?.unwrap_or(ROUNDS).max(1);
    let run = Run::new(entries)?;
    let (mut calm, mut busy, mut holds) = (Noticed::default(), Noticed::default(), Times::default());
    let mut processor = Vec::new();
    for _ in 0..rounds {
        let (before, meanwhile, held) = run.round()?;
        for (all, noticed) in [(&mut calm, before), (&mut busy, meanwhile)] {
            all.gets.0.extend(noticed.gets.0);
            all.puts.0.extend(noticed.puts.0);
        }
        holds.0.extend(held.clock.0);
        processor.push(held.processor);
    }
    let mut least = in_every_round(&processor)?;
    let mut processor = Times(processor.into_iter().flat_map(|times| times.0).collect());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("null");
    println!(
        r#"{{"entries":{entries},"rounds":{rounds},"entries_per_hold_max":{ENDED_PER_HOLD},"hold_cpu_us":{},"hold_cpu_every_round_us":{},"hold_us":{},"get_calm_us":{},"get_busy_us":{},"put_calm_us":{},"put_busy_us":{},"load_average":{load}}}"#,
        processor.json(),
        least.json(),
        holds.json(),
        calm.gets.json(),
        busy.gets.json(),
        calm.puts.json(),
        busy.puts.json(),
    );
    println!(
        "{entries} entries that ended in the same second were reclaimed {rounds} times. The longest lock hold took {:.0} us of \
         processor time in every round, {:.0} us in the worst. The p99 of Get was {:.2} us meanwhile and {:.2} us before.",
        least.of_thousand(1000),
        processor.of_thousand(1000),
        busy.gets.of_thousand(990),
        calm.gets.of_thousand(990),
    );
    Ok(())
}
