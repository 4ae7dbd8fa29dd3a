//! `cargo x bench redis`: the shared tier through its port beside plain GET and SET by the same client library on the same
//! Redis, in turns. A program that prints what it measured; what is promised is not decided by it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measured")]

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use clap::Parser;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Payload},
    key::Key,
    position::Position,
    tier::{Kept, shared::SharedTier},
};
use hotplate_redisctl::Server;
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    redis::{RedisOptions, RedisTier, RedisUrl},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use redis::aio::MultiplexedConnection;
use sha2::{Digest, Sha256};
use tokio::{sync::Mutex, task::JoinSet, time};

/// Keys that are read and written, for values up to 64 KiB; fewer for larger ones.
const KEYS: usize = 256;
/// Connections of the plain client: as many as the tier has.
const CONNECTIONS: usize = 4;
/// For how long values are stored.
const TTL_MS: u64 = 600_000;
/// Largest value.
const VALUE_BYTES_MAX: u64 = 8 << 20;

/// The shared tier beside plain GET and SET.
#[derive(Parser)]
#[command(name = "cargo x bench redis")]
struct Plan {
    /// Sizes of values in bytes, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1 << 10, 64 << 10, 1 << 20])]
    sizes: Vec<usize>,
    /// Tasks that call at the same time, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64])]
    tasks: Vec<usize>,
    /// Turns of each way
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of each turn
    #[arg(long, default_value_t = 300)]
    millis: u64,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// A way to read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Get,
    Read,
    Set,
    Write,
}

const WAYS: [Way; 4] = [Way::Get, Way::Read, Way::Set, Way::Write];

/// What all ways use.
struct Bench {
    tier: RedisTier,
    plain: Vec<MultiplexedConnection>,
    clock: Clock,
    keys: Vec<Key>,
    entries: Vec<Kept>,
    /// Where each key's log was when it was last asked for, as a replica knows it.
    known: Vec<Mutex<Option<Position>>>,
}

/// Calls a second, and latencies in microseconds.
#[derive(Clone, Copy, Default)]
struct Turn {
    calls: f64,
    half: f64,
    most: f64,
}

impl Bench {
    async fn new(url: &str, size: usize) -> Result<Arc<Self>, String> {
        let clock = Clock::system();
        let codec = Codec::new(CodecOptions { dictionaries: false, ..CodecOptions::default() }, clock.clone());
        let options = RedisOptions {
            url: RedisUrl::parse(url)?,
            username: None,
            password: None,
            authorities: None,
            prefix: "hp".into(),
            value_bytes_max: VALUE_BYTES_MAX,
        };
        let tier = RedisTier::open(options, codec, clock.clone())?;
        let client = redis::Client::open(url).map_err(|error| error.to_string())?;
        let mut plain = Vec::new();
        for _connection in 0..CONNECTIONS {
            plain.push(client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?);
        }
        let count = if size > 64 << 10 { KEYS / 8 } else { KEYS };
        let mut random = StdRng::seed_from_u64(7);
        let keys: Vec<Key> = (0..count).map(|n| Key::trusted("bench".into(), format!("key {n}").into())).collect();
        let entries = (0..count).map(|_| entry(size, &mut random, &clock)).collect();
        let known = (0..count).map(|_| Mutex::new(None)).collect();
        let bench = Arc::new(Self { tier, plain, clock, keys, entries, known });
        for way in [Way::Set, Way::Write] {
            for at in 0..count {
                bench.call(way, at, 0).await?;
            }
        }
        Ok(bench)
    }

    /// One call. `task`: who makes it, which decides the connection of plain ones.
    async fn call(&self, way: Way, at: usize, task: usize) -> Result<(), String> {
        let (key, entry) = (&self.keys[at], &self.entries[at]);
        let Payload::Value(value) = &entry.payload else { return Err("an entry has a value".into()) };
        let wrong = |what: &str| Err(format!("{what} did not give what was stored"));
        match way {
            Way::Get => {
                let mut connection = self.plain[task % CONNECTIONS].clone();
                let answer = redis::cmd("GET").arg(&**key.text()).query_async::<Vec<u8>>(&mut connection).await;
                let found = answer.map_err(|error| error.to_string())?;
                if found.len() == value.len() { Ok(()) } else { wrong("GET") }
            }
            Way::Set => {
                let mut connection = self.plain[task % CONNECTIONS].clone();
                let mut set = redis::cmd("SET");
                set.arg(&**key.text()).arg(&**value).arg("PX").arg(TTL_MS);
                set.query_async::<()>(&mut connection).await.map_err(|error| error.to_string())
            }
            Way::Read => {
                let known = *self.known[at].lock().await;
                let read = self.tier.read(key, known, None).await.map_err(|error| error.message)?;
                *self.known[at].lock().await = Some(read.now.position);
                let found = read.found.ok_or("nothing was found")?;
                if found.kept.value_bytes() == value.len() as u64 { Ok(()) } else { wrong("read") }
            }
            Way::Write => {
                let selector = Position { epoch: 1, number: 0 };
                let known = *self.known[at].lock().await;
                let written = self.tier.write(key, entry, selector, known).await.map_err(|error| error.message)?;
                *self.known[at].lock().await = Some(written.now.position);
                if written.stored { Ok(()) } else { wrong("write") }
            }
        }
    }

    /// Calls one way until it is told to stop; how long each took.
    async fn calls(self: Arc<Self>, way: Way, task: usize, stop: Arc<AtomicBool>) -> Result<Vec<Duration>, String> {
        let mut random = StdRng::seed_from_u64(task as u64);
        let mut took = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let at = random.random_range(0..self.keys.len());
            let begin = self.clock.now();
            self.call(way, at, task).await?;
            took.push(self.clock.now().since(begin));
        }
        Ok(took)
    }

    /// Tasks that call one way for some time.
    async fn turn(self: &Arc<Self>, way: Way, tasks: usize, millis: u64) -> Result<Turn, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut calling = JoinSet::new();
        let begin = self.clock.now();
        for task in 0..tasks {
            let (bench, stop) = (Arc::clone(self), Arc::clone(&stop));
            calling.spawn(bench.calls(way, task, stop));
        }
        time::sleep(Duration::from_millis(millis)).await;
        stop.store(true, Ordering::Relaxed);
        let mut took: Vec<Duration> = Vec::new();
        while let Some(task) = calling.join_next().await {
            took.extend(task.map_err(|error| error.to_string())??);
        }
        let seconds = self.clock.now().since(begin).as_secs_f64();
        took.sort_unstable();
        let share = |part: usize| took.get(took.len() * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
        #[expect(clippy::cast_precision_loss, reason = "counts of calls are small")]
        let calls = took.len() as f64 / seconds;
        Ok(Turn { calls, half: share(50), most: share(99) })
    }
}

/// An entry whose value cannot be compressed: what comes beside it is measured, not what zstd saves.
fn entry(size: usize, random: &mut StdRng, clock: &Clock) -> Kept {
    let value: Vec<u8> = (0..size).map(|_| random.random()).collect();
    let now = clock.wall(clock.now());
    Kept {
        digest: Sha256::digest(&value).into(),
        payload: Payload::Value(Bytes::from(value)),
        description: Arc::new(Description { kind: "fit".into(), ..Description::default() }),
        cost: Some(Duration::from_millis(70)),
        cost_measured: true,
        stored: now,
        fresh_until: now + Duration::from_millis(TTL_MS),
        usable_until: now + Duration::from_millis(TTL_MS),
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

/// The one in the middle by calls a second.
fn middle(mut turns: Vec<Turn>) -> Turn {
    turns.sort_by(|one, other| one.calls.total_cmp(&other.calls));
    turns.get(turns.len() / 2).copied().unwrap_or_default()
}

async fn measure(plan: &Plan, url: &str) -> Result<(), String> {
    println!(
        "| bytes | tasks | GET/s | read/s | share | GET p50, p99 us | read p50, p99 us | SET/s | write/s | share |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for size in &plan.sizes {
        let bench = Bench::new(url, *size).await?;
        for tasks in &plan.tasks {
            let mut turns: [Vec<Turn>; 4] = Default::default();
            // In turns, and each time another one first.
            for turn in 0..plan.rounds * WAYS.len() {
                let way = (turn + turn / WAYS.len()) % WAYS.len();
                turns[way].push(bench.turn(WAYS[way], *tasks, plan.millis).await?);
            }
            let [get, read, set, write] = turns.map(middle);
            println!(
                "| {size} | {tasks} | {:.0} | {:.0} | {:.2} | {:.0}, {:.0} | {:.0}, {:.0} | {:.0} | {:.0} | {:.2} |",
                get.calls,
                read.calls,
                read.calls / get.calls,
                get.half,
                get.most,
                read.half,
                read.most,
                set.calls,
                write.calls,
                write.calls / set.calls,
            );
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let plan = Plan::parse();
    let measured = || {
        let server = Server::start()?;
        let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
        runtime.block_on(measure(&plan, &server.url()))
    };
    match measured() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
