//! This client against a server, as every SDK's `bench` measures its own: one Get a call, 100 Gets a call, reads kept in this process, and
//! a herd of callers in several processes that want one computation.
//!
//! `cargo run --release -p hotplate --example sdk_bench -- --url hotplate://127.0.0.1:7070 --mode unary`
//! Prints one JSON object: `{mode, ops_per_s, p50_us, p99_us, errors}`, with `herd` also `computations` and `max_wait_ms`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use hotplate::{Client, ComputeOptions, Lookup, Namespace, NearOptions, OnError, Raw, TtlClass, WriteOptions};
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const KEYS: usize = 1_000;
const BATCH: usize = 100;
/// How long the computation of the herd is.
const HERD_TAKES: Duration = Duration::from_secs(2);
/// Latencies that each caller keeps.
const LATENCIES_MAX: usize = 1 << 18;

#[derive(Clone)]
struct Settings {
    url: String,
    mode: String,
    seconds: f64,
    in_flight: usize,
    value_size: usize,
}

/// What one caller did.
#[derive(Default)]
struct Done {
    operations: u64,
    errors: u64,
    latencies: Vec<Duration>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let settings = settings()?;
    let mut builder = Client::builder().url(&settings.url).on_error(OnError::Raise);
    if settings.mode == "near" {
        builder = builder.near_cache(NearOptions::new());
    }
    let client = builder.build()?;
    let space = client.default_namespace().codec(Raw);
    let report = match settings.mode.as_str() {
        "unary" | "batched" | "near" => measure(&settings, &space).await?,
        "herd" => herd(&settings, &space).await?,
        other => return Err(format!("there is no mode {other}: unary, batched, near or herd").into()),
    };
    client.close().await;
    say(&report);
    Ok(())
}

async fn measure(settings: &Settings, space: &Namespace<Raw>) -> Result<serde_json::Value, Failure> {
    let value = vec![7_u8; settings.value_size];
    let options = WriteOptions::new().ttl(TtlClass::Long);
    for key in 0..KEYS {
        space.put_with(name(key), &value, &options).await?;
    }
    let began = now();
    let ends = began + Duration::from_secs_f64(settings.seconds);
    let mut callers = JoinSet::new();
    for caller in 0..settings.in_flight {
        let (space, batched) = (space.clone(), settings.mode == "batched");
        callers.spawn(async move { read_until(ends, &space, caller * 31, batched).await });
    }
    Ok(report(&settings.mode, callers.join_all().await, began.elapsed()))
}

/// One caller, which reads again as soon as it is answered.
async fn read_until(ends: Instant, space: &Namespace<Raw>, first: usize, batched: bool) -> Done {
    let mut done = Done::default();
    for at in first.. {
        let asked = now();
        if asked >= ends {
            break;
        }
        let (operations, errors) = if batched { many(space, at).await } else { one(space, at).await };
        done.operations += operations;
        done.errors += errors;
        if done.latencies.len() < LATENCIES_MAX {
            done.latencies.push(asked.elapsed());
        }
    }
    done
}

/// One Get: operations, and how many of them were no hits.
async fn one(space: &Namespace<Raw>, at: usize) -> (u64, u64) {
    let found = space.get_shared::<Bytes>(name(at % KEYS)).await;
    (1, u64::from(!found.is_ok_and(|found| found.is_hit())))
}

async fn many(space: &Namespace<Raw>, at: usize) -> (u64, u64) {
    let first = at * BATCH % KEYS;
    let hits = match space.get_many::<Bytes, _>((first..first + BATCH).map(name)).await {
        Ok(found) => found.iter().filter(|found| found.as_ref().is_ok_and(Lookup::is_hit)).count(),
        Err(_away) => 0,
    };
    (BATCH as u64, (BATCH - hits) as u64)
}

async fn herd(settings: &Settings, space: &Namespace<Raw>) -> Result<serde_json::Value, Failure> {
    let (computations, began) = (Arc::new(AtomicU64::new(0)), now());
    // Connected before it begins, as a service that runs is.
    space.exists("bench:before").await?;
    let mut callers = JoinSet::new();
    for _ in 0..settings.in_flight {
        let (space, computations, size) = (space.clone(), Arc::clone(&computations), settings.value_size);
        callers.spawn(async move {
            let asked = now();
            let compute = move || async move {
                computations.fetch_add(1, Relaxed);
                tokio::time::sleep(HERD_TAKES).await;
                Ok::<_, std::io::Error>(Bytes::from(vec![7_u8; size]))
            };
            let options = ComputeOptions::new().ttl(TtlClass::Short);
            let got = space.get_or_compute("bench:herd", &options, compute).await;
            Done { operations: 1, errors: u64::from(got.is_err()), latencies: vec![asked.elapsed()] }
        });
    }
    let done = callers.join_all().await;
    let longest = done.iter().flat_map(|done| &done.latencies).max().copied().unwrap_or_default();
    let mut report = report(&settings.mode, done, began.elapsed());
    report["computations"] = computations.load(Relaxed).into();
    report["max_wait_ms"] = u64::try_from(longest.as_millis())?.into();
    Ok(report)
}

fn report(mode: &str, done: Vec<Done>, took: Duration) -> serde_json::Value {
    let operations: u64 = done.iter().map(|done| done.operations).sum();
    let errors: u64 = done.iter().map(|done| done.errors).sum();
    let mut latencies: Vec<Duration> = done.into_iter().flat_map(|done| done.latencies).collect();
    latencies.sort_unstable();
    let quantile = |percent: usize| {
        let at = latencies.len().saturating_sub(1) * percent / 100;
        latencies.get(at).map(|latency| latency.as_secs_f64() * 1e6)
    };
    serde_json::json!({
        "mode": mode, "ops_per_s": operations as f64 / took.as_secs_f64(),
        "p50_us": quantile(50), "p99_us": quantile(99), "errors": errors,
    })
}

fn name(key: usize) -> String {
    format!("bench:rust:{key}")
}

#[expect(clippy::print_stdout, reason = "what was measured is what this is for")]
fn say(report: &serde_json::Value) {
    println!("{report}");
}

fn settings() -> Result<Settings, Failure> {
    let mut settings = Settings {
        url: "hotplate://127.0.0.1:7070".to_owned(),
        mode: "unary".to_owned(),
        seconds: 5.0,
        in_flight: 32,
        value_size: 1024,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--url" => settings.url = value,
            "--mode" => settings.mode = value,
            "--seconds" => settings.seconds = value.parse()?,
            "--in-flight" => settings.in_flight = value.parse()?,
            "--value-size" => settings.value_size = value.parse()?,
            _ => return Err(format!("there is no {name}: --url, --mode, --seconds, --in-flight, --value-size").into()),
        }
    }
    Ok(settings)
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}
