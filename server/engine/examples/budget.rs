//! Tens of millions of mixed operations from four threads on the memory tier, sizes from 100 B to 900 MiB as charged: is
//! the budget ever exceeded? A thread samples it all the time, and the budget itself keeps the most that was ever taken.
//!
//! `cargo x soak budget`, or with arguments: operations, threads. Prints JSON, then a sentence.

#![expect(clippy::print_stdout, reason = "a program that measures prints what it measured")]

use std::{
    error::Error,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use hotplate_engine::{
    clock::{Clock, Moment},
    memory::{
        plain::{Item, Plain},
        pool::PoolConfig,
    },
    policy::{Objective, REGISTRY},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const OPERATIONS: u64 = 32_000_000;
const THREADS: u64 = 4;
const BYTES_MAX: u64 = 4 << 30;
const BYTES_LEAST: f64 = 100.0;
const BYTES_MOST: f64 = 900.0 * 1024.0 * 1024.0;
const KEYS: u64 = 1_000_000;

/// What the threads did, under one policy.
#[derive(Debug, Default)]
struct Done {
    gets: AtomicU64,
    hits: AtomicU64,
    puts: AtomicU64,
    refused: AtomicU64,
    removes: AtomicU64,
}

/// What the sampling thread saw.
#[derive(Debug, Default)]
struct Seen {
    looks: u64,
    above: u64,
    highest: u64,
}

/// Most sizes are small, a few are huge: evenly spread in their logarithm, one put in ten over the whole range.
fn size(random: &mut StdRng) -> u64 {
    let most = if random.random_range(0..10) == 0 { BYTES_MOST } else { BYTES_MOST / 1000.0 };
    let position: f64 = random.random();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 100 to 900 million")]
    let bytes = (BYTES_LEAST * (most / BYTES_LEAST).powf(position)) as u64;
    bytes
}

fn step(cache: &Plain<u64>, random: &mut StdRng, now: Moment, done: &Done) {
    let skewed = random.random::<f64>().powi(4);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a number of a key"
    )]
    let number = (skewed * KEYS as f64) as u64;
    let key = number.to_be_bytes();
    match random.random_range(0..100) {
        0..50 => {
            let found = cache.get(&key, now);
            assert!(found.is_none_or(|found| found == number), "the value of another key");
            done.hits.fetch_add(u64::from(found.is_some()), Relaxed);
            done.gets.fetch_add(1, Relaxed);
        }
        50..95 => {
            let cost = Duration::from_micros(random.random_range(1..1_000_000));
            let ends = now.after(Duration::from_micros(random.random_range(1..2_000_000)));
            let stored = cache.put(&key, number, Item { bytes: size(random), cost, ends });
            done.refused.fetch_add(u64::from(!stored), Relaxed);
            done.puts.fetch_add(1, Relaxed);
        }
        95..99 => {
            cache.remove(&key);
            done.removes.fetch_add(1, Relaxed);
        }
        _ => {
            if random.random_range(0..1000) == 0 {
                cache.expire(now);
            }
            done.removes.fetch_add(1, Relaxed);
        }
    }
}

fn sample(cache: &Plain<u64>, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Relaxed) {
        let used = cache.used().bytes;
        seen.looks += 1;
        seen.above += u64::from(used > BYTES_MAX);
        seen.highest = seen.highest.max(used);
    }
    seen
}

/// Runs all operations under one policy, and says what came of it as JSON; and how many instants were above.
fn run(policy: &str, operations: u64, threads: u64) -> Result<(String, u64), Box<dyn Error>> {
    let config =
        PoolConfig { bytes_max: BYTES_MAX, entries_max: KEYS / 4, shards: 16, objective: Objective::default() };
    let cache: Plain<u64> = Plain::new(config, policy, 1)?;
    let (clock, done, stop) = (Clock::system(), Done::default(), AtomicBool::new(false));
    let seen = thread::scope(|scope| {
        let sampler = scope.spawn(|| sample(&cache, &stop));
        let work = |number| {
            let mut random = StdRng::seed_from_u64(number);
            for _ in 0..operations / threads {
                step(&cache, &mut random, clock.now(), &done);
            }
        };
        let workers: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        let worked = workers.into_iter().all(|worker| worker.join().is_ok());
        stop.store(true, Relaxed);
        sampler.join().ok().filter(|_| worked).ok_or("a thread has failed")
    })?;
    cache.check()?;
    let (held, highest) = (cache.used(), cache.bytes_highest());
    cache.clear();
    if cache.used().bytes != 0 {
        return Err("something is left of what was cleared".into());
    }
    let above = seen.above + u64::from(highest > BYTES_MAX);
    let [gets, hits, puts, refused, removes] =
        [&done.gets, &done.hits, &done.puts, &done.refused, &done.removes].map(|count| count.load(Relaxed));
    let seconds = clock.now().since(Moment(0)).as_secs_f64();
    let Seen { looks, highest: sampled, .. } = seen;
    let total = gets + puts + removes;
    Ok((
        format!(
            r#"{{"policy":"{policy}","threads":{threads},"operations":{total},"gets":{gets},"hits":{hits},"puts":{puts},"refused":{refused},"removes":{removes},"held_entries":{},"held_bytes":{},"looks":{looks},"highest_sampled":{sampled},"highest_taken":{highest},"limit":{BYTES_MAX},"instants_above":{above},"seconds":{seconds:.1}}}"#,
            held.entries, held.bytes
        ),
        above,
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let operations = arguments.next().transpose()?.unwrap_or(OPERATIONS);
    let threads = arguments.next().transpose()?.unwrap_or(THREADS).max(1);
    let mut above = 0;
    for policy in REGISTRY {
        let (line, instants) = run(policy.name, operations, threads)?;
        println!("{line}");
        above += instants;
    }
    println!("{above} instants above the limit, under {} policies with {operations} operations each", REGISTRY.len());
    if above == 0 { Ok(()) } else { Err("the budget was exceeded".into()) }
}
